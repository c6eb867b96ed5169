"""One request as a profile learns from it: small, and without any value of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from bascule.waf.profile.fields import body_fields, by_key, head_fields, media_type
from bascule.waf.profile.traits import traits_of

if TYPE_CHECKING:
    from bascule.waf.logic.values import Value
    from bascule.waf.transaction import Transaction

MAX_PARAMETERS = 128
"""Parameters of one request that are looked at."""
MAX_PATH = 512


class Trait(msgspec.Struct, frozen=True, array_like=True):
    """What the values of one parameter of a request were like."""

    key: str
    kinds: tuple[str, ...]
    bits: int
    alphabet: int
    many: bool = False


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """A request that was served. `before` is the path of the page of this site that led to it, if one did."""

    site: str
    client: str
    method: str
    path: str
    content_type: str
    parameters: tuple[Trait, ...]
    before: str = ""


def observe(t: Transaction, site: str, client: str, path: bytes) -> Observation:
    """Return what is to be learned from a transaction. `path` is in normal form."""
    content_type = t.header(b"content-type") or b""
    values = head_fields(t)
    if t.body_seen:
        values += body_fields(t, content_type, t.raw_body)
    return Observation(
        site,
        client,
        t.method.decode("latin-1")[:32],
        text_of(path),
        media_type(content_type) if t.body_seen else "",
        tuple(_traits(values)),
        came_from(t),
    )


def _traits(values: Iterable[Value]) -> Iterable[Trait]:
    for key, found in list(by_key(values).items())[:MAX_PARAMETERS]:
        each = [traits_of(value.data) for value in found]
        alphabet = 0
        for traits in each:
            alphabet |= traits.alphabet
        kinds = tuple(sorted({traits.kind for traits in each}))
        yield Trait(key, kinds, max(traits.bits for traits in each), alphabet, len(found) > 1)


def text_of(path: bytes) -> str:
    """Return a path as profiles write it: braces are theirs, so that no client can name a template."""
    return path[:MAX_PATH].decode("utf-8", "backslashreplace").replace("{", "%7B")


def came_from(t: Transaction) -> str:
    """Return the path of the page that led to a request, if it is one of the same host."""
    referer = t.header(b"referer")
    if not referer:
        return ""
    _, slashes, rest = referer.partition(b"//")
    host, slash, path = rest.partition(b"/")
    if not slashes or host.lower() != (t.header(b"host") or b"").lower():
        return ""
    return text_of(slash + path.partition(b"?")[0].partition(b"#")[0]) or "/"
