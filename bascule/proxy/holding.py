"""What a worker holds of requests until more of them is here: `limits.held_requests` at most, whoever sends them.

A head is held until its end, a body where a firewall judges it before a server has it, or `limits.request_buffer`
awaits it so that who sends slowly occupies no server. Each is bounded, but ten thousand at a time are not, and who
sends nearly all of a body at once has minutes for the rest of it (`limits.body_min_rate`). Those that have been coming
for longest go first: an honest client sends what may be held in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bascule.proxy.client import ClientConnection
from bascule.proxy.phase import BODY, HEAD
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.app import ProxyApp
    from bascule.proxy.peer import Peer

LEFT: Final = 0.75
"""Share of the most that is left when some had to go."""
STEP: Final = 1 / 16
"""Share of the most by which it may grow, however little room there is, until all clients are looked at again."""
LEAST: Final = 16384
"""Bytes by which it may at least, however little the most is."""
_RETRY: Final = b"retry-after: 5\r\n"


class Holding:
    """The requests of one worker. `most` bytes of them are held; 0 stands for any number."""

    __slots__ = ("_app", "_most", "_room")

    def __init__(self, app: ProxyApp, most: int) -> None:
        self._app = app
        self._most = most
        self._room = float(most) if most else float("inf")
        """Bytes that may come until somebody may have to go."""

    def add(self, client: Peer, size: int) -> None:
        """So much of a client's request is held. Others may be refused for that, not the client itself."""
        self._room -= size
        if self._room < 0:
            self._look(client)

    def _look(self, present: Peer) -> None:
        """Sum up what is held: what was added has partly been passed on since, or is gone."""
        held = [
            (_since(client), id(client), size, client)
            for client in self._app.clients
            if isinstance(client, ClientConnection) and (size := _held(client))
        ]
        total = sum(size for _, _, size, _ in held)
        if total > self._most:
            for _, _, size, client in sorted(held):
                if client is present:
                    continue
                total -= size
                _refuse(client)
                if total <= self._most * LEFT:
                    break
        self._room = max(self._most * STEP, LEAST, self._most - total)


def _held(client: ClientConnection) -> int:
    """Return the bytes that are held of a request which has yet to come in whole."""
    if client.state == HEAD:
        return len(client.held)
    exchange = client.exchange
    if client.state != BODY or exchange is None or exchange.origin is not None or not exchange.awaits_client:
        return 0
    return exchange.kept


def _since(client: ClientConnection) -> float:
    """Return when the part of the request that is held began, in seconds of the application's clock."""
    return client.deadline - client.app.times.header if client.state == HEAD else client.body_started


def _refuse(client: ClientConnection) -> None:
    if client.state == HEAD:
        client.refuse(503, causes.SHED)
    elif client.exchange is not None:
        client.exchange.answer(503, causes.SHED, _RETRY)
