"""What a worker keeps at hand of the store, parsed: it answers without a look at a file.

Entries go in the order they came, but for those asked for meanwhile, which get another round (second chance).
"""

from __future__ import annotations

from bascule.cache.body import Body
from bascule.cache.conditions import fields_of_304
from bascule.cache.entry import Marker, Meta, lines_of
from bascule.http.fields import Field
from bascule.http.h1.block import Block
from bascule.http.h1.head import ResponseParser
from bascule.http.message import ResponseHead

_OVERHEAD = 4096
"""Bytes an entry is reckoned to take beside its content and its fields."""
_COPIES = 4
"""How often a field is there: as it is stored, parsed, as a line of its own and as one of the block's."""


class Entry:
    """A stored response as it is served."""

    __slots__ = ("_block", "_block_304", "_parser", "_passed", "_varying", "body", "key", "meta", "usual")

    def __init__(self, key: int, meta: Meta, body: Body, parser: ResponseParser) -> None:
        self.key = key
        self.meta = meta
        self.body = body
        self._parser = parser
        head = parser.parse(lines_of(meta.status, meta.reason, meta.fields), b"GET")
        self._block, self._varying, self._passed = head.block, head.varying, head.passed
        self._block_304: Block | None = None
        self.usual: tuple[int, ResponseHead] | None = None
        """The head that answers a plain request, and the age of the response for which it does."""

    def head(self, more: list[Field]) -> ResponseHead:
        """Return the head of the response, with further fields; its length is for the caller to set."""
        lines = b"".join([field[3] for field in more])
        head = ResponseHead(self._block, self._varying + more, self._passed + lines)
        head.length = head.announced = self.meta.size
        head.keep_alive = True
        return head

    def head_304(self, more: list[Field]) -> ResponseHead:
        """Return the head of a 304 that stands for the response."""
        if self._block_304 is None:
            fields = fields_of_304(self.meta.fields)
            self._block_304 = self._parser.parse(lines_of(304, b"Not Modified", fields), b"GET").block
        lines = b"".join([field[3] for field in more])
        head = ResponseHead(self._block_304, self._varying + more, self._passed + lines)
        head.length, head.announced = 0, -1
        head.keep_alive = True
        return head


class _Held:
    __slots__ = ("change", "item", "place", "size", "touched", "used")

    def __init__(self, item: Entry | Marker, change: int, place: int, size: int) -> None:
        self.item = item
        self.change = change
        """The number of changes when it was read."""
        self.place = place
        self.size = size
        self.used = False
        self.touched = 0.0
        """When the store was last told that it is asked for."""


class Hot:
    """Items by their keys, within `room` bytes."""

    __slots__ = ("_held", "_left", "_room")

    def __init__(self, room: int) -> None:
        self._room = self._left = room
        self._held: dict[int, _Held] = {}

    def get(self, key: int) -> _Held | None:
        """Return what is held under a key."""
        return self._held.get(key)

    def put(self, key: int, item: Entry | Marker, change: int, place: int) -> None:
        """Hold an item, if it is not too large for that."""
        self.drop(key)
        size = _size_of(item)
        if (isinstance(item, Entry) and item.body.file is not None) or size > self._room // 8:
            return
        self._left -= size
        while self._left < 0:
            self._push_out()
        self._held[key] = _Held(item, change, place, size)

    def drop(self, key: int) -> None:
        """Hold it no more."""
        held = self._held.pop(key, None)
        if held is not None:
            self._left += held.size

    def _push_out(self) -> None:
        key = next(iter(self._held))
        held = self._held.pop(key)
        if held.used:
            held.used = False
            self._held[key] = held
        else:
            self._left += held.size


def _size_of(item: Entry | Marker) -> int:
    """Return about how many bytes an item takes."""
    if isinstance(item, Marker):
        return _OVERHEAD + len(item.uri) + sum(map(len, item.names))
    meta = item.meta
    fields = sum([len(name) + len(value) for name, value in meta.fields])
    content = 0 if item.body.file is not None else item.body.size
    return _OVERHEAD + content + _COPIES * fields + len(meta.uri) + len(meta.variant)
