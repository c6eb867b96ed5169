"""What a worker holds of request bodies until more of them is here: `limits.held_bodies` at most, whoever sends them.

A firewall judges bodies before a server has them, and `limits.request_buffer` awaits them so that who sends slowly
occupies no server. Each is bounded, but ten thousand at a time are not, and who sends nearly all of a body at once has
minutes for the rest of it (`limits.body_min_rate`). Those that have been coming for longest go first: an honest client
sends what may be held in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bascule.proxy.client import ClientConnection
from bascule.proxy.phase import BODY
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.app import Connection, ProxyApp
    from bascule.proxy.exchange import Exchange

LEFT: Final = 0.75
"""Share of the most that is left when some had to go."""
STEP: Final = 1 / 16
"""Share of the most by which it may grow, however little room there is, until all clients are looked at again."""
_RETRY: Final = b"retry-after: 5\r\n"


class Holding:
    """The bodies of one worker. `most` bytes of them are held; 0 stands for any number."""

    __slots__ = ("_app", "_most", "_room")

    def __init__(self, app: ProxyApp, most: int) -> None:
        self._app = app
        self._most = most
        self._room = float(most) if most else float("inf")
        """Bytes that may come until somebody may have to go."""

    def add(self, exchange: Exchange, size: int) -> None:
        """More of the body of a request is held. Others may be refused for that, the request itself is not."""
        self._room -= size
        if self._room < 0:
            self._look(exchange)

    def _look(self, present: Exchange) -> None:
        """Sum up what is held: what was added has partly been passed on since, or is gone."""
        held = [exchange for client in self._app.clients if (exchange := _awaited(client)) is not None]
        total = sum(exchange.kept for exchange in held)
        if total > self._most:
            for exchange in sorted(held, key=lambda exchange: exchange.started):
                if exchange is present:
                    continue
                total -= exchange.kept
                exchange.answer(503, causes.SHED, _RETRY)
                if total <= self._most * LEFT:
                    break
        self._room = max(self._most * STEP, self._most - total)


def _awaited(client: Connection) -> Exchange | None:
    """Return the exchange of a client whose body is held, and has yet to come in whole."""
    if not isinstance(client, ClientConnection):
        return None
    exchange = client.exchange
    if client.state != BODY or exchange is None or exchange.origin is not None or not exchange.awaits_client:
        return None
    return exchange
