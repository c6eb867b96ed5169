"""A bound on guessing: wrong passwords by address, and who has to wait."""

from __future__ import annotations

from collections.abc import Callable

from bascule.config.auth import LockOut

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
        self._counts: dict[bytes, tuple[float, int]] = {}
        """When the first of the wrong passwords came, and how many they are."""
        self._locked: dict[bytes, float] = {}

    def check(self, address: bytes) -> None:
        """Raise LockedOutError if an address has to wait."""
        until = self._locked.get(address, 0.0)
        if until > self._clock():
            raise LockedOutError(until - self._clock())
        if until:
            del self._locked[address]

    def wrong(self, address: bytes) -> None:
        """Count a guess, before it is known to be wrong: guesses made at the same time count all."""
        now = self._clock()
        first, count = self._counts.get(address, (now, 0))
        if now - first > self._policy.within:
            first, count = now, 0
        if len(self._counts) >= _ADDRESSES:
            self._counts.clear()
        self._counts[address] = (first, count + 1)
        if count + 1 >= self._policy.attempts:
            if len(self._locked) >= _ADDRESSES:  # the one that has waited longest
                del self._locked[next(iter(self._locked))]
            self._locked.pop(address, None)
            self._locked[address] = now + self._policy.wait

    def right(self, address: bytes) -> None:
        """Forget what an address guessed before."""
        self._counts.pop(address, None)
        self._locked.pop(address, None)

    def unknown(self, address: bytes) -> None:
        """Take back one guess: whether it was wrong could not be found out."""
        first, count = self._counts.get(address, (0.0, 0))
        if count:
            self._counts[address] = (first, count - 1)
