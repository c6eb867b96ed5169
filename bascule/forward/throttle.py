"""A request or tunnel under quotas: it begins when it may, is charged as bytes pass, waits, and is cut at the end.

While it waits neither end is read; what they go on to send fills the kernel's buffers, which are made small for slow
quotas, and then stays where it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

from bascule.forward.quotas import Meter, Quotas, Refusal
from bascule.proxy.phase import BODY, TUNNEL
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.exchange import ForwardExchange

_SLOW: Final = 1 << 20
"""Bytes a second below which the buffers of the kernel are made small."""
_BUFFER: Final = range(4096, 65536)
"""Bytes of such a buffer."""


def admit(exchange: ForwardExchange, quotas: Quotas) -> bool:
    """Let a request begin. False: it got its answer, or goes on by itself when its turn has come."""
    found = quotas.admit(exchange.asked)
    if found is None:
        return True
    if isinstance(found, Refusal):
        _refuse(exchange, found)
        return False
    exchange.throttle = throttle = Throttle(exchange, found)
    throttle.begun = not throttle.charge()
    return throttle.begun


def _refuse(exchange: ForwardExchange, refusal: Refusal) -> None:
    exchange.rule = f"quota {refusal.quota}"
    fields = b"retry-after: %d\r\n" % refusal.wait if refusal.wait else b""
    exchange.answer(refusal.status, refusal.cause, fields)


class Throttle:
    """Measures an exchange, and makes it wait."""

    __slots__ = ("_exchange", "_meter", "_seen", "_shrunk", "_waiting", "begun", "origin_blocked")

    def __init__(self, exchange: ForwardExchange, meter: Meter) -> None:
        self._exchange = exchange
        self._meter = meter
        self._seen = 0
        self._shrunk = False
        self._waiting: asyncio.TimerHandle | None = None
        self.begun = False
        """Whether it went its way: those who owe wait before."""
        self.origin_blocked = False
        """Whether the other end takes no more for now, so that the client is not to be read."""

    @property
    def waits(self) -> bool:
        """Whether neither end is to be read for now."""
        return self._waiting is not None

    def charge(self) -> bool:
        """Charge what has passed since the last time. Return whether the exchange waits now, or is over."""
        exchange = self._exchange
        total = exchange.bytes_in + exchange.bytes_out
        size, self._seen = total - self._seen, total
        if self._waiting is not None or exchange.finished:
            return True
        wait = self._meter.charge(size)
        if self._meter.used_up:
            exchange.rule = f"quota {self._meter.used_up}"
            exchange.answer(403, causes.QUOTA_USED)
            return True
        if wait <= 0:
            return False
        self._wait(wait)
        return True

    def _wait(self, seconds: float) -> None:
        exchange = self._exchange
        peer, origin = exchange.peer, exchange.origin
        if origin is not None and not origin.closed:
            origin.transport.pause_reading()
        if peer.state in (BODY, TUNNEL):
            peer.pause_reading()
        if 0 < self._meter.slowest < _SLOW and not self._shrunk and origin is not None:
            self._shrunk = True
            for transport in (origin.transport, peer.transport):
                _shrink(transport, self._meter.slowest)
        peer.deadline = max(peer.deadline, exchange.app.now + seconds + peer.times.response_idle)
        self._waiting = exchange.app.loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._waiting = None
        exchange = self._exchange
        peer, origin = exchange.peer, exchange.origin
        if exchange.finished:
            return
        if not self.begun:
            self.begun = True
            exchange.proceed()
            return
        if origin is not None and not origin.closed and not peer.blocked:
            origin.transport.resume_reading()
        if not self.origin_blocked:
            peer.resume_reading()
        peer.deadline = exchange.app.now + peer.times.response_idle

    def close(self) -> None:
        """The exchange is over: charge the rest, and leave everything as it was found."""
        exchange = self._exchange
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            if (origin := exchange.origin) is not None and not origin.closed:
                origin.transport.resume_reading()
            exchange.peer.resume_reading()
        total = exchange.bytes_in + exchange.bytes_out
        self._meter.charge(total - self._seen)
        self._seen = total
        self._meter.close()


def _shrink(transport: Any, bandwidth: int) -> None:
    """Let the kernel hold no more than a fraction of a second of a slow quota."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            size = min(max(bandwidth // 4, _BUFFER.start), _BUFFER.stop)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
