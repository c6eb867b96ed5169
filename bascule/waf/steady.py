"""Header fields that many messages have in common, and what the rules say of them: judged once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bascule.waf.bodies import media_type

if TYPE_CHECKING:
    from bascule.http.fields import Field

MAX_SHAPES: Final = 32
"""Of heads with the same steady fields: a proxy cuts out three or so, and few methods are used."""


class Shape(NamedTuple):
    """What heads with the same method, protocol, steady fields and names of other fields have in common.

    `mask` are the gates they open; then come the places of the fields whose values are still to be looked at: those
    that are scanned, those that come again and are remembered, and those that some rule has to evaluate.
    """

    mask: int
    volatile: tuple[int, ...]
    repeated: tuple[int, ...]
    unscanned: tuple[int, ...]


class Steady:
    """The fields of a block that a client (or server) repeats, as a proxy that knows it again passes them.

    `mask` are the gates that the fields open; `shapes` remembers what is known of the heads that they come in, by
    method, protocol, body processor and the names of the fields that vary. `judged` is what checks of the fields say.
    """

    __slots__ = ("cookies", "encoded", "first", "judged", "mask", "media_type", "names", "pairs", "shapes")

    def __init__(self, pairs: list[tuple[bytes, bytes]], mask: int) -> None:
        self.pairs = pairs
        self.mask = mask
        self.names = tuple([name for name, _ in pairs])
        self.first = dict(reversed(pairs))
        """The first value of each name."""
        self.cookies = b"cookie" in self.first
        self.encoded = b"content-encoding" in self.first
        content_type = self.first.get(b"content-type")
        self.media_type = None if content_type is None else media_type(content_type)
        self.shapes: dict[tuple[bytes | None, ...], Shape] = {}
        self.judged: dict[object, object] = {}


def pairs_of(fields: list[Field]) -> list[tuple[bytes, bytes]]:
    """Names and values of fields."""
    return [(field[0], field[1]) for field in fields]
