"""Retry budget: retries stay a fixed share of the requests, so that they never become the outage.

A token bucket after Finagle's RetryBudget: requests deposit a fraction of a retry, time deposits a floor.
"""

from __future__ import annotations

from collections.abc import Callable

from bascule.config.pools import Retries

_WINDOW = 10.0
"""Seconds of deposits that may be saved up."""


class RetryBudget:
    """The budget of one pool in one worker."""

    def __init__(self, config: Retries, clock: Callable[[], float], requests: int = 0) -> None:
        self._config = config
        self._clock = clock
        self._requests = requests
        self._time = clock()
        self._from_requests = 0.0
        self._from_floor = float(config.budget_floor)

    def take(self, requests: int) -> bool:
        """Spend one retry if the budget allows; `requests` is the running total of first tries."""
        config = self._config
        now = self._clock()
        elapsed = max(0.0, now - self._time)
        fresh = (requests - self._requests) * config.budget
        # Deposits grow old: what could not have come within the window is dropped.
        kept = self._from_requests * max(0.0, 1 - elapsed / _WINDOW)
        self._from_requests = kept + fresh if elapsed <= _WINDOW else fresh * _WINDOW / elapsed
        self._from_floor = min(float(config.budget_floor), self._from_floor + elapsed * config.budget_floor)
        self._time = now
        self._requests = requests
        if self._from_floor >= 1:
            self._from_floor -= 1
        elif self._from_requests >= 1:
            self._from_requests -= 1
        else:
            return False
        return True
