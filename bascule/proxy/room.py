"""Room for newcomers: whom a worker lets go of when it holds about as many clients as it may.

Who floods holds connections and asks for nothing: heads that never end, handshakes that never begin, kept connections.
An honest client sends its head at once, and opens a new connection where a kept one is gone (RFC 9112 9.3). So under
pressure those that ask for nothing go, the longest waiting first, before a newcomer is turned away. From half of the
places on, what they may take shrinks from the configured deadlines (Envoy's overload manager: reduce_timeouts).
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING

from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.app import Connection, ProxyApp

EASE = 0.5
"""Share of the most clients, or pressure of another kind, from which on those that ask for nothing have less time."""
PRESSURE = 0.9
"""Share of the most clients from which on, every second, there is room made ahead of need."""
HESITATION = 2.0
"""Seconds that a handshake or a head may take under pressure, from the first byte."""
PAUSE = 1.0
"""Seconds that a kept connection may rest under pressure."""
HURRY = 5 / 6
"""By how much of it the time that a kept connection may rest shrinks, before places become scarce."""
SHARE = 16
"""One in so many goes at once to make room: a look at all of them is not for one newcomer alone."""


class Room:
    """The places that a worker has for clients: `most` of them."""

    __slots__ = ("_app", "_clients", "_looked", "most")

    def __init__(self, app: ProxyApp, clients: set[Connection], most: int) -> None:
        self._app = app
        self._clients = clients
        self.most = most
        self._looked = -1.0

    def is_full(self, now: float) -> bool:
        """Whether a newcomer finds no place, even after those that ask for nothing went. Looks once a tick."""
        clients = self._clients
        if len(clients) >= self.most and now != self._looked:
            self._looked = now
            self._let_go(max(1, self.most // SHARE), now)
        return len(clients) >= self.most

    def relieve(self, now: float) -> None:
        """Let go of handshakes and heads that last, for newcomers find no place of another kind. Looks once a tick."""
        if now != self._looked:
            self._looked = now
            self._let_go_hesitant(max(1, self.most // SHARE), now, HESITATION)

    def every_second(self, now: float, pressure: float) -> None:
        """Make room ahead of need; `pressure` is that of another kind than places, at its worst 1."""
        count, times = len(self._clients), self._app.times
        strain = max((count / self.most - EASE) / (PRESSURE - EASE), (pressure - EASE) / (1 - EASE))
        if strain <= 0:
            return
        strain = min(1.0, strain)
        self._let_go_hesitant(count, now, times.header - strain * max(0.0, times.header - HESITATION))
        self._let_go_resting(count, now, times.keep_alive * (1 - strain * HURRY))
        over = len(self._clients) - int(self.most * PRESSURE)
        if over > 0:
            self._let_go(over, now)

    def _let_go(self, count: int, now: float) -> None:
        """End up to `count` connections: first those whose head or handshake is awaited, then those that rest."""
        left = count - self._let_go_hesitant(count, now, HESITATION)
        if left > 0:
            self._let_go_resting(left, now, PAUSE)

    def _let_go_hesitant(self, count: int, now: float, longest: float) -> int:
        """End up to `count` whose head or handshake has been awaited for longer; return how many."""
        hesitant = [(waited, id(c), c) for c in self._clients if (waited := c.hesitates(now)) > longest]
        for _, _, client in nlargest(count, hesitant):
            self._app.note(client.address, client.port, causes.CULLED, 0)
            self._end(client, "hesitant")
        return min(count, len(hesitant))

    def _let_go_resting(self, count: int, now: float, longest: float) -> None:
        """End up to `count` that have been without a request for longer."""
        resting = [(rested, id(c), c) for c in self._clients if (rested := c.idle_since(now)) > longest]
        for _, _, client in nlargest(count, resting):
            self._end(client, "resting")

    def _end(self, client: Connection, kind: str) -> None:
        client.shut()
        self._app.forget(client)
        self._app.recorder.decided("connections", kind, "refuse")
