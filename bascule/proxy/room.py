"""Room for newcomers: whom a worker lets go of when it holds about as many clients as it may.

Who floods holds connections and asks for nothing: heads that never end, handshakes that never begin, kept connections.
An honest client sends its head at once, and opens a new connection where a kept one is gone (RFC 9112 9.3). So under
pressure those that ask for nothing go, the longest waiting first, before a newcomer is turned away.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING

from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.app import Connection, ProxyApp

PRESSURE = 0.9
"""Share of the most clients from which on, every second, there is room made ahead of need."""
HESITATION = 2.0
"""Seconds that a handshake or a head may take under pressure, from the first byte."""
PAUSE = 1.0
"""Seconds that a kept connection may rest under pressure."""
SHARE = 16
"""One in so many goes at once to make room: a look at all of them is not for one newcomer alone."""


class Room:
    """The places that a worker has for clients: `most` of them."""

    __slots__ = ("_app", "_looked", "_most")

    def __init__(self, app: ProxyApp, most: int) -> None:
        self._app = app
        self._most = most
        self._looked = -1.0

    def is_full(self, now: float) -> bool:
        """Whether a newcomer finds no place, even after those that ask for nothing went. Looks once a tick."""
        clients = self._app.clients
        if len(clients) >= self._most and now != self._looked:
            self._looked = now
            self._let_go(max(1, self._most // SHARE), now)
        return len(clients) >= self._most

    def every_second(self, now: float) -> None:
        """Make room ahead of need."""
        over = len(self._app.clients) - int(self._most * PRESSURE)
        if over > 0:
            self._let_go(over, now)

    def _let_go(self, count: int, now: float) -> None:
        """End up to `count` connections: first those whose head or handshake is awaited, then those that rest."""
        app = self._app
        hesitant = [(waited, id(c), c) for c in app.clients if (waited := c.hesitates(now)) > HESITATION]
        for _, _, client in nlargest(count, hesitant):
            app.note(client.address, client.port, causes.CULLED, 0)
            self._end(client, "hesitant")
        if count > len(hesitant):
            resting = [(rested, id(c), c) for c in app.clients if (rested := c.idle_since(now)) > PAUSE]
            for _, _, client in nlargest(count - len(hesitant), resting):
                self._end(client, "resting")

    def _end(self, client: Connection, kind: str) -> None:
        client.shut()
        self._app.forget(client)
        self._app.recorder.decided("connections", kind, "refuse")
