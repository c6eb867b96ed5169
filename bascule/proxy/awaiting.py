"""Exchanges that wait for a response which another one caused, and what is asked for on behalf of all."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from bascule.cache import conditions
from bascule.cache.hot import Entry
from bascule.http.message import RequestHead

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange


class Waiting:
    """An exchange that waits for the head of a response; it stands where one waits for a server's slot."""

    __slots__ = ("_leave", "exchange", "until")

    def __init__(self, leave: Callable[[Waiting], None], exchange: Exchange, until: float) -> None:
        self._leave = leave
        self.exchange = exchange
        self.until = until
        """Monotonic; then it asks for itself."""

    def cancel(self) -> None:
        """Wait no more."""
        self._leave(self)


class Waiters:
    """Those who wait for one response. The leader is the one whose request caused it, while it waits."""

    __slots__ = ("_all", "_deserted", "leader")

    def __init__(self, deserted: Callable[[], None]) -> None:
        """`deserted` is called when the last one went away."""
        self._all: list[Waiting] = []
        self._deserted = deserted
        self.leader: Waiting | None = None

    def __iter__(self) -> Iterator[Exchange]:
        """Yield the exchanges that wait now, whatever happens meanwhile."""
        return iter([waiting.exchange for waiting in self._all])

    def add(self, exchange: Exchange, until: float) -> Waiting:
        """Let an exchange wait for the head of the response."""
        waiting = Waiting(self._leave, exchange, until)
        exchange.ticket = cast(Any, waiting)
        exchange.replayable = False  # what is tried again, the cache's own exchange tries
        exchange.peer.deadline = math.inf  # this one has deadlines of its own
        self._all.append(waiting)
        return waiting

    def _leave(self, waiting: Waiting) -> None:
        if waiting in self._all:
            self._all.remove(waiting)
        if waiting is self.leader:
            self.leader = None
        if not self._all:
            self._deserted()

    def send_on(self, now: float) -> None:
        """Send on their own way those who waited for too long."""
        for waiting in [waiting for waiting in self._all if waiting.until < now]:
            self._all.remove(waiting)
            alone(waiting.exchange)

    def released(self) -> Iterator[tuple[Exchange, bool]]:
        """Yield who waits, and whether it leads; they wait no more. Where the loop fails, the rest go on alone."""
        waiting, self._all = self._all, []
        leader, self.leader = self.leader, None
        for one in waiting:
            one.exchange.ticket = None
        left = deque(one for one in waiting if not one.exchange.finished)
        try:
            while left:
                one = left.popleft()
                yield one.exchange, one is leader
        finally:
            for one in left:
                alone(one.exchange)


def alone(exchange: Exchange) -> None:
    """Let an exchange that waited ask for itself."""
    exchange.ticket = None
    exchange.replayable = True
    if not exchange.finished and (cache := exchange.route.cache) is not None:
        cache.ask(exchange, "miss", b"Bascule; fwd=miss")


def inform(exchange: Exchange, own: Exchange, is_leader: bool) -> None:
    """Let the log know which server answered."""
    if is_leader:
        exchange.server_name, exchange.tries = own.server_name, own.tries
        if own.tries and own.route.pool is not None:  # else it was no server of ours
            exchange.server = own.server


def whole(head: RequestHead, stale: Entry | None) -> RequestHead:
    """Return a request for the whole of a resource, unless it is the very one that is stored."""
    if any(field[0] in conditions.REPLACED for field in head.block.fields):
        head = head.without(conditions.REPLACED)
    if stale is None:
        return head
    asked = conditions.validators(stale.meta)
    changed = head.copied()
    changed.varying = head.varying + [(name, value, 0, b"%b: %b\r\n" % (name, value)) for name, value in asked]
    changed.passed = head.passed + b"".join([b"%b: %b\r\n" % pair for pair in asked])
    return changed
