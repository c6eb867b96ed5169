"""Turns of costly work: between two of them the event loop serves everybody else.

A worker is one thread. What takes long is done a little at a time, one job after the other. While several jobs wait,
the loop is left alone after each turn for as long as the turn took: half of the worker's time is for cheap requests,
however many costly ones come, and a cheap one that falls between two turns is answered as if there were none.

A job runs in a greenlet, which is left in the middle of whatever it does when its turn is over, wherever it says that
it may be (`waf/pace.py`); why: docs/decisions/divided-work.md.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

from greenlet import GreenletExit, getcurrent, greenlet

from bascule.waf.pace import PACE

TURN = 0.001
"""Seconds of a turn. A request beside costly ones waits for some three: when it comes, at its server, and back."""
LONGEST_PAUSE = 0.1

Job = Callable[[], bool]
"""Does a part of the work, or all of it, and returns whether there is more."""
Back = Callable[[float], Exception | None]
"""Told before a job goes on that was left within: for how many seconds, of its last turn those included in which other
programs had the core. Returns what is to be raised there, or None.

Raises GreenletExit if nobody wants the job any more.
"""


def _always(away: float) -> None:
    """Let a job go on, however long it was away."""


class _Task:
    """A job, and where it was left."""

    __slots__ = ("_back", "_job", "_left", "_since")

    def __init__(self, job: Job, back: Back) -> None:
        self._job, self._back = job, back
        self._left: greenlet | None = None
        self._since = 0.0

    def turn(self) -> bool:
        """Go on for a turn. Return whether there is more to do."""
        now = perf_counter()
        task, fault = self._left, None
        if task is None:
            task = self._left = greenlet(self._job)
        else:
            try:
                fault = self._back(now - self._since)
            except GreenletExit:
                task.throw(GreenletExit)
                return False
        PACE.begin(now, TURN, getcurrent().switch)
        try:
            more = task.switch() if fault is None else task.throw(fault)
        finally:
            PACE.leave = None
        if task.dead:
            self._left = None
            return bool(more)
        self._since = perf_counter() - PACE.robbed()
        return True


class Turns:
    """Jobs that wait for their next turn."""

    __slots__ = ("_loop", "_tasks")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: deque[_Task] = deque()

    def add(self, job: Job, back: Back = _always) -> None:
        """Let a job have its turn once the others before it had theirs."""
        self._tasks.append(_Task(job, back))
        if len(self._tasks) == 1:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        # The task stays in the queue during its turn, so that what it adds does not start a second round of turns.
        task = self._tasks[0]
        more = False
        began = perf_counter()
        try:
            more = task.turn()
        finally:
            self._tasks.popleft()
            if more:
                self._tasks.append(task)
            if len(self._tasks) > 1:
                self._loop.call_later(min(perf_counter() - began, LONGEST_PAUSE), self._next)
            elif self._tasks:
                self._loop.call_soon(self._next)
