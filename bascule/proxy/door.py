"""The door of a worker: which connections it takes, and how many it has."""

from __future__ import annotations

import contextlib
import socket
import struct
from time import monotonic
from typing import TYPE_CHECKING

from bascule.proxy.client import ClientConnection
from bascule.proxy.prelude import Prelude, TlsLink
from bascule.proxy.room import Room
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.arrivals import Gatekeeper
    from bascule.defence.shield import Shield
    from bascule.proxy.accept import FairAcceptor
    from bascule.proxy.app import Connection, ProxyApp

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset: nothing of the connection is left to keep."""


class Door:
    """See the module. `most` connections are taken at a time."""

    __slots__ = ("_acceptor", "_app", "_per_address", "_per_address_most", "clients", "room")

    def __init__(self, app: ProxyApp, acceptor: FairAcceptor | None, most: int) -> None:
        self._app = app
        self._acceptor = acceptor
        self._per_address: dict[bytes, int] = {}
        self._per_address_most = app.limits.connections_per_address
        self.clients: set[Connection] = set()
        self.room = Room(app, self.clients, most)

    def admit(self, client: Connection) -> bool:
        """Count a new connection; False if it is over a limit and must go."""
        app = self._app
        cause = self._objection(client, app.shield)
        if cause:
            app.recorder.connections_refused += 1
            app.note(client.address, client.port, cause, 0)
            return False
        if self._per_address_most:
            self._per_address[client.address] = self._per_address.get(client.address, 0) + 1
        client.counted_as = client.address
        self.clients.add(client)
        self._count()
        app.recorder.connections_opened += 1
        return True

    def forget(self, client: Connection) -> None:
        """A connection ended."""
        if client not in self.clients:
            return
        self.clients.discard(client)
        self._count()
        app = self._app
        app.recorder.connections_closed += 1
        if self._per_address:
            left = self._per_address.get(client.counted_as, 0) - 1
            if left > 0:
                self._per_address[client.counted_as] = left
            else:
                self._per_address.pop(client.counted_as, None)
        if app.arrivals is not None and isinstance(client, TlsLink):
            app.arrivals.end_handshake()
        if app.draining:
            app.check_drained()

    def _count(self) -> None:
        if self._acceptor is not None:
            self._acceptor.count(len(self.clients))

    def _objection(self, client: Connection, shield: Shield | None) -> str:
        """Return the cause for which a connection is not taken; empty if there is none."""
        app = self._app
        if shield is not None and shield.closes and shield.any_banned and (word := shield.banned(client.address)):
            shield.reports.count("ban", word, "refuse")
            return causes.BANNED
        if self.room.is_full(app.now):
            return causes.OVER_LIMIT_CONNECTIONS
        most = self._per_address_most
        if most and self._per_address.get(client.address, 0) >= most:
            return causes.OVER_LIMIT_ADDRESS
        if shield is None or app.arrivals is None or not self._is_late(client, shield, app.arrivals):
            return ""
        with contextlib.suppress(OSError):  # it is gone already
            sock: socket.socket = client.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return causes.OVER_ARRIVALS

    def _is_late(self, client: Connection, shield: Shield, arrivals: Gatekeeper) -> bool:
        """Whether a new connection, or the handshake it begins with, is beyond a limit to those of all workers.

        What comes after a PROXY header or a handshake is no new connection, and a balancer that sends such headers is
        not the client.
        """
        handshake = isinstance(client, TlsLink)
        if isinstance(client, Prelude) or (isinstance(client, ClientConnection) and client.tls is not None):
            return False
        spared = client.address in shield.allowed or client.address in shield.trusted
        word = "" if spared else arrivals.over(client.address, monotonic(), handshake)
        if handshake and not arrivals.begin_handshake() and not word and not spared:
            if not arrivals.detect:
                self.room.relieve(self._app.now)
            word = "" if arrivals.fits else "handshakes_at_once"
        if not word:
            return False
        shield.reports.count("arrivals", word, "detect" if arrivals.detect else "refuse")
        if handshake and not arrivals.detect:
            arrivals.end_handshake()
        return not arrivals.detect
