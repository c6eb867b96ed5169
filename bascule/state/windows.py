"""What happened lately, over all workers: sliding sums of a few counts for each of a known number of rows.

The time is cut into slots; a slot is emptied when its time comes again, so sums are of the last `span` seconds, but for
up to one slot of them. Rows and counts are known before the fork: sites and outcomes, not clients.
"""

from __future__ import annotations

from typing import Final

from bascule.state.locks import COUNT, Lock
from bascule.state.sets import shared_memory

SLOTS: Final = 30


class Windows:
    """Made before the fork. Raises ValueError for less than one row or count."""

    __slots__ = ("_counts", "_locks", "_row", "_slot", "_words")

    def __init__(self, rows: int, counts: int, span: float, locks: tuple[Lock, ...]) -> None:
        if rows < 1 or counts < 1:
            raise ValueError(f"there is at least one row of one count, not {rows} of {counts}")
        self._counts = counts
        self._row = SLOTS * (counts + 1)
        self._slot = span / SLOTS
        self._words = shared_memory(rows * self._row * 8).cast("Q")
        self._locks = locks

    def add(self, row: int, count: int, now: float) -> None:
        """Count one at `now` (monotonic)."""
        period = int(now / self._slot)
        at = row * self._row + period % SLOTS * (self._counts + 1)
        with self._locks[row % COUNT]:
            if self._words[at] != period:
                self._words[at] = period
                for number in range(1, self._counts + 1):
                    self._words[at + number] = 0
            self._words[at + 1 + count] += 1

    def sums(self, row: int, now: float) -> list[int]:
        """Return each count of a row over the span. Takes no lock."""
        first = int(now / self._slot) - SLOTS
        totals = [0] * self._counts
        words = self._words[row * self._row : (row + 1) * self._row].tolist()
        for at in range(0, self._row, self._counts + 1):
            if words[at] > first:
                for number in range(self._counts):
                    totals[number] += words[at + 1 + number]
        return totals
