"""Where a client of the forward proxy wants to go: the three ways to say it become one `Target`, or a clear refusal.

``CONNECT host:port`` (RFC 9110 9.3.6), ``GET http://host/path`` (RFC 9112 3.2.2), and the address of a SOCKS request.
A host is either a name or an address in one normal form: the spellings that only some readers take for an address
(``0x7f.1``, ``2130706433``, ``0177.0.0.1``, ``[::ffff:127.0.0.1]``) become that address here, so that no rule is
passed by spelling.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from bascule.http.errors import HttpError
from bascule.http.host import split_authority
from bascule.http.message import RequestHead
from bascule.telemetry import causes

_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://")
_HTTP = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_LABEL = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
"""RFC 1123 2.1, and the underscore that the DNS carries although host names may not have it."""
_NUMBER = re.compile(rb"0x[0-9a-f]*|[0-9]+")
"""WHATWG URL, "ends in a number checker": a host whose last label is one of these is an IPv4 address or nothing."""
MAX_NAME = 253
"""Characters of a domain name (RFC 1035 2.3.4)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place to connect to. `address` is the IP address in its normal form where the host is one, else empty."""

    host: str
    port: int
    address: str = ""
    secure: bool = False
    """Whether Bascule itself speaks TLS to it (``GET https://...``)."""

    authority: str = field(init=False, compare=False)
    """Host and port as they stand in a URL."""

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        object.__setattr__(self, "authority", f"{host}:{self.port}")


NOWHERE: Final = Target("0.0.0.0", 0, "0.0.0.0")  # noqa: S104
"""What stands in the place of a target where there is none."""


@lru_cache(maxsize=4096)
def make_target(host: bytes, port: int, secure: bool = False) -> Target:
    """Return the target of a lower-case host (IPv6 in brackets, no trailing dot) and a port.

    Raises HttpError(400): ``bad_host`` for what is neither a name nor an address, ``bad_target`` for port 0.
    """
    if not 0 < port < 65536:
        raise HttpError(400, causes.BAD_TARGET, "port")
    if host[:1] == b"[":
        try:
            six = IPv6Address(host[1:-1].decode("ascii"))
        except ValueError:
            raise HttpError(400, causes.BAD_HOST, "not an IPv6 address") from None
        if six.scope_id is not None:
            raise HttpError(400, causes.BAD_HOST, "an address with a zone means nothing beyond this machine")
        address = str(six.ipv4_mapped or six)
        return Target(address, port, address, secure)
    labels = host.split(b".")
    if _NUMBER.fullmatch(labels[-1]):
        try:  # the spellings of inet_aton(3), which resolvers and browsers take
            address = socket.inet_ntoa(socket.inet_aton(host.decode("ascii")))
        except (OSError, ValueError):
            raise HttpError(400, causes.BAD_HOST, "not an IPv4 address") from None
        return Target(address, port, address, secure)
    if len(host) > MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise HttpError(400, causes.BAD_HOST, "not a host name")
    return Target(host.decode("ascii"), port, "", secure)


def target_of(head: RequestHead) -> Target | None:
    """Return where a parsed head wants to go; None if it asks the proxy itself (origin-form). Raises HttpError."""
    if head.method == b"CONNECT":
        return make_target(head.host, head.port)
    if head.line_target is head.target:
        return None
    secure = head.line_target[:5].lower() == b"https"
    port = head.port or (0 if head.authority.endswith(b":0") else 443 if secure else 80)
    return make_target(head.host, port, secure)


def proxy_form(head: RequestHead) -> None:
    """Read the targets that do not begin with a slash, as a proxy is given them; see `RequestParser`.

    Raises HttpError: 400 for what is malformed, 501 for a scheme that is not HTTP's (``ftp://``).
    """
    if head.method == b"CONNECT":
        authority_form(head)
        return
    if head.target == b"*":
        if head.method != b"OPTIONS":
            raise HttpError(400, causes.BAD_TARGET)
        return
    match = _HTTP.fullmatch(head.target)
    if match is None:
        if _SCHEME.match(head.target):
            raise HttpError(501, causes.UNKNOWN_SCHEME)
        raise HttpError(400, causes.BAD_TARGET)
    if not match.group(2):
        raise HttpError(400, causes.BAD_TARGET, "no host")
    head.authority = match.group(2)
    head.host, head.port = split_authority(head.authority)
    rest = match.group(3)
    head.target = rest if rest[:1] == b"/" else b"/" + rest


def authority_form(head: RequestHead) -> None:
    """Read the target of CONNECT: host and port, both of them, and nothing else. Raises HttpError(400)."""
    host, port = split_authority(head.target)
    if not port or head.target.endswith(b":"):
        raise HttpError(400, causes.BAD_TARGET, "no port")
    head.authority = head.target
    head.host, head.port = host, port
