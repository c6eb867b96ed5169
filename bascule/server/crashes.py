"""When to restart what died: at once the first time, then later and later. Pure; the clock is injected."""

from __future__ import annotations

from collections.abc import Callable

LONG_LIFE = 10.0
"""Seconds after which a life counts as normal: the next death is again a first one."""
FIRST_DELAY, MOST_DELAY = 0.1, 30.0
LOOP_DEATHS, LOOP_GAP = 5, 2 * MOST_DELAY
"""So many short lives, none longer than this after the one before, are a crash loop."""


class Backoff:
    """The delays before the restarts of one member."""

    def __init__(self) -> None:
        self._short_lives = 0

    def died(self, age: float) -> float:
        """Return the seconds to wait before the restart of one that lived `age` seconds."""
        if age >= LONG_LIFE:
            self._short_lives = 0
        self._short_lives += 1
        if self._short_lives == 1:
            return 0.0
        return float(min(MOST_DELAY, FIRST_DELAY * 2 ** min(self._short_lives - 2, 20)))


class CrashLoop:
    """Tells when deaths follow each other too fast to be bad luck."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deaths = 0
        self._last = float("-inf")

    def died(self, age: float) -> bool:
        """Note the death of one that lived `age` seconds; True if with it a crash loop begins."""
        before = self.active
        if age < LONG_LIFE:
            now = self._clock()
            self._deaths = self._deaths + 1 if now - self._last < LOOP_GAP else 1
            self._last = now
        return self.active and not before

    @property
    def active(self) -> bool:
        """Whether there is a crash loop now."""
        return self._deaths >= LOOP_DEATHS and self._clock() - self._last < LOOP_GAP
