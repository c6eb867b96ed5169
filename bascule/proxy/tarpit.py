"""Refusals that come late, so that who attacks waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange

MAX_TARPITTED = 256
"""Refusals that a worker holds back at a time: a tarpit may not become the flood it answers."""
LATE = 60.0
"""Seconds beyond a tarpit's delay until the client's connection is given up."""


class Tarpit:
    """One refusal that is held back for some seconds."""

    __slots__ = ("_exchange", "_timer")

    def __init__(self, exchange: Exchange, status: int, delay: float) -> None:
        app = exchange.app
        self._exchange = exchange
        app.tarpitted += 1
        exchange.detach(None)
        exchange.peer.deadline = app.now + delay + LATE
        self._timer = app.loop.call_later(delay, exchange.answer, status, causes.WAF)

    def end(self) -> None:
        """The exchange ended."""
        self._timer.cancel()
        self._exchange.app.tarpitted -= 1
