"""What follows the start of a large request body, judged window by window before it is passed on.

Each window is judged as if it were the body of the request, with the end of the one before it, so that nothing hides
on the border (`waf/bodies/pieces.py`). Memory is bounded by the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.waf.bodies import PieceReader
    from bascule.waf.engine import Transaction, Verdict

WINDOW = 131072


class Windows:
    """See the module. `reader` has read the start, as long as `limit`; `begin` makes a transaction on which the head
    was judged."""

    __slots__ = ("_begin", "_parts", "_reader", "_seen", "_size", "_window", "found")

    def __init__(self, limit: int, reader: PieceReader, begin: Callable[[], Transaction]) -> None:
        self._window = min(limit, WINDOW)
        self._reader = reader
        self._begin = begin
        self._seen = limit
        self._parts: list[bytes] = []
        self._size = 0
        self.found: Transaction | None = None
        """The window in which something was found, perhaps only detected; no further one is judged."""

    def add(self, content: bytes) -> None:
        """Keep content until it is judged."""
        self._parts.append(content)
        self._size += len(content)

    def due(self, ended: bool) -> bool:
        """Whether there is enough to be judged: a window, or whatever is here of a body that has ended."""
        return self._size >= self._window or (ended and self._size > 0)

    def take(self) -> bytes:
        """Return what was kept, and keep it no more."""
        content = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return content

    def judge(self, content: bytes, ended: bool) -> Verdict | None:
        """Judge content that was taken; `ended`: the body ends with it."""
        step = self._window - self._reader.overlap
        for start in range(0, len(content), step):
            verdict = self._judge(content[start : start + step], ended and start + step >= len(content))
            if self.found is not None:
                return verdict
        return None

    def _judge(self, data: bytes, last: bool) -> Verdict | None:
        transaction = self._begin()
        piece = self._reader.read(data, last)
        transaction.request_piece(piece)
        end = self._seen + len(data)
        transaction.note(f"found in bytes {end - len(piece.data)}-{end - 1} of the body")
        self._seen = end
        verdict = transaction.request_end()
        if transaction.would is not None:
            self.found = transaction
        return verdict
