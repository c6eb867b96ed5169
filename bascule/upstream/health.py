"""Active health of one server: rise and fall, as a sans-I/O count of good and bad checks."""

from __future__ import annotations


class Health:
    """Up at first, but so that the very first check decides if it is bad: a dead server is out after one look."""

    __slots__ = ("_fall", "_rise", "_streak", "up")

    def __init__(self, rise: int, fall: int, up: bool = True) -> None:
        self._rise = rise
        self._fall = fall
        self.up = up
        self._streak = fall - 1 if up else rise - 1

    def record(self, good: bool) -> bool:
        """Count a check. Return whether the verdict changed."""
        if good == self.up:
            self._streak = 0
            return False
        self._streak += 1
        if self._streak < (self._rise if good else self._fall):
            return False
        self.up = good
        self._streak = 0
        return True
