"""Turns of costly work: between two of them the event loop serves everybody else.

A worker is one thread. What takes long is done a little at a time, one job after the other. While several jobs wait,
the loop is left alone after each turn for as long as the turn took: half of the worker's time is for cheap requests,
however many costly ones come, and a cheap one that falls between two turns is answered as if there were none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

TURN = 0.002
"""Seconds of a turn; a single rule on a large value may take longer, and is not divided."""
LONGEST_PAUSE = 0.1


class Turns:
    """Jobs that wait for their next turn. A job does a part of its work and returns whether there is more."""

    __slots__ = ("_jobs", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: deque[Callable[[], bool]] = deque()

    def add(self, job: Callable[[], bool]) -> None:
        """Let a job have its turn once the others before it had theirs."""
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        # The job stays in the queue during its turn, so that what it adds does not start a second round of turns.
        job = self._jobs[0]
        more = False
        began = perf_counter()
        try:
            more = job()
        finally:
            self._jobs.popleft()
            if more:
                self._jobs.append(job)
            if len(self._jobs) > 1:
                self._loop.call_later(min(perf_counter() - began, LONGEST_PAUSE), self._next)
            elif self._jobs:
                self._loop.call_soon(self._next)
