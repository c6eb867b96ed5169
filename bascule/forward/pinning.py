"""Clients that take no certificate of interception for a host: after some tries their tunnels there stay closed.

Only those of that client, for whoever wants to be left alone can end handshakes on purpose: it must not open the way
for others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from bascule.config.intercept import Pinning
from bascule.state.buckets import Buckets, hash_of
from bascule.state.locks import make_locks

MOST = 4096
"""Pairs of client and host that a worker counts; the oldest goes first."""
Pair = tuple[str, str]
"""Address of a client, and a host."""


def let_go_memory() -> Buckets:
    """Return where it stands who is let go, for all workers: made before the fork, and handed on over reloads."""
    return Buckets(4 * MOST, make_locks())


class Pins:
    """What one worker knows of pinning. `clock` gives seconds that all of them count alike."""

    def __init__(self, config: Pinning, let_go: Buckets, clock: Callable[[], float] = monotonic) -> None:
        self._config = config
        self._let_go = let_go
        self._clock = clock
        self._counts: OrderedDict[Pair, tuple[int, float]] = OrderedDict()
        """How many handshakes a client ended, and when the first of them."""

    def holds(self, client: str, host: str) -> bool:
        """Tell whether a client's tunnels to a host are to be left closed."""
        return bool(self._config.attempts) and self._let_go.until(_key(client, host)) > self._clock()

    def rejected(self, client: str, host: str) -> bool:
        """A client ended a handshake for a host. Return whether that was once too often."""
        if not self._config.attempts or self.holds(client, host):
            return False
        now, pair = self._clock(), (client, host)
        count, first = self._counts.pop(pair, (0, now))
        if now - first > self._config.within:
            count, first = 0, now
        if count + 1 >= self._config.attempts:
            self._let_go.hold(_key(client, host), now + self._config.for_)
            return True
        self._counts[pair] = count + 1, first
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)
        return False

    def accepted(self, client: str, host: str) -> None:
        """A client took a certificate for a host: what it ended before was no pinning."""
        self._counts.pop((client, host), None)


def _key(client: str, host: str) -> int:
    return hash_of(f"{client}\0{host}".encode())
