"""Parameters of links that clients can only follow as a page gave them.

A link to a protected place that carries protected parameters gets one more, a MAC over place and parameters; a request
for such a place with such parameters must bring it. It is the same whenever the page is, so pages stay cacheable, and a
link may be kept, sent and shared: what nobody can do is make another one. The server does not see it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from html import escape

from bascule.config.response import LinkGuard
from bascule.waf.bodies import parse_urlencoded
from bascule.waf.filters.access import path_test, plain_path
from bascule.waf.response.cookies import derived
from bascule.waf.response.names import Names
from bascule.waf.response.tags import ATTRIBUTE, TagStream, attributes, plain, tag_pattern

PARAMETER = b"_bascule_link"
"""Name of the parameter that holds the MAC."""
MAX_LINK = 4096
"""Bytes of a link that is signed; browsers and servers take hardly longer ones."""
_TAG_BYTES = 16
_ADDRESS = (b"href", b"src", b"action", b"formaction", b"data")
"""Attributes that name where a browser goes."""
_ELSEWHERE = re.compile(rb"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HOST = re.compile(rb"(?:https?:)?//([^/?#\\]*)", re.IGNORECASE)

Pairs = list[tuple[bytes, bytes]]


class Links:
    """The protected links of one route."""

    def __init__(self, guard: LinkGuard) -> None:
        self.protects = Names(guard.names).protects
        self._fits = [path_test(path) for path in guard.paths]
        self._keys = [derived(secret, b"link") for secret in (guard.secret, *guard.previous)]

    def signed(self, link: bytes, page: bytes, host: bytes) -> bytes:
        """Return a link of a page, as a browser reads it, with its MAC where it is protected; `page` is its target."""
        whole, mark, fragment = link.partition(b"#")
        if len(whole) > MAX_LINK or b"?" not in whole or PARAMETER in whole:
            return link
        at = _HOST.match(whole)
        if (at is not None and at[1].lower() != host.lower()) or (at is None and _ELSEWHERE.match(whole)):
            return link
        place = whole[at.end() :] if at is not None else whole
        path, _, query = _joined(page, place).partition(b"?")
        pairs = self._protected(parse_urlencoded(query).pairs)
        if not pairs or not self._covers(path):
            return link
        return b"%b&%b=%b%b%b" % (whole, PARAMETER, _mac(self._keys[0], path, pairs), mark, fragment)

    def broken(self, target: bytes, pairs: Pairs) -> tuple[bytes, bytes] | None:
        """Return a protected parameter of a request that is not as a link gave it.

        `pairs` are all its parameters, those of its body, too: some programs take either.
        """
        protected = self._protected(pairs)
        if not protected or not self._covers(target):
            return None
        macs = [value for name, value in pairs if name == PARAMETER]
        if len(macs) == 1 and any(hmac.compare_digest(macs[0], _mac(key, target, protected)) for key in self._keys):
            return None
        return protected[0]

    def stream(self, page: bytes, host: bytes) -> LinkStream:
        """Begin a page: its request's target and host."""
        return LinkStream(self, page, host)

    def _protected(self, pairs: Pairs) -> Pairs:
        return [pair for pair in pairs if self.protects(pair[0])]

    def _covers(self, target: bytes) -> bool:
        path = plain_path(target)
        return any(fits(path) for fits in self._fits)


class LinkStream(TagStream):
    """A page on its way: the links in it that are protected get their MACs."""

    __slots__ = ("_host", "_links", "_page")
    names = (b"a", b"area", b"form", b"button", b"input", b"iframe", b"frame", b"img", b"embed", b"object", b"base")
    pattern = tag_pattern(*names)

    def __init__(self, links: Links, page: bytes, host: bytes) -> None:
        super().__init__()
        self._links, self._page, self._host = links, page, host

    def changed(self, found: re.Match[bytes]) -> bytes | None:
        """Return a tag with its protected links signed."""
        rest: bytes = found["rest"]
        if found["name"].lower() == b"base":
            self._begin_elsewhere(rest)
            return None
        out: list[bytes] = []
        at = 0
        for attribute in ATTRIBUTE.finditer(rest):
            if attribute[1].lower() not in _ADDRESS:
                continue
            value = plain(attribute[2] or attribute[3] or attribute[4] or b"")
            link = value.translate(None, b"\t\r\n").strip(b" \f")
            signed = self._links.signed(link, self._page, self._host)
            if signed is not link:
                out += (rest[at : attribute.start()], attribute[1], b'="', _quoted(signed), b'"')
                at = attribute.end()
        return b"".join((found[0][: 1 + len(found["name"])], *out, rest[at:], b">")) if out else None

    def _begin_elsewhere(self, rest: bytes) -> None:
        """Take what links of the page are relative to from now on (HTML 4.2.3)."""
        base = attributes(rest).get(b"href", b"")
        at = _HOST.match(base)
        self._page = _joined(self._page, base[at.end() :] if at is not None else base)


def _joined(page: bytes, place: bytes) -> bytes:
    """Return the target that a link without a host leads to; dots in it are left to `plain_path`.

    Not `urljoin`, to which a path of two slashes is a host, and one of brackets an error.
    """
    if place[:1] == b"/":
        return place
    path = page.partition(b"?")[0]
    return (path[: path.rfind(b"/") + 1] if place[:1] not in (b"", b"?") else path) + place


def _quoted(link: bytes) -> bytes:
    return escape(link.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _mac(key: bytes, target: bytes, pairs: Pairs) -> bytes:
    """Lengths before the texts, so that no other parameters make the same."""
    digest = hmac.new(key, plain_path(target), hashlib.sha256)
    for name, value in sorted(pairs):
        digest.update(b"?%d:%b%d:%b" % (len(name), name, len(value), value))
    return base64.urlsafe_b64encode(digest.digest()[:_TAG_BYTES]).rstrip(b"=")
