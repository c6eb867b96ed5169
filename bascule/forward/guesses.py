"""A bound on guessing: wrong passwords by address, and who has to wait.

Of IPv6 addresses it is the network that counts: whoever has one address of a /64 has them all.
"""

from __future__ import annotations

from collections.abc import Callable

from bascule.config.auth import LockOut
from bascule.defence.clients import ClientPrefix
from bascule.state.buckets import Buckets, hash_of
from bascule.state.locks import make_locks

_ADDRESSES = 1 << 16


class LockedOutError(Exception):
    """Too many wrong passwords came from an address, or too many wait to be checked. `wait` is in seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__("locked out")
        self.wait = wait


class GuessMemory:
    """What all workers know of guesses: made before the fork, and handed on over reloads."""

    def __init__(self) -> None:
        locks = make_locks()
        self.counts = Buckets(_ADDRESSES, locks, inherits=False)
        self.locked = Buckets(_ADDRESSES, locks, inherits=False)


class Guesses:
    """Counts wrong passwords by address, and says who has to wait: the same in every worker that has the `memory`.

    What is counted leaks away evenly within the time of the policy. `clock` is that of all workers (monotonic).
    """

    def __init__(self, policy: LockOut, clock: Callable[[], float], memory: GuessMemory | None = None) -> None:
        memory = memory or GuessMemory()
        self._policy = policy
        self._clock = clock
        self._clients = ClientPrefix()
        self._counts, self._locked = memory.counts, memory.locked
        self._cost = policy.within / policy.attempts
        self._limit = policy.within - self._cost / 2

    def check(self, address: bytes) -> None:
        """Raise LockedOutError if an address has to wait."""
        wait = self._locked.until(self._key(address)) - self._clock()
        if wait > 0:
            raise LockedOutError(wait)

    def wrong(self, address: bytes, name: str = "") -> None:
        """Count a guess, before it is known to be wrong: guesses made at the same time count all."""
        now, within = self._clock(), self._policy.within
        key, of_name = self._keys(address, name)
        self._counts.charge(of_name, self._cost, within, now)
        if self._counts.charge(key, self._cost, within, now) >= self._limit:
            self._locked.hold(key, now + self._policy.wait)

    def right(self, address: bytes, name: str = "") -> None:
        """Forget what was guessed of this name at an address, and of no other: who has a password of their own could
        say it between guesses of others'."""
        key, of_name = self._keys(address, name)
        now = self._clock()
        if (debt := self._counts.until(of_name) - now) > 0:
            self._counts.hold(of_name, 0.0)
            self._take_back(key, debt, now)

    def unknown(self, address: bytes, name: str = "") -> None:
        """Take back one guess: whether it was wrong could not be found out."""
        now = self._clock()
        for key in self._keys(address, name):
            self._take_back(key, self._cost, now)

    def _take_back(self, key: int, debt: float, now: float) -> None:
        if self._counts.until(key) <= now:
            return
        if self._counts.charge(key, -debt, self._policy.within, now) < self._limit and self._locked.until(key) > now:
            self._locked.hold(key, 0.0)

    def _key(self, address: bytes) -> int:
        return hash_of(self._clients.of(address))

    def _keys(self, address: bytes, name: str) -> tuple[int, int]:
        """Return the keys of an address, and of a name there."""
        client = self._clients.of(address)
        return hash_of(client), hash_of(b"%b\0%b" % (client, name.encode("utf-8", "replace")))
