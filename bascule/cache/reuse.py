"""May a stored response answer this request, and as what (RFC 9111 4)?"""

from __future__ import annotations

from enum import IntEnum

from bascule.cache.directives import Directives
from bascule.cache.entry import Meta


class Use(IntEnum):
    """What becomes of a stored response that matches a request."""

    FRESH = 0
    STALE = 1  # it may be used as it is: the client allows it
    STALE_WHILE = 2  # it is used, and a new one fetched meanwhile (RFC 5861 3)
    VALIDATE = 3  # the server is asked first


def age(meta: Meta, now: float) -> int:
    """Return the age of a stored response in seconds (RFC 9111 4.2.3)."""
    return meta.age + max(0, int(now - meta.stored))


def use(meta: Meta, asked: Directives, old: int) -> Use:
    """Say how a stored response of the age `old` may be used.

    `asked` are the directives of the request, as far as they are honoured.
    """
    if asked and (use := _as_asked(meta, asked, old)) is not None:
        return use
    if meta.always_validate:
        return Use.VALIDATE
    if old < meta.fresh:
        return Use.FRESH
    return Use.STALE_WHILE if old < meta.fresh + meta.while_revalidating else Use.VALIDATE


def _as_asked(meta: Meta, asked: Directives, old: int) -> Use | None:
    """Return what the directives of a request make of it, None if they have no say (RFC 9111 5.2.1)."""
    most, spare = asked.seconds(b"max-age"), asked.seconds(b"min-fresh")
    if b"no-cache" in asked or (most is not None and old > most) or (most == 0):
        return Use.VALIDATE
    if spare is not None and meta.fresh - old < spare:
        return Use.VALIDATE
    if b"max-stale" in asked and not (meta.strict or meta.always_validate) and old >= meta.fresh:
        limit = asked.seconds(b"max-stale") if asked.argument(b"max-stale") else None
        if limit is None or old - meta.fresh <= limit:
            return Use.STALE
    return None


def instead_of_error(meta: Meta, now: float) -> bool:
    """Tell whether a stale response may answer because no other can be had (RFC 9111 4.2.4, RFC 5861 4)."""
    return not meta.always_validate and age(meta, now) < meta.fresh + meta.if_error
