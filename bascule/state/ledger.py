"""What was used of budgets, in a table of fixed size in shared memory that all workers write to: exact at any time.

Each account has the bytes and the seconds of the present period. Keys are 64-bit hashes in sets of eight. A new key
that finds its set full takes the place of an account of an earlier period, or else of the one with the fewest bytes,
whose use is then forgotten: with far more accounts than places, those who use little are counted less.
"""

from __future__ import annotations

from typing import Final

from bascule.state.locks import Lock
from bascule.state.sets import WAYS, lane, places, shared_memory

PAUSE: Final = 30.0
"""Seconds between two transfers that still count as time of use."""
_BYTES, _SECONDS, _LAST = range(3)


class Ledger:
    """The accounts; made before the fork, 40 bytes each. `keys` is rounded up to a power of two.

    Raises ValueError for fewer than `MIN_KEYS` or more than `MAX_KEYS`.
    """

    __slots__ = ("_flags", "_locks", "_mask", "_periods", "_tags", "_values")

    def __init__(self, keys: int, locks: tuple[Lock, ...]) -> None:
        keys = places(keys)
        view = shared_memory(keys * 40 + 8)
        self._tags = view[: keys * 8].cast("Q")
        self._periods = view[keys * 8 : keys * 16].cast("Q")
        self._values = view[keys * 16 : keys * 40].cast("d")
        self._flags = view[keys * 40 :].cast("Q")
        self._mask = keys - WAYS
        self._locks = locks

    def claim(self) -> bool:
        """Return True once in the life of the table: to who is to bring back what an earlier program had counted."""
        with self._locks[0]:
            first = not self._flags[0]
            self._flags[0] = 1
        return first

    def charge(self, key: int, period: int, size: int, now: float) -> tuple[float, float]:
        """Add bytes to an account, and the time since its last use if that is not longer than `PAUSE`.

        `period` is any number that grows from one to the next, `now` is in seconds. Returns bytes and seconds.
        """
        values = self._values
        with self._locks[lane(key)]:
            at = self._find(key, period) * 3
            values[at + _BYTES] += size
            last = values[at + _LAST]
            if last and 0.0 < now - last <= PAUSE:
                values[at + _SECONDS] += now - last
            values[at + _LAST] = max(last, now)
            return values[at + _BYTES], values[at + _SECONDS]

    def restore(self, key: int, period: int, size: float, seconds: float) -> None:
        """Add what was counted before this table was made."""
        with self._locks[lane(key)]:
            at = self._find(key, period) * 3
            self._values[at + _BYTES] += size
            self._values[at + _SECONDS] += seconds

    def used(self, key: int, period: int) -> tuple[float, float]:
        """Return bytes and seconds of an account in a period. Takes no lock."""
        first = key & self._mask
        tags = self._tags[first : first + WAYS].tolist()
        if key not in tags:
            return 0.0, 0.0
        place = first + tags.index(key)
        if self._periods[place] != period:
            return 0.0, 0.0
        return self._values[place * 3 + _BYTES], self._values[place * 3 + _SECONDS]

    def _find(self, key: int, period: int) -> int:
        """Return the place of a key, emptied where what it holds is of another period or of another key."""
        first = key & self._mask
        tags = self._tags[first : first + WAYS].tolist()
        place = first + (tags.index(key) if key in tags else self._least(first, period))
        if self._tags[place] != key or self._periods[place] != period:
            self._tags[place], self._periods[place] = key, period
            self._values[place * 3 + _BYTES] = self._values[place * 3 + _SECONDS] = 0.0
            self._values[place * 3 + _LAST] = 0.0
        return place

    def _least(self, first: int, period: int) -> int:
        """Return which place of a set is missed least."""

        def worth(way: int) -> tuple[bool, bool, float]:
            place = first + way
            return bool(self._tags[place]), self._periods[place] == period, self._values[place * 3 + _BYTES]

        return min(range(WAYS), key=worth)
