"""Where long work may be left for a while: what takes long calls `rest` every so often, and whoever divides it leaves.

Work that nobody divides (small requests, replay, tests) goes through at once: `rest` does nothing then. What calls it
must bear that other requests are judged meanwhile, by the same rule set: no shared state may be half changed.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Final


class TimeSpentError(Exception):
    """Thrown into work that was left and for which no time is left: its transaction's budget is used up."""


class Pace:
    """The pace of what runs at the moment."""

    __slots__ = ("_began", "_cpu", "leave", "until")

    def __init__(self) -> None:
        self.leave: Callable[[], object] | None = None
        """Leaves the work that runs, and returns when it may go on; None if it is not divided."""
        self.until = 0.0
        """When it is to be left (`perf_counter`)."""
        self._began = self._cpu = 0.0

    def begin(self, now: float, seconds: float, leave: Callable[[], object]) -> None:
        """What follows is a turn of some seconds."""
        self._began, self._cpu = now, thread_time()
        self.until, self.leave = now + seconds, leave

    def robbed(self) -> float:
        """For how many seconds of this turn other programs had the core; 0 where it was no longer than turns may be."""
        now = perf_counter()
        if now < 2 * self.until - self._began:
            return 0.0
        return max(0.0, now - self._began - (thread_time() - self._cpu))

    def hold(self) -> None:
        """What follows is not to be divided, up to the end of the turn."""
        self.leave = None


PACE: Final = Pace()
"""One for the process: an event loop is one thread."""


def rest() -> None:
    """Leave for others to have their turn, if this one is over."""
    if PACE.leave is not None and perf_counter() >= PACE.until:
        PACE.leave()
