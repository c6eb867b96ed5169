"""How many of something are in progress by key, over all workers: a table in shared memory with a column a worker.

Every worker writes its own column only, so what a killed one left behind is gone when its successor clears that.
"""

from __future__ import annotations

from bascule.state.locks import Lock
from bascule.state.sets import WAYS, lane, places, shared_memory

NOWHERE = -1
"""The place of a key that found none: what it has in progress is not counted."""


class Tallies:
    """Made before the fork. Raises ValueError for fewer than `MIN_KEYS` or more than `MAX_KEYS` keys."""

    __slots__ = ("_counts", "_locks", "_mask", "_tags", "_workers")

    def __init__(self, keys: int, workers: int, locks: tuple[Lock, ...]) -> None:
        keys = places(keys)
        view = shared_memory(keys * 8 * (1 + workers))
        self._tags = view[: keys * 8].cast("Q")
        self._counts = view[keys * 8 :].cast("Q")
        self._mask = keys - WAYS
        self._workers = workers
        self._locks = locks

    def clear(self, worker: int) -> None:
        """Forget what a worker had in progress: it is a new one."""
        for place in range(len(self._tags)):
            if self._tags[place]:
                self._counts[place * self._workers + worker] = 0

    def enter(self, key: int, worker: int, most: int) -> int | None:
        """Count one more of a key, unless there are `most` already: then None. Return its place, for `leave`.

        Where a set is full of keys in progress, it is let through uncounted (`NOWHERE`).
        """
        with self._locks[lane(key)]:
            place = self._place(key)
            if place != NOWHERE:
                if self._total(place) >= most:
                    return None
                self._counts[place * self._workers + worker] += 1
            return place

    def leave(self, place: int, worker: int) -> None:
        """One that `enter` gave a place has ended."""
        if place != NOWHERE:
            at = place * self._workers + worker
            self._counts[at] = max(0, self._counts[at] - 1)

    def _total(self, place: int) -> int:
        return sum(self._counts[place * self._workers : (place + 1) * self._workers].tolist())

    def _place(self, key: int) -> int:
        first = (key >> 2) & self._mask
        tags = self._tags[first : first + WAYS].tolist()
        if key in tags:
            return first + tags.index(key)
        for place in range(first, first + WAYS):
            if not self._total(place):
                self._tags[place] = key
                return place
        return NOWHERE
