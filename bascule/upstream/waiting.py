"""The bounded queue of requests that wait for a free connection slot of a server, first come first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Ticket:
    """A place in the queue. Cancel it when the client goes away or its deadline passes."""

    __slots__ = ("_line", "since", "wake")

    def __init__(self, line: WaitingLine, wake: Callable[[], None], since: float) -> None:
        self._line: WaitingLine | None = line
        self.wake = wake
        self.since = since

    def cancel(self) -> None:
        """Leave the queue; nothing happens if the turn has come already."""
        line, self._line = self._line, None
        if line is not None:
            line.leave()

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
        self._tickets: deque[Ticket] = deque()
        self._living = 0
        self.serving = False
        """The wake-up of a ticket is under way: what it asks for goes before newcomers."""
        self._served_since = 0.0

    def __len__(self) -> int:
        return self._living

    def oldest(self) -> float | None:
        """Return since when the next in line has waited; None if nobody waits."""
        tickets = self._tickets
        while tickets and not tickets[0].waiting:
            tickets.popleft()
        return tickets[0].since if tickets else None

    def join(self, wake: Callable[[], None], now: float) -> Ticket | None:
        """Queue up at `now`; None when the queue is full. Who was just woken in vain goes back to the head, and
        has waited since it came first."""
        if self._living >= self._limit:
            return None
        if self.serving:
            self._tickets.appendleft(ticket := Ticket(self, wake, self._served_since))
        else:
            self._tickets.append(ticket := Ticket(self, wake, now))
        self._living += 1
        return ticket

    def leave(self) -> None:
        """A ticket was cancelled."""
        self._living -= 1
        if len(self._tickets) > 2 * self._living + 16:
            self._tickets = deque(ticket for ticket in self._tickets if ticket.waiting)

    def serve(self, has_room: Callable[[], bool]) -> None:
        """Wake tickets in order while `has_room`, each at most once."""
        if self.serving:
            return
        self.serving = True
        try:
            for _ in range(self._living):
                if not self._living or not has_room():
                    return
                ticket = self._pop()
                self._served_since = ticket.since
                ticket.wake()
        finally:
            self.serving = False

    def _pop(self) -> Ticket:
        while True:
            ticket = self._tickets.popleft()
            if ticket.waiting:
                ticket.leave_for_turn()
                self._living -= 1
                return ticket
