"""What follows the start of a large request body, judged window by window before it is passed on.

Each window is judged as if it were the whole body of the request, with the end of the one before it, so that
nothing hides on the border. Memory is bounded by the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.waf.engine import Transaction, Verdict

WINDOW = 131072
OVERLAP = 2048
"""Bytes that two windows have in common: the longest attack that is surely seen whole."""


class Windows:
    """See the module. `seen` is the start of the body and `kinds` what it was read as; `begin` makes a transaction on
    which the head was judged; `judged` is told what came of each window and returns whether it may be passed on."""

    __slots__ = ("_begin", "_judged", "_kinds", "_overlap", "_parts", "_seen", "_size", "_tail", "_window")

    def __init__(
        self,
        limit: int,
        kinds: tuple[str, ...],
        seen: bytes,
        begin: Callable[[], Transaction],
        judged: Callable[[Transaction, Verdict | None], bool],
    ) -> None:
        self._window = min(limit, WINDOW)
        self._overlap = min(OVERLAP, self._window // 4)
        self._kinds = kinds
        self._begin = begin
        self._judged = judged
        self._tail = seen[-self._overlap :]
        self._seen = len(seen)
        self._parts: list[bytes] = []
        self._size = 0

    def take(self, content: bytes) -> bytes:
        """Take content; return what may be passed on: nothing until a window is full, or if it was refused."""
        self._parts.append(content)
        self._size += len(content)
        return self.rest() if self._size >= self._window else b""

    def rest(self) -> bytes:
        """Judge what is here, and return it if it may be passed on."""
        content = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        step = self._window - self._overlap
        for start in range(0, len(content), step):
            if not self._judge(content[start : start + step]):
                return b""
        return content

    def _judge(self, piece: bytes) -> bool:
        transaction = self._begin()
        transaction.fragment_of = self._kinds
        transaction.request_body(self._tail + piece)
        transaction.note(f"found in bytes {self._seen - len(self._tail)}-{self._seen + len(piece) - 1} of the body")
        self._tail = (self._tail + piece)[-self._overlap :]
        self._seen += len(piece)
        return self._judged(transaction, transaction.request_end())
