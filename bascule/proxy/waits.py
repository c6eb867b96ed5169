"""Requests that go on after a wait: of a limit, of a login, of the tarpit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.http.errors import HttpError
from bascule.telemetry import causes

if TYPE_CHECKING:
    from collections.abc import Callable

    from bascule.proxy.exchange import Exchange

_SLACK = 1.0
"""Seconds of a client's deadline beyond its wait."""


def tarpit(exchange: Exchange, seconds: float) -> bool:
    """Count a request that is to wait in the tarpit. False: that is full, and it was refused at once."""
    if exchange.app.tarpit.hold(seconds) is None:
        exchange.answer(429, causes.RATE_LIMITED, b"retry-after: %d\r\n" % max(1, seconds))
        return False
    return True


def hold(exchange: Exchange, seconds: float, then: Callable[[], None]) -> None:
    """Let a request go on after a wait; its client's connection is its place in the queue."""
    app = exchange.app
    exchange.peer.deadline = max(exchange.peer.deadline, app.now + seconds + _SLACK)
    app.loop.call_later(seconds, _go_on, exchange, then)


def _go_on(exchange: Exchange, then: Callable[[], None]) -> None:
    if exchange.finished:
        return
    try:
        then()
    except HttpError as error:
        exchange.answer(error.status, error.cause)
