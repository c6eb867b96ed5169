"""A UDP socket of an event loop. Whatever cannot go at once is dropped: datagrams may be lost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from bascule.forward.socks_udp import MAX_DATAGRAM

_AT_ONCE = 64
"""Datagrams read before others have their turn."""
Receive = Callable[[bytes, str, int], None]


class Port:
    """A UDP socket; what comes goes to `receive`, with where it comes from. Raises OSError if it cannot be bound."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: str, receive: Receive, only: tuple[str, int] | None = None
    ) -> None:
        """Bind to any port of an address; with `only` nobody else is heard."""
        self._loop = loop
        self._receive = receive
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind((address, 0))
            if only is not None:
                self._socket.connect(only)
        except OSError:
            self._socket.close()
            raise
        self.address, self.number = self._socket.getsockname()[:2]
        loop.add_reader(self._socket.fileno(), self._ready)

    def send(self, datagram: bytes, *to: str | int) -> None:
        """Send to an address and a port (or to whom it is bound to alone), or drop what cannot go now."""
        with contextlib.suppress(OSError):
            if to:
                self._socket.sendto(datagram, to)
            else:
                self._socket.send(datagram)

    def _ready(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                datagram, origin = self._socket.recvfrom(MAX_DATAGRAM)
            except OSError:
                return
            self._receive(datagram, *origin[:2])
            if self._socket.fileno() < 0:
                return

    def close(self) -> None:
        """Take no more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
