"""The bounded queue of requests that wait for a free connection slot of a server, first come first served.

Those that go first, whatever came before them, have a line and a bound of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

SURE: Final = 10
"""Answers after which a pace is more than chance."""
STEP: Final = 0.1
"""Part by which an answer moves the pace, however far off it is: so it stays by the middle one, and a slow page among
quick ones makes no line look long."""


class Pace:
    """How fast a pool answers, and so how long a line is in seconds. It rather promises too much: by the quickest of
    the first answers, and by heads, where bodies are still to come."""

    __slots__ = ("_answers", "seconds")

    def __init__(self) -> None:
        self._answers = 0
        self.seconds = 0.0
        """Of a usual answer."""

    def take(self, latency: float) -> None:
        """Take the seconds of one more answer."""
        if self._answers < SURE:
            self.seconds = min(latency, self.seconds) if self._answers else latency
            self._answers += 1
        else:
            self.seconds *= 1 + STEP if latency > self.seconds else 1 - STEP

    def wait(self, before: int, served: int) -> float:
        """Return how many seconds somebody waits with so many `before` it, of whom so many are `served` at a time."""
        return before * self.seconds / served if self._answers >= SURE else 0.0


class Ticket:
    """A place in the queue. Cancel it when the client goes away or its deadline passes."""

    __slots__ = ("_line", "first", "since", "wake")

    def __init__(self, line: WaitingLine, wake: Callable[[], None], since: float, first: bool) -> None:
        self._line: WaitingLine | None = line
        self.wake = wake
        self.first = first
        self.since = since

    def cancel(self) -> None:
        """Leave the queue; nothing happens if the turn has come already."""
        line, self._line = self._line, None
        if line is not None:
            line.leave(self.first)

    @property
    def waiting(self) -> bool:
        """Is it still in the queue?"""
        return self._line is not None

    def leave_for_turn(self) -> None:
        """Its turn has come."""
        self._line = None


class WaitingLine:
    """The tickets in order. Cancelled ones stay in place until they come up or outnumber the living."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: tuple[deque[Ticket], deque[Ticket]] = (deque(), deque())
        """The usual one, and that of those who go first."""
        self._living = [0, 0]
        self.serving = False
        """The wake-up of a ticket is under way: what it asks for goes before newcomers."""
        self._served: Ticket | None = None

    def __len__(self) -> int:
        return self._living[0] + self._living[1]

    def oldest(self) -> float | None:
        """Return since when somebody has waited; None if nobody does."""
        heads = []
        for tickets in self._lines:
            while tickets and not tickets[0].waiting:
                tickets.popleft()
            if tickets:
                heads.append(tickets[0].since)
        return min(heads, default=None)

    def join(self, wake: Callable[[], None], now: float, first: bool = False) -> Ticket | None:
        """Queue up at `now`; None when the queue is full. Who was just woken in vain goes back to the head, and
        has waited since it came first."""
        if self._living[first] >= self._limit:
            return None
        served = self._served
        if self.serving and served is not None:
            self._lines[served.first].appendleft(ticket := Ticket(self, wake, served.since, served.first))
        else:
            self._lines[first].append(ticket := Ticket(self, wake, now, first))
        self._living[ticket.first] += 1
        return ticket

    def leave(self, first: bool) -> None:
        """A ticket was cancelled."""
        self._living[first] -= 1
        tickets = self._lines[first]
        if len(tickets) > 2 * self._living[first] + 16:
            living = [ticket for ticket in tickets if ticket.waiting]
            tickets.clear()
            tickets.extend(living)

    def serve(self, has_room: Callable[[bool], bool]) -> None:
        """Wake tickets in order while `has_room` (for one that goes first?), each at most once."""
        if self.serving:
            return
        self.serving = True
        try:
            for _ in range(len(self)):
                if not len(self) or not has_room(self._living[1] > 0):
                    return
                ticket = self._served = self._pop()
                ticket.wake()
        finally:
            self.serving = False
            self._served = None

    def _pop(self) -> Ticket:
        tickets = self._lines[1] if self._living[1] else self._lines[0]
        while True:
            ticket = tickets.popleft()
            if ticket.waiting:
                ticket.leave_for_turn()
                self._living[ticket.first] -= 1
                return ticket
