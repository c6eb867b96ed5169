"""May a response be stored by a shared cache, and for how long is it fresh (RFC 9111 3 and 4.2)?

Stricter than the RFC where others were harmed: no response with Set-Cookie; nothing that depends on how the request was
written (400, 414, 431...), since that is no part of the key (CPDoS, Nguyen et al. 2019); what answers a request with
cookies only if the server says that it may be kept; and no page under the name of a picture (web cache deception).
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, replace

from bascule.cache.dates import parse_date
from bascule.cache.directives import Directives, cache_control, targeted
from bascule.cache.keys import varies_by
from bascule.config.cache import Cache
from bascule.http.message import RequestHead, ResponseHead

HEURISTIC = frozenset((200, 203, 204, 300, 301, 308, 404, 410))
"""Statuses stored although nothing is said of how long (RFC 9110 15.1), but for those that tell of the request's form
(405, 414, 501) and parts (206)."""
_UNDERSTOOD = HEURISTIC | frozenset((302, 303, 307, 405, 501))
"""Statuses whose meaning is implemented: what ``must-understand`` asks for (RFC 9111 5.2.2.3)."""
_NEVER = frozenset((206, 304, 400, 401, 407, 408, 411, 413, 414, 415, 417, 421, 425, 426, 428, 429, 431))
"""Parts, what freshens, and answers to the form of a request, to who sent it or how often."""
_SHARE, _MOST_GUESSED = 10, 86400
"""A tenth of the time since Last-Modified, but no more than a day, is taken as fresh (RFC 9111 4.2.2)."""
_PAGES = frozenset(("text/html", "application/xhtml+xml"))
_TAGS = (b"cache-tag", b"surrogate-key")
mimetypes.init()  # reads the system's tables now, before the fork, and not while the first request waits
MOST_TAGS = 64


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a response may be used, in seconds, and under which conditions."""

    fresh: int
    while_revalidating: int = 0
    """After that, while a new one is fetched (RFC 5861 3)."""
    if_error: int = 0
    """After that, while none can be had (RFC 5861 4)."""
    always_validate: bool = False
    """``no-cache``: the server is asked before each use."""
    strict: bool = False
    """Whether it must not be used when stale, unless it said so itself: ``must-revalidate``, ``s-maxage``..."""
    for_known: bool = False
    """Whether it may answer requests with credentials, and be stored from such (RFC 9111 3.5)."""
    omitted: frozenset[bytes] = frozenset()
    """Fields that are not to be stored."""


class Unstorable(Exception):  # noqa: N818 - it is no error
    """The response is not to be stored; the text says why."""


def lifetime(request: RequestHead, response: ResponseHead, policy: Cache, now: float, known: bool = False) -> Lifetime:
    """Return how long a response to a GET request may be used. Raises Unstorable.

    `known` says that the server was told who asks, by other means than Authorization; `now` is the time of day.
    """
    status = response.status
    if status in _NEVER or status < 200:
        raise Unstorable("status")
    own = _own_directives(response, policy)
    stated = cache_control(response.values(b"cache-control")) if own is None else own
    _check_directives(stated, status)
    if response.values(b"set-cookie") and not policy.strip_cookies:
        raise Unstorable("set-cookie")
    _check_vary(request, response)
    if policy.check_types and is_disguised(request.target, response):
        raise Unstorable("a page under the name of another type")
    strict = any(name in stated for name in (b"must-revalidate", b"proxy-revalidate", b"no-cache", b"s-maxage"))
    for_known = b"public" in stated or b"s-maxage" in stated or b"must-revalidate" in stated
    if (known or request.value(b"authorization")) and not for_known:
        raise Unstorable("authorization")
    explicit = _explicit(response, stated, own is not None, now)
    if explicit is None and b"public" not in stated and request.value(b"cookie"):
        raise Unstorable("cookie")
    fresh = _implicit(response, stated, policy, now) if explicit is None else explicit
    found = Lifetime(
        fresh=_bounded(fresh, status, policy),
        while_revalidating=_stale(stated, b"stale-while-revalidate", 0 if strict else policy.stale_while_revalidate),
        if_error=_stale(stated, b"stale-if-error", 0 if strict else policy.stale_if_error),
        always_validate=b"no-cache" in stated and not stated.fields(b"no-cache"),
        strict=strict,
        for_known=for_known,
        omitted=stated.fields(b"no-cache") | stated.fields(b"private"),
    )
    return _useful(found, response, explicit is not None)


def _own_directives(response: ResponseHead, policy: Cache) -> Directives | None:
    """Return the directives of the first targeted field that is there and well-formed (RFC 9213 2.2)."""
    for name in policy.targeted:
        if (lines := response.values(name.lower().encode())) and (found := targeted(lines)) is not None:
            return found
    return None


def _check_directives(stated: Directives, status: int) -> None:
    if b"must-understand" in stated:
        if status not in _UNDERSTOOD:
            raise Unstorable("must-understand")
    elif b"no-store" in stated:
        raise Unstorable("no-store")
    if b"private" in stated and not stated.fields(b"private"):
        raise Unstorable("private")


def _check_vary(request: RequestHead, response: ResponseHead) -> None:
    """Refuse what no second request would match, or only those of the same user."""
    names = varies_by(response)
    if names is None:
        raise Unstorable("vary")
    if any(name in names and request.value(name) for name in (b"cookie", b"authorization")):
        raise Unstorable("vary on who asks")


def _explicit(response: ResponseHead, stated: Directives, is_targeted: bool, now: float) -> int | None:
    """Return the stated freshness lifetime, None if nothing is stated (RFC 9111 4.2.1)."""
    for name in (b"s-maxage", b"max-age"):
        if (seconds := stated.seconds(name)) is not None:
            return seconds
    if is_targeted:
        return None  # a targeted field stands in for Expires too (RFC 9213 2.1)
    expires = response.values(b"expires")
    if not expires:
        return None
    end = parse_date(expires[0]) if len(expires) == 1 else None
    return 0 if end is None else max(0, int(end - dated(response, now)))


def _implicit(response: ResponseHead, stated: Directives, policy: Cache, now: float) -> int:
    """Return the lifetime of a response that states none (RFC 9111 4.2.2)."""
    status = response.status
    if status not in HEURISTIC and b"public" not in stated:
        return 0
    if status >= 400:
        return int(policy.error_ttl)
    if policy.default_ttl:
        return int(policy.default_ttl)
    modified = parse_date(response.value(b"last-modified")) if policy.heuristic else None
    if modified is None:
        return 0
    return min(_MOST_GUESSED, max(0, int(dated(response, now) - modified)) // _SHARE)


def _bounded(fresh: int, status: int, policy: Cache) -> int:
    most = policy.max_error_ttl if status >= 400 else policy.max_ttl
    return min(fresh, int(most)) if most else fresh


def _stale(stated: Directives, name: bytes, default: float) -> int:
    """Return for how long a stale response may be used; nothing allows it where a directive forbids it."""
    if b"must-revalidate" in stated or b"proxy-revalidate" in stated or b"no-cache" in stated:
        return 0
    seconds = stated.seconds(name)
    return int(default) if seconds is None else seconds


def _useful(found: Lifetime, response: ResponseHead, explicit: bool) -> Lifetime:
    """Refuse what could never be used: neither fresh, nor to be validated, nor better than nothing."""
    if found.always_validate:
        found = replace(found, fresh=0)
    validated = bool(response.value(b"etag") or response.value(b"last-modified"))
    if found.fresh or found.while_revalidating or found.if_error:
        return found
    if validated and response.status == 200 and (explicit or found.always_validate):
        return found
    raise Unstorable("no lifetime")


def dated(response: ResponseHead, now: float) -> float:
    """Return when a response was made by its Date, which counts as now where it is absent or invalid."""
    date = parse_date(response.value(b"date"))
    return now if date is None else date


def initial_age(response: ResponseHead, asked: float, now: float) -> int:
    """Return the age in seconds of a response as it arrives (RFC 9111 4.2.3); `asked` is when it was asked for.

    Of several values of Age the greatest is taken; what is no number is ignored (5.1).
    """
    members = [part.strip(b" \t") for value in response.values(b"age") for part in value.split(b",")]
    stated = max([int(member[:10]) for member in members if member.isdigit()], default=0)
    return int(max(0.0, now - dated(response, now), stated + now - asked))


def is_disguised(target: bytes, response: ResponseHead) -> bool:
    """Tell whether a path names one type and the content is a page: what a deceived user would leave in the cache."""
    name = target.partition(b"?")[0].rpartition(b"/")[2].decode("latin-1").lower()
    if "." not in name:
        return False
    guessed = mimetypes.guess_type("a." + name.rpartition(".")[2], strict=True)[0]
    kind = response.value(b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if guessed is None or guessed in _PAGES or response.status >= 300:
        return False
    return kind in _PAGES or not kind


def tags_of(response: ResponseHead) -> tuple[bytes, ...]:
    """Return the tags by which a response may be purged: Cache-Tag (parted by commas), Surrogate-Key (by blanks)."""
    words = [word for name in _TAGS for value in response.values(name) for word in value.replace(b",", b" ").split()]
    return tuple(dict.fromkeys(words))[:MOST_TAGS]
