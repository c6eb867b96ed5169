"""What a client is late with: a head, a body, taking its answer; and the minimum rate of bodies.

A connection has one deadline at a time; the tick of app.py compares it. What was awaited decides what it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.proxy.phase import BODY, CLOSED, HEAD
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.client import ClientConnection


def passed(client: ClientConnection, now: float) -> None:
    """The deadline passed: decide by what was awaited."""
    exchange = client.exchange
    if client.blocked or client.state == CLOSED:
        size = client.transport.get_write_buffer_size()
        if size < client.blocked_size:
            client.blocked_size = size
            client.deadline = now + client.times.send_idle
        elif exchange is not None:
            exchange.abandon(causes.SEND_TIMEOUT)
        else:
            client.transport.abort()
    elif client.state == HEAD:
        if client.held:
            client.refuse(408, causes.HEADER_TIMEOUT)
        else:
            client.close()
    elif client.state == BODY and exchange is not None and not client.paused and exchange.awaits_client:
        exchange.answer(408, causes.BODY_TIMEOUT)
    elif exchange is not None:
        client.deadline = now + 1.0
        exchange.on_deadline()
    else:
        client.transport.abort()


def check_rate(client: ClientConnection, now: float) -> None:
    """Refuse a request body that trickles (slow-body attacks)."""
    exchange = client.exchange
    if client.state != BODY or exchange is None or client.paused or not exchange.awaits_client:
        return
    age = now - client.body_started
    route = exchange.route
    if age > route.body_grace and client.body_bytes < route.body_min_rate * age:
        exchange.answer(408, causes.BODY_TOO_SLOW)


def idle_since(client: ClientConnection, now: float) -> float:
    """Return for how many seconds no request has been in progress; 0 while one is or has begun to arrive."""
    if client.state != HEAD or client.held or not client.served:
        return 0.0
    return now - (client.deadline - client.times.keep_alive)
