"""How many of something are in progress by key, over all workers: a table in shared memory with a column a worker.

Every worker writes its own column only. Who begins takes one whose owner is gone, and what that left behind is gone.
"""

from __future__ import annotations

import os

from bascule.state.locks import Lock
from bascule.state.sets import WAYS, lane, places, shared_memory

NOWHERE = -1
"""The place of a key that found none: what it has in progress is not counted."""


class Tallies:
    """Made before the fork, for `columns` processes at a time.

    Raises ValueError for fewer than `MIN_KEYS` or more than `MAX_KEYS` keys.
    """

    __slots__ = ("_columns", "_counts", "_locks", "_mask", "_owners", "_tags")

    def __init__(self, keys: int, columns: int, locks: tuple[Lock, ...]) -> None:
        keys = places(keys)
        view = shared_memory((keys * (1 + columns) + columns) * 8).cast("Q")
        self._tags = view[:keys]
        self._counts = view[keys : keys * (1 + columns)]
        self._owners = view[keys * (1 + columns) :]
        """Process ids."""
        self._mask = keys - WAYS
        self._columns = columns
        self._locks = locks

    def claim(self) -> int:
        """Return an empty column for this process: one that was nobody's, or whose owner is gone.

        `NOWHERE` where there is none: what is entered there is not counted.
        """
        with self._locks[0]:
            for column in range(self._columns):
                if not _lives(self._owners[column]):
                    self._owners[column] = os.getpid()
                    self._clear(column)
                    return column
        return NOWHERE

    def _clear(self, column: int) -> None:
        for place in range(len(self._tags)):
            if self._tags[place]:
                self._counts[place * self._columns + column] = 0

    def enter(self, key: int, column: int, most: int) -> int | None:
        """Count one more of a key, unless there are `most` already: then None. Return its place, for `leave`.

        Where a set is full of keys in progress, it is let through uncounted (`NOWHERE`).
        """
        if column == NOWHERE:
            return NOWHERE
        with self._locks[lane(key)]:
            place = self._place(key)
            if place != NOWHERE:
                if self._total(place) >= most:
                    return None
                self._counts[place * self._columns + column] += 1
            return place

    def leave(self, place: int, column: int) -> None:
        """One that `enter` gave a place has ended."""
        if place != NOWHERE:
            at = place * self._columns + column
            self._counts[at] = max(0, self._counts[at] - 1)

    def _total(self, place: int) -> int:
        return sum(self._counts[place * self._columns : (place + 1) * self._columns].tolist())

    def _place(self, key: int) -> int:
        first = key & self._mask
        tags = self._tags[first : first + WAYS].tolist()
        if key in tags:
            return first + tags.index(key)
        for place in range(first, first + WAYS):
            if not self._total(place):
                self._tags[place] = key
                return place
        return NOWHERE


def _lives(pid: int) -> bool:
    """Tell whether there is a process; 0 stands for none."""
    try:
        if pid:
            os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return bool(pid)
