"""The door of a worker: which connections it takes, and how many it has."""

from __future__ import annotations

import resource
from time import monotonic
from typing import TYPE_CHECKING, Any

from bascule.proxy.accept import reset
from bascule.proxy.client import ClientConnection
from bascule.proxy.peer import address_of
from bascule.proxy.prelude import Prelude, TlsLink
from bascule.proxy.room import Room
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.arrivals import Gatekeeper
    from bascule.defence.shield import Shield
    from bascule.proxy.accept import FairAcceptor
    from bascule.proxy.app import Connection, ProxyApp

SPARE_FILES = 64
"""Open files that are kept for what is no client's."""


class Door:
    """See the module. `most` connections are taken at a time."""

    __slots__ = ("_acceptor", "_app", "_clients", "_per_address", "_per_address_most", "clients", "room")

    def __init__(self, app: ProxyApp, acceptor: FairAcceptor | None, most: int) -> None:
        self._app = app
        self._acceptor = acceptor
        self._per_address: dict[bytes, int] = {}
        self._per_address_most = app.limits.connections_per_address
        self._clients = app.client_prefix
        self.clients: set[Connection] = set()
        self.room = Room(app, self.clients, most)

    def admit(self, client: Connection) -> bool:
        """Count a new connection; False if it is over a limit and must go.

        Behind a trusted proxy, or who sends PROXY headers, are many clients: no ban and no limit for one of them is for
        its own connections.
        """
        app = self._app
        if app.resting:
            app.wake()
        cause = self._objection(client, app.shield)
        if cause:
            self._refused(client.address, client.port, cause)
            return False
        if self._per_address_most and not self._is_for_many(client):
            client.counted_as = counted = self._clients.of(client.address)
            self._per_address[counted] = self._per_address.get(counted, 0) + 1
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

    def bars(self, name: tuple[Any, ...] | str | bytes) -> bool:
        """Refuse a caller that is banned before anything is made for its connection. It sends no PROXY header."""
        shield = self._app.shield
        if shield is None or not (shield.closes and shield.any_banned):
            return False
        host, port = address_of(name)
        address = host.encode()
        if not self._is_banned(address, shield):
            return False
        self._refused(address, port, causes.BANNED)
        return True

    def _refused(self, address: bytes, port: int, cause: str) -> None:
        self._app.recorder.connections_refused += 1
        self._app.note(address, port, cause, 0)

    def _count(self) -> None:
        if self._acceptor is not None:
            self._acceptor.count(len(self.clients))

    def _objection(self, client: Connection, shield: Shield | None) -> str:
        """Return the cause for which a connection is not taken; empty if there is none."""
        app = self._app
        many = self._is_for_many(client)
        if shield is not None and shield.closes and not many and self._is_banned(client.address, shield):
            return causes.BANNED
        if self.room.is_full(app.now):
            return causes.OVER_LIMIT_CONNECTIONS
        most = 0 if many else self._per_address_most
        if most and self._per_address.get(self._clients.of(client.address), 0) >= most:
            return causes.OVER_LIMIT_ADDRESS
        if shield is None or app.arrivals is None or not self._is_late(client, shield, app.arrivals):
            return ""
        reset(client.transport.get_extra_info("socket"))
        return causes.OVER_ARRIVALS

    def _is_for_many(self, client: Connection) -> bool:
        return isinstance(client, Prelude) or client.address in self._app.trusted

    def _is_banned(self, address: bytes, shield: Shield) -> bool:
        word = shield.banned(address) if shield.any_banned and address not in shield.trusted else ""
        if word:
            shield.reports.count("ban", word, "refuse")
        return bool(word)

    def _is_late(self, client: Connection, shield: Shield, arrivals: Gatekeeper) -> bool:
        """Whether a new connection, or the handshake it begins with, is beyond a limit to those of all workers.

        What comes after a PROXY header or a handshake is no new connection, nor is TLS within a tunnel; and a balancer
        that sends such headers is not the client.
        """
        handshake = isinstance(client, TlsLink)
        arrives = not (isinstance(client, TlsLink) and client.within)
        if isinstance(client, Prelude) or (isinstance(client, ClientConnection) and client.tls is not None):
            return False
        spared = client.address in shield.allowed or client.address in shield.trusted
        word = "" if spared else arrivals.over(client.address, monotonic(), arrives, handshake)
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


def default_cap(tunnels: bool) -> int:
    """Return how many clients a worker takes if nothing is configured, by the files this process may open.

    Three quarters of them, for a busy client needs a server connection and an idle one none; but half with `tunnels`,
    whose clients keep theirs for as long as they stay.
    """
    files: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
    return max(64, files // 2 if tunnels else files * 3 // 4)
