"""What the fields of a request mean to the cache: found once for each block, which clients send again and again."""

from __future__ import annotations

from typing import Final, NamedTuple

from bascule.cache import conditions
from bascule.cache.directives import NONE, Directives, cache_control
from bascule.http.h1.block import Block

UNKEYED: Final = frozenset(
    b"x-original-url x-rewrite-url x-original-uri x-http-method-override x-http-method x-method-override x-host "
    b"x-original-host x-forwarded-path x-forwarded-prefix x-forwarded-uri x-forwarded-method x-forwarded-scheme "
    b"x-scheme x-forwarded-ssl x-forwarded-protocol x-url-scheme front-end-https".split()
)
"""Fields by which servers may answer as if another URI, host or method was asked for. They are no part of the key, so
requests with them go past the cache: else one could leave others a wrong answer (web cache poisoning, Kettle 2018)."""
OURS: Final = frozenset(b"x-forwarded-for forwarded x-real-ip x-client-cert-subject via".split())
"""Fields that servers are told by Bascule, and not by the client: what varies by them is not seen in its request."""
CONDITIONS: Final = frozenset((b"if-none-match", b"if-modified-since", b"range"))


class Traits(NamedTuple):
    """What a block of request fields means to the cache."""

    past: bool
    known: bool
    """Whether it has credentials."""
    asks: bool
    """Whether it is conditional, or for a part."""
    part: bool
    """Whether it is for less than all there is; or for a range at all with credentials, for that is rarely stored."""
    asked: Directives


def traits_of(block: Block, bypass: frozenset[bytes], honours: bool) -> Traits:
    """Return what a block means. Requests with one of `bypass` go past the cache; `honours` tells whether what clients
    ask of caches counts."""
    names = {field[0] for field in block.fields}
    asked = NONE
    if honours:
        asked = cache_control([field[1] for field in block.fields if field[0] == b"cache-control"])
        if not asked and any(f[0] == b"pragma" and b"no-cache" in f[1].lower() for f in block.fields):
            asked = Directives({b"no-cache": b""})
    past = bool(names & bypass or names & conditions.PRECONDITIONS) or block.expect
    conditional = bool(names & CONDITIONS)
    known = b"authorization" in names
    part = any(field[0] == b"range" and (known or not conditions.is_all(field[1])) for field in block.fields)
    return Traits(past, known, conditional, part, asked)
