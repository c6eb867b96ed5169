"""A bound on guessing: wrong passwords by address, and who has to wait.

Of IPv6 addresses it is the network that counts: whoever has one address of a /64 has them all.
"""

from __future__ import annotations

from collections.abc import Callable

from bascule.config.auth import LockOut
from bascule.defence.clients import ClientPrefix

_ADDRESSES = 10_000


class LockedOutError(Exception):
    """Too many wrong passwords came from an address, or too many wait to be checked. `wait` is in seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__("locked out")
        self.wait = wait


class Guesses:
    """Counts wrong passwords by address, and says who has to wait."""

    def __init__(self, policy: LockOut, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._clients = ClientPrefix()
        self._counts: dict[bytes, tuple[float, int]] = {}
        """When the first of the wrong passwords came, and how many they are."""
        self._locked: dict[bytes, float] = {}

    def check(self, address: bytes) -> None:
        """Raise LockedOutError if an address has to wait."""
        client = self._clients.of(address)
        until = self._locked.get(client, 0.0)
        if until > self._clock():
            raise LockedOutError(until - self._clock())
        if until:
            del self._locked[client]

    def wrong(self, address: bytes) -> None:
        """Count a guess, before it is known to be wrong: guesses made at the same time count all."""
        now, client = self._clock(), self._clients.of(address)
        first, count = self._counts.get(client, (now, 0))
        if now - first > self._policy.within:
            first, count = now, 0
        if len(self._counts) >= _ADDRESSES:
            self._counts.clear()
        self._counts[client] = (first, count + 1)
        if count + 1 >= self._policy.attempts:
            if len(self._locked) >= _ADDRESSES:  # the one that has waited longest
                del self._locked[next(iter(self._locked))]
            self._locked.pop(client, None)
            self._locked[client] = now + self._policy.wait

    def right(self, address: bytes) -> None:
        """Forget what an address guessed before."""
        client = self._clients.of(address)
        self._counts.pop(client, None)
        self._locked.pop(client, None)

    def unknown(self, address: bytes) -> None:
        """Take back one guess: whether it was wrong could not be found out."""
        client = self._clients.of(address)
        first, count = self._counts.get(client, (0.0, 0))
        if count:
            self._counts[client] = (first, count - 1)
