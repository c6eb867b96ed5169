"""Header fields that many messages have in common, and what the rules say of them: judged once."""

from __future__ import annotations

from bascule.waf.bodies import media_type


class Steady:
    """The fields of a block that a client (or server) repeats, as a proxy that knows it again passes them.

    `mask` are the gates that the fields open; `by_names` remembers those that their names open together with the names
    of the fields that vary: a handful of combinations. `judged` is what checks of the fields say of these.
    """

    __slots__ = ("by_names", "cookies", "first", "judged", "mask", "media_type", "names", "pairs")

    def __init__(self, pairs: list[tuple[bytes, bytes]], mask: int) -> None:
        self.pairs = pairs
        self.mask = mask
        self.names = tuple([name for name, _ in pairs])
        self.first = dict(reversed(pairs))
        """The first value of each name."""
        self.cookies = b"cookie" in self.first
        content_type = self.first.get(b"content-type")
        self.media_type = None if content_type is None else media_type(content_type)
        self.by_names: dict[tuple[bytes, ...], int] = {}
        self.judged: dict[object, object] = {}
