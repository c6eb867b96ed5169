"""The request as the rules see it: every view of it is made when first asked for, and made once."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from bascule.waf.bodies.cookies import parse_cookies
from bascule.waf.bodies.limits import Limits
from bascule.waf.bodies.urlencoded import parse_urlencoded
from bascule.waf.state import RuleState
from bascule.waf.steady import Steady

if TYPE_CHECKING:
    from bascule.waf.seclang.model import Config

Pairs = list[tuple[bytes, bytes]]

_HEAD_LIMITS: Final = Limits(fields=1 << 16)
"""Targets and fields have limits of length of their own: no argument and no cookie in them goes uninspected."""


class ConnectionFacts(NamedTuple):
    """Who talks to whom. Addresses as text in bytes."""

    client_address: bytes
    client_port: int
    server_address: bytes
    server_port: int


class RequestView(RuleState):
    """Request line, headers and what follows from them, computed lazily (libmodsecurity's `processURI`)."""

    config: Config
    connection: ConnectionFacts
    method: bytes
    target: bytes
    version: bytes
    query: bytes
    varying: Pairs
    """The header fields that are not of `steady`; all of them where there is none."""
    steady: Steady | None = None
    urlencoded_error: int = 0
    _headers: Pairs | None = None
    _args_get: Pairs | None = None
    _cookies: Pairs | None = None
    _filename: bytes | None = None
    _basename: bytes | None = None
    _request_uri: bytes | None = None

    def set_head(
        self, method: bytes, target: bytes, version: bytes, headers: Pairs, steady: Steady | None = None
    ) -> None:
        """Take a request head. Header names are lower case; `version` is "1.1", "2" or "HTTP/1.1"."""
        self.method, self.target, self.varying, self.steady = method, target, headers, steady
        self.version = version[5:] if version[:5] == b"HTTP/" else version
        self.query = target.partition(b"?")[2]

    @property
    def headers(self) -> Pairs:
        """All header fields."""
        if self.steady is None:
            return self.varying
        if self._headers is None:
            self._headers = self.steady.pairs + self.varying
        return self._headers

    @property
    def protocol(self) -> bytes:
        return b"HTTP/" + self.version

    @property
    def request_line(self) -> bytes:
        return b"%b %b HTTP/%b" % (self.method, self.target, self.version)

    @property
    def request_uri(self) -> bytes:
        """The target URL-decoded once, without scheme and authority."""
        if self._request_uri is None:
            uri = unquote_to_bytes(self.target) if b"%" in self.target else self.target
            if uri[:1] != b"/":
                scheme = uri.find(b":") + 1
                path = uri.find(b"/", scheme + 2) if scheme and uri[scheme : scheme + 2] == b"//" else -1
                uri = uri[path:] if path >= 0 else uri
            self._request_uri = uri
        return self._request_uri

    @property
    def filename(self) -> bytes:
        """What stands before the target's question mark, decoded (REQUEST_FILENAME, PATH_INFO).

        Cut first and decoded then: an encoded question mark hides nothing (CVE-2024-1019).
        """
        if self._filename is None:
            path = self.target.partition(b"?")[0]
            self._filename = unquote_to_bytes(path) if b"%" in path else path
        return self._filename

    @property
    def basename(self) -> bytes:
        """What follows the last slash or backslash of the file name; empty if nothing does."""
        if self._basename is None:
            name = self.filename
            self._basename = (
                name[max(name.rfind(b"/"), name.rfind(b"\\")) + 1 :] if b"/" in name or b"\\" in name else b""
            )
        return self._basename

    @property
    def args_get(self) -> Pairs:
        if self._args_get is None:
            self._args_get = self._parse_query(self.query) if self.query else []
        return self._args_get

    @property
    def known_query(self) -> Pairs | None:
        """`args_get` if somebody asked for it before and it is what servers read; None otherwise."""
        return self._args_get if self.config.argument_separator == b"&" else None

    def _parse_query(self, query: bytes) -> Pairs:
        parsed = parse_urlencoded(query, self.config.argument_separator, _HEAD_LIMITS)
        self.urlencoded_error |= parsed.invalid_encoding
        return parsed.pairs

    @property
    def cookies(self) -> Pairs:
        if self._cookies is None:
            pairs: Pairs = []
            for name, value in self.headers if self.steady is None or self.steady.cookies else self.varying:
                if name == b"cookie":
                    pairs.extend(parse_cookies(value.rstrip(), _HEAD_LIMITS))
            self._cookies = pairs
        return self._cookies

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (lower-case name), or None."""
        if self.steady is not None and name in self.steady.first:
            return self.steady.first[name]
        for key, value in self.varying:
            if key == name:
                return value
        return None

    @property
    def server_name(self) -> bytes:
        """The host of the Host header, without its port."""
        host = self.header(b"host") or b""
        if host.startswith(b"["):
            return host.partition(b"]")[0] + b"]"
        return host.partition(b":")[0]

    @property
    def auth_type(self) -> bytes | None:
        value = self.header(b"authorization")
        return value.partition(b" ")[0] if value else None

    @property
    def remote_user(self) -> bytes | None:
        value = self.header(b"authorization") or b""
        if value[:6].lower() != b"basic ":
            return None
        try:
            return base64.b64decode(value[6:], validate=False).partition(b":")[0]
        except (binascii.Error, ValueError):
            return None
