"""What a plain request tells of its user, and what its response may plant: referrers, parameters, cookies.

Fields that are simply taken out or said alike by all are header policy (config/privacy.py); here is what depends on the
request. Inside a tunnel nothing of this is seen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bascule.config.privacy import TRACKING_PARAMETERS, Privacy
from bascule.forward.target import Target
from bascule.http.message import RequestHead, ResponseHead

if TYPE_CHECKING:
    from bascule.http.fields import Field

_REFERER: Final = re.compile(rb"(https?)://(?:[^/?#@]*@)?([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)
_NAMES: Final = b"|".join(re.escape(name.encode()).replace(rb"\*", rb"[^=&]*") for name in TRACKING_PARAMETERS)
_PARAMETER: Final = re.compile(rb"(?:%b)(?:=|$)" % _NAMES)
_ANY_PARAMETER: Final = re.compile(rb"[?&](?:%b)(?:[=&]|$)" % _NAMES)
"""Finds nothing in nearly every path: where it does, parameter by parameter is looked at."""
_LIFE: Final = re.compile(rb";[ \t]*(?:expires|max-age)[ \t]*=[^;]*", re.IGNORECASE)
_SHARED: Final = frozenset(("ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "nom", "or", "org"))
"""Second labels below which others are registered in countries, as in ``co.uk``."""
_COOKIE: Final = frozenset((b"cookie",))
_SET_COOKIE: Final = frozenset((b"set-cookie",))


class PrivacyPlan:
    """The policy of the forward proxy, made ready."""

    def __init__(self, config: Privacy) -> None:
        self._referer = config.how_referer
        self._tracking = config.removes_tracking
        self._cookies = config.how_cookies
        self._tells_less = self._referer not in ("keep", "none") or (self._referer == "keep" and self._tracking)
        self._bars_some = self._cookies in ("none", "first-party")
        self.changes_nothing = not (self._tells_less or self._tracking or self._cookies != "all")

    def request(self, head: RequestHead, target: Target, path: bytes) -> tuple[RequestHead, bytes]:
        """Return a request's head and path (with query) as they may leave."""
        if self._tracking:
            path = without_tracking(path)
        if self._tells_less and (referer := head.referer):
            told = self._told(referer, target)
            if told != referer:
                head = head.with_referer(told)
        if self._bars_some and head.value(b"cookie") and self._bars(head, target):
            head = head.without(_COOKIE)
        return head, path

    def _told(self, referer: bytes, target: Target) -> bytes:
        """Return what is told of a referrer; empty for nothing. (W3C Referrer Policy 8.3; the names are its own.)"""
        match = _REFERER.fullmatch(referer)
        if match is None or self._referer == "keep":
            return without_tracking_in_url(referer) if self._tracking else referer
        scheme, authority, rest = match.groups()
        if scheme.lower() == b"https" and not target.secure and self._referer == "trim":
            return b""  # no-referrer-when-downgrade
        origin = b"%b://%b/" % (scheme, authority)
        here = target.authority.encode()
        same = authority.lower() in (here, here.removesuffix(b":443" if target.secure else b":80"))
        if self._referer == "trim" and same and scheme.lower() == (b"https" if target.secure else b"http"):
            return b"%b://%b%b" % (scheme, authority, without_tracking(rest) if self._tracking else rest)
        return origin

    def response(self, head: ResponseHead, request: RequestHead, target: Target) -> ResponseHead:
        """Return a response's head with the cookies that may be planted."""
        if self._cookies == "all" or not any(field[0] == b"set-cookie" for field in head.fields):
            return head
        if self._cookies == "session":
            return head.amended({(field[0], field[1]): _LIFE.sub(b"", field[1]) for field in _planted(head)})
        return head.without(_SET_COOKIE) if self._bars(request, target) else head

    def _bars(self, request: RequestHead, target: Target) -> bool:
        """Tell whether a request has and gets no cookies."""
        return self._cookies == "none" or (self._cookies == "first-party" and is_third_party(request, target))


def _planted(head: ResponseHead) -> list[Field]:
    return [field for field in head.fields if field[0] == b"set-cookie"]


def without_tracking(path: bytes) -> bytes:
    """Return path and query without the parameters that only say where a click came from."""
    if _ANY_PARAMETER.search(path) is None:
        return path
    before, mark, query = path.partition(b"?")
    left = [part for part in query.split(b"&") if not _PARAMETER.match(part)]
    return before + mark + b"&".join(left) if left else before


def without_tracking_in_url(url: bytes) -> bytes:
    """Return a URL without those parameters; what follows a ``#`` stays."""
    place, mark, fragment = url.partition(b"#")
    return without_tracking(place) + mark + fragment


def is_third_party(head: RequestHead, target: Target) -> bool:
    """Tell whether a request is made by a page of another site, as far as requests say.

    Browsers say it to secure places only (Sec-Fetch-Site); else the referrer does, unless a page itself is asked for.
    """
    site = head.value(b"sec-fetch-site")
    if site:
        return site == b"cross-site" and head.value(b"sec-fetch-dest") != b"document"
    match = _REFERER.fullmatch(head.referer)
    if match is None or head.value(b"accept").startswith(b"text/html"):
        return False
    host = match.group(2).rpartition(b":")[0] or match.group(2)
    return site_of(host.decode("latin-1").lower()) != site_of(target.host)


def site_of(host: str) -> str:
    """Return the domain that a host is probably registered under: two labels, or three below such as ``co.uk``."""
    labels = host.strip(".").split(".")
    if labels[-1:] == [""] or labels[-1].isdecimal() or ":" in host:
        return host
    count = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED else 2
    return ".".join(labels[-count:])
