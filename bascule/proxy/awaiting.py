"""Exchanges that wait for a response which another one caused, and what is asked for on behalf of all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

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


def alone(exchange: Exchange) -> None:
    """Let an exchange that waited ask for itself."""
    exchange.ticket = None
    exchange.replayable = True
    if not exchange.finished and (cache := exchange.route.cache) is not None:
        cache.ask(exchange, "miss", b"Bascule; fwd=miss")


def inform(exchange: Exchange, own: Exchange, is_leader: bool) -> None:
    """Let the log know which server answered."""
    if is_leader:
        exchange.server, exchange.tries = own.server, own.tries


def whole(head: RequestHead, stale: Entry | None) -> RequestHead:
    """Return a request for the whole of a resource, unless it is the very one that is stored."""
    if any(field[0] in conditions.REPLACED for field in head.block.fields):
        head = head.without(conditions.REPLACED)
    if stale is None:
        return head
    asked = conditions.validators(stale.meta)
    changed = copy.copy(head)
    changed.varying = head.varying + [(name, value, 0, b"%b: %b\r\n" % (name, value)) for name, value in asked]
    changed.passed = head.passed + b"".join([b"%b: %b\r\n" % pair for pair in asked])
    return changed
