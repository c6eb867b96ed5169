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
    which the head was judged."""

    __slots__ = ("_begin", "_kinds", "_overlap", "_parts", "_seen", "_size", "_tail", "_window", "found")

    def __init__(self, limit: int, kinds: tuple[str, ...], seen: bytes, begin: Callable[[], Transaction]) -> None:
        self._window = min(limit, WINDOW)
        self._overlap = min(OVERLAP, self._window // 4)
        self._kinds = kinds
        self._begin = begin
        self._tail = seen[-self._overlap :]
        self._seen = len(seen)
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

    def judge(self, content: bytes) -> Verdict | None:
        """Judge content that was taken."""
        step = self._window - self._overlap
        for start in range(0, len(content), step):
            verdict = self._judge(content[start : start + step])
            if self.found is not None:
                return verdict
        return None

    def _judge(self, piece: bytes) -> Verdict | None:
        transaction = self._begin()
        transaction.fragment_of = self._kinds
        transaction.request_body(self._tail + piece)
        transaction.note(f"found in bytes {self._seen - len(self._tail)}-{self._seen + len(piece) - 1} of the body")
        self._tail = (self._tail + piece)[-self._overlap :]
        self._seen += len(piece)
        verdict = transaction.request_end()
        if transaction.would is not None:
            self.found = transaction
        return verdict
