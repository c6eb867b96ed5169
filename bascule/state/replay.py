"""Counters that are taken once, over all workers: a sliding window for each nonce, in shared memory.

As in RFC 4303 3.4.3 (ESP's anti-replay service): of the highest number seen and the 63 below each is taken once, and
lower ones not at all, so that requests may overtake each other on their way. A new nonce that finds its set full takes
the place of the one used longest ago.
"""

from __future__ import annotations

from typing import Final

from bascule.state.locks import Lock
from bascule.state.sets import WAYS, lane, places, shared_memory

WINDOW: Final = 64
_FULL: Final = (1 << WINDOW) - 1


class ReplayWindows:
    """Made before the fork, 32 bytes a nonce. Raises ValueError for fewer than `MIN_KEYS` or more than `MAX_KEYS`."""

    __slots__ = ("_bits", "_locks", "_mask", "_tags", "_tops", "_used")

    def __init__(self, keys: int, locks: tuple[Lock, ...]) -> None:
        keys = places(keys)
        view = shared_memory(keys * 32)
        self._tags, self._tops, self._bits = (view[keys * 8 * n : keys * 8 * (n + 1)].cast("Q") for n in range(3))
        self._used = view[keys * 24 :].cast("d")
        self._mask = keys - WAYS
        self._locks = locks

    def take(self, key: int, number: int, now: float) -> bool:
        """Take a number (from 1) of a key. Return False if it was taken before, or is too old to tell."""
        if number < 1:
            return False
        with self._locks[lane(key)]:
            place = self._find(key)
            top, bits = self._tops[place], self._bits[place]
            if number > top:
                bits = (bits << min(number - top, WINDOW) | 1) & _FULL
                top, new = number, True
            else:
                bit = 1 << (top - number) if top - number < WINDOW else 0
                new = bool(bit) and not bits & bit
                bits |= bit
            self._tops[place], self._bits[place], self._used[place] = top, bits, now
            return new

    def _find(self, key: int) -> int:
        first = key & self._mask
        tags = self._tags[first : first + WAYS].tolist()
        if key in tags:
            return first + tags.index(key)
        place = min(range(first, first + WAYS), key=self._used.__getitem__)
        self._tags[place], self._tops[place], self._bits[place] = key, 0, 0
        return place
