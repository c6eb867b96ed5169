"""Exchanges that wait for a response which another worker has on its way.

Workers tell each other in the index of the store who asks for what; there is no message when that ends, so who waits
looks again and again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from bascule.cache.index import Index

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange

_LOOK: Final = 0.01
"""Seconds between two looks."""


class Elsewhere:
    """What other workers ask for, and who waits for it in this one."""

    __slots__ = ("_index", "_looks", "_loop", "_own", "_waiting")

    def __init__(self, index: Index, loop: asyncio.AbstractEventLoop) -> None:
        self._index = index
        self._loop = loop
        self._own: set[int] = set()
        self._waiting: set[_Waiting] = set()
        self._looks = False

    def claim(self, key: int, seconds: float) -> None:
        """Tell the others that this worker asks for what is stored under a key, for so long at most."""
        now = time.monotonic()
        if seconds and self._index.claim(key, now, now + seconds):
            self._own.add(key)

    def release(self, key: int) -> None:
        """It is stored, or never will be: the others need not wait."""
        if key in self._own:
            self._own.remove(key)
            self._index.release(key)

    def asks(self, key: int) -> bool:
        """Tell whether another worker asks for it."""
        return key not in self._own and self._index.is_claimed(key, time.monotonic())

    def wait(self, exchange: Exchange, key: int, seconds: float, then: Callable[[Exchange], None]) -> None:
        """Let an exchange wait until no other asks for it, for so long at most."""
        waiting = _Waiting(self._waiting, exchange, key, time.monotonic() + seconds, then)
        exchange.ticket = cast(Any, waiting)
        exchange.peer.deadline = math.inf  # this one is bounded by itself
        if not self._looks:
            self._looks = True
            self._loop.call_later(_LOOK, self._look)
        self._waiting.add(waiting)

    def _look(self) -> None:
        now = time.monotonic()
        for waiting in [one for one in self._waiting if one.until < now or not self.asks(one.key)]:
            self._waiting.remove(waiting)
            self._loop.call_soon(waiting.go_on)
        self._looks = bool(self._waiting)
        if self._looks:
            self._loop.call_later(_LOOK, self._look)


class _Waiting:
    """One of them; it stands where an exchange waits for a server's slot."""

    __slots__ = ("_all", "_exchange", "_then", "key", "until")

    def __init__(
        self, others: set[_Waiting], exchange: Exchange, key: int, until: float, then: Callable[[Exchange], None]
    ) -> None:
        self._all = others
        self._exchange = exchange
        self._then = then
        self.key = key
        self.until = until

    def cancel(self) -> None:
        """Wait no more."""
        self._all.discard(self)

    def go_on(self) -> None:
        """Look in the store again, or ask."""
        exchange = self._exchange
        if exchange.ticket is cast(Any, self) and not exchange.finished:
            exchange.ticket = None
            self._then(exchange)
