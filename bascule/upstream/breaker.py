"""Circuit breaker of one server: closed, open, half-open (M. Nygard, Release It!, 2007).

Closed, it counts failures over a sliding window of two halves; when their share reaches the limit it opens.
Open, the server gets nothing for a while. Half-open, one request at a time is let through as a trial: a good
answer closes the circuit, a failure opens it again. Where nobody else can be asked, a trial comes early: a server that
is back, or was only stalled with the whole machine, need not be waited for while requests fail.
"""

from __future__ import annotations

from enum import Enum

from bascule.config.pools import Breaker

EARLY = 0.02
"""Share of the open time after which there may be a trial if nobody else can be asked (0.1 s of 5 s)."""
EARLIEST = 0.1
"""Seconds: not earlier, however short the open time. Ten trials a second spare any server."""


class Circuit(Enum):
    """States of the breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """Judges by `answered`, a running total that the caller keeps, so that a good answer costs nothing here."""

    __slots__ = ("_config", "_early", "_half_start", "_marks", "_misses", "_until", "state")

    def __init__(self, config: Breaker) -> None:
        self._config = config
        self.state = Circuit.CLOSED
        self._until = 0.0
        """End of the open state, or of the wait for a trial's outcome."""
        self._early = 0.0
        """When an open circuit may have a trial before its time."""
        self._half_start = 0.0
        self._marks = [0, 0]
        """`answered` at the start of the previous and of the current half window."""
        self._misses = [0, 0]

    @property
    def deadline(self) -> float:
        """When time alone changes the state; infinity if it does not."""
        return self._until if self.state is Circuit.OPEN else float("inf")

    def poll(self, answered: int, now: float) -> bool:
        """Move the window on, end the open state when it is over. Return whether the state changed."""
        half = self._config.window / 2
        elapsed = now - self._half_start
        if elapsed >= half:
            stale = elapsed >= 2 * half
            self._marks = [answered if stale else self._marks[1], answered]
            self._misses = [0 if stale else self._misses[1], 0]
            self._half_start = now
        if self.state is Circuit.OPEN and now >= self._until:
            self.state = Circuit.HALF_OPEN
            self._until = now
            return True
        return False

    def may_try(self, now: float) -> bool:
        """Half-open: is a trial allowed? A trial whose outcome does not come blocks the next one only for a while."""
        return now >= self._until

    def may_try_early(self, now: float) -> bool:
        """Open: is a trial allowed to a request that has nobody else to ask?"""
        return self.state is Circuit.OPEN and now >= self._early

    def trial(self, now: float) -> None:
        """A request was sent as a trial: half-open until its outcome is known."""
        self.state = Circuit.HALF_OPEN
        self._until = now + self._config.open

    def success(self, answered: int) -> bool:
        """Half-open: the server answered well. Return whether the state changed."""
        if self.state is not Circuit.HALF_OPEN:
            return False
        self.state = Circuit.CLOSED
        self._marks = [answered, answered]
        self._misses = [0, 0]
        return True

    def failure(self, answered: int, now: float) -> bool:
        """Count a failure (`answered` includes it). Return whether the state changed."""
        config = self._config
        if not config.enabled or self.state is Circuit.OPEN:
            return False
        self.poll(answered - 1, now)
        self._misses[1] += 1
        total = answered - self._marks[0]
        if self.state is Circuit.CLOSED and (total < config.minimum or sum(self._misses) < config.error_rate * total):
            return False
        self.state = Circuit.OPEN
        self._until = now + config.open
        self._early = now + max(EARLIEST, config.open * EARLY)
        return True
