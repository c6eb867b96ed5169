"""Clients that take no certificate of interception for a host: after some tries their tunnels there stay closed.

Only those of that client, for whoever wants to be left alone can end handshakes on purpose: it must not open the way
for others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from bascule.config.intercept import Pinning

MOST = 4096
"""Pairs of client and host that are remembered, counted and let go alike; the oldest goes first."""
PINNED = "forward/pinned"
"""Topic by which one worker's finding reaches the others."""
Pair = tuple[str, str]
"""Address of a client, and a host."""
V = TypeVar("V")


class Pins:
    """What one worker knows of pinning. `clock` gives seconds."""

    def __init__(self, config: Pinning, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock
        self._counts: OrderedDict[Pair, tuple[int, float]] = OrderedDict()
        """How many handshakes a client ended, and when the first of them."""
        self._until: OrderedDict[Pair, float] = OrderedDict()

    def holds(self, client: str, host: str) -> bool:
        """Tell whether a client's tunnels to a host are to be left closed."""
        until = self._until.get((client, host))
        return until is not None and until > self._clock()

    def rejected(self, client: str, host: str) -> bool:
        """A client ended a handshake for a host. Return whether that was once too often."""
        if not self._config.attempts or self.holds(client, host):
            return False
        now, pair = self._clock(), (client, host)
        count, first = self._counts.pop(pair, (0, now))
        if now - first > self._config.within:
            count, first = 0, now
        if count + 1 >= self._config.attempts:
            self.let_go(client, host)
            return True
        _put(self._counts, pair, (count + 1, first))
        return False

    def accepted(self, client: str, host: str) -> None:
        """A client took a certificate for a host: what it ended before was no pinning."""
        self._counts.pop((client, host), None)

    def let_go(self, client: str, host: str) -> None:
        """Leave a client's tunnels to a host closed from now on."""
        _put(self._until, (client, host), self._clock() + self._config.for_)


def _put(table: OrderedDict[Pair, V], pair: Pair, value: V) -> None:
    table.pop(pair, None)
    table[pair] = value
    if len(table) > MOST:
        table.popitem(last=False)
