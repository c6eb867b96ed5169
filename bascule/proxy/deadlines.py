"""What a client is late with: a head, a body, taking its answer; and the minimum rates at which bodies come and go.

A connection has one deadline at a time; the tick of app.py compares it. What was awaited decides what it means. A tick
that comes late judges by the time of the one before: what came since lies unread in the kernel's buffers.
"""

from __future__ import annotations

import contextlib
import fcntl
import struct
import termios
from typing import TYPE_CHECKING

from bascule.proxy.phase import BODY, CLOSED, HEAD
from bascule.telemetry import causes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bascule.proxy.app import Connection
    from bascule.proxy.client import ClientConnection

_INT = struct.Struct("i")
STANDSTILL = 1.0
"""Seconds from which on a late tick's delay counts against nobody; below, it is within what deadlines promise."""


def after_standstill(connections: Iterable[Connection], before: float, late: float) -> float:
    """Return the time to judge by in a tick that comes `late` seconds late: that of the tick `before` it, up to which
    all that came has been read. The loop calls timers first, so who was in time may be known only after this tick.
    """
    if late >= STANDSTILL:
        for connection in connections:
            connection.deadline += late
    return before


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
    """Refuse a request body that trickles in (slow-body attacks), cut a client that lets its response trickle out."""
    exchange = client.exchange
    if client.blocked or client.state == CLOSED:
        _check_taking(client, now)
        return
    if client.state != BODY or exchange is None or client.paused or not exchange.awaits_client:
        return
    age = now - client.body_started
    route = exchange.route
    if age > route.body_grace and client.body_bytes < route.body_min_rate * age:
        exchange.answer(408, causes.BODY_TOO_SLOW)


def _check_taking(client: ClientConnection, now: float) -> None:
    """Judge by what it acknowledged since it fell behind: the kernel's buffer alone may take a slow client minutes."""
    left = _unacknowledged(client)
    if client.blocked_from < 0:
        client.blocked_from, client.blocked_at = left, now
        return
    age = now - client.blocked_at
    if age > client.times.send_grace and client.blocked_from - left < client.times.send_min_rate * age:
        if client.exchange is not None:
            client.exchange.abandon(causes.SEND_TOO_SLOW)
        else:
            client.app.note(client.address, client.port, causes.SEND_TOO_SLOW, 0)
            client.transport.abort()


def _unacknowledged(client: ClientConnection) -> int:
    """Return the bytes that wait in our buffer and in the kernel's, sent or not (SIOCOUTQ, tcp(7))."""
    size = client.transport.get_write_buffer_size()
    with contextlib.suppress(OSError):  # the socket is closed already
        answer = fcntl.ioctl(client.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, _INT.pack(0))
        size += int(_INT.unpack(answer)[0])
    return size


def idle_since(client: ClientConnection, now: float) -> float:
    """Return for how many seconds no request has been in progress.

    0 while one is or has begun to arrive, and while the client has yet to take what it was answered: who ends the
    connection then takes the rest of the answer along.
    """
    if client.state != HEAD or client.held or not client.served or client.transport.get_write_buffer_size():
        return 0.0
    return now - (client.deadline - client.times.keep_alive)


def hesitates(client: ClientConnection, now: float) -> float:
    """Return for how many seconds a head is awaited: the first one, or the end of one that began."""
    if client.state != HEAD or (client.served and not client.held):
        return 0.0
    return now - (client.deadline - client.app.times.header)
