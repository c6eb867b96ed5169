"""Adaptive concurrency: how many requests a server may have in progress, learned from how much its answers slow down.

The gradient algorithm of Netflix' concurrency-limits (Gradient2Limit) and of Envoy's adaptive concurrency filter. Once
a window the limit becomes ``limit * gradient + sqrt(limit)``, where the gradient is how much faster than now the server
was when it was not busy, with some tolerance. The square root is the room to find out whether more is possible; it is
given only where the limit was in use. Failures cut the limit by a tenth (AIMD).

How fast a server is when it is not busy is measured at the start, at the least limit, and after a while anew, for it
may change: at a third of the limit for a window. What is learned is in shared memory, and one worker at a time updates
it from its own requests: all see the same server.
"""

from __future__ import annotations

from math import sqrt
from statistics import median_low

from bascule.config.pools import Adaptive
from bascule.upstream.terms import Outcome

WORDS = 4
"""Doubles in shared memory for each server: see `AdaptiveLimit`."""
LEAST_SAMPLES = 10
"""Answers that make a window: the median of fewer says little."""
MOST_SAMPLES = 256
"""Answers of a window that are kept."""
LONGEST = 10
"""Windows after which one ends with fewer answers than `LEAST_SAMPLES`: who is slow gives few."""
LEAST_GRADIENT = 0.5
"""A window at most halves the limit: its answers may have been slow for another reason."""
BACKOFF = 0.9
"""What failures leave of the limit (Netflix: AIMDLimit)."""
TOLERATED = 0.1
"""Share of failures that does not count yet: one answer in ten may fail for reasons of its own."""
HORIZON = 60.0
"""Seconds after which it is measured anew how fast the server is when it is not busy (Envoy: min_rtt_calc_params)."""
_LIMIT, _DUE, _BEST, _BEST_SINCE = range(WORDS)


class AdaptiveLimit:
    """The limit of one server, in one worker.

    `words` are the server's in shared memory: the limit (0 before there is one), when the next update is due, the
    latency of the server when it is not busy, and when that was measured (monotonic seconds). `most` is the configured
    `max_connections`, 0 for none.
    """

    __slots__ = ("_config", "_failed", "_measured_from", "_peak", "_restore", "_samples", "_since", "_words", "most")

    def __init__(self, config: Adaptive, words: memoryview[float], most: int = 0) -> None:
        self._config = config
        self._words = words
        self.most = most
        self._samples: list[float] = []
        self._failed = 0
        self._peak = 0
        self._since: float | None = None
        """When the first answer of this window came."""
        self._restore = 0.0
        """The limit from before, while this worker measures the server at a third of it."""
        self._measured_from = 0.0
        """When that began: what was asked before it says nothing."""

    @property
    def learned(self) -> int:
        """How many requests the server may have in progress, whether that is enforced or not."""
        return learned(self._words, self._config, self.most)

    @property
    def holds(self) -> bool:
        """Whether the limit is enforced."""
        return self._config.mode == "block"

    @property
    def enforced(self) -> int:
        """The limit that holds; 0 for none."""
        return self.learned if self.holds else self.most

    @property
    def tolerated(self) -> float:
        """Seconds that an answer may take before the server counts as slowed down by its load; 0 while unknown."""
        return self._words[_BEST] * (1 + self._config.tolerance)

    def take(self, outcome: Outcome, latency: float, busy: int, now: float) -> None:
        """Take what became of a request: `latency` seconds to the head of its answer, or to its failure.

        `busy` requests were in progress at the server, this one among them.
        """
        if self._restore and now - latency < self._measured_from:
            return
        if busy > self._peak:
            self._peak = busy
        if outcome is Outcome.CLIENT_ABORT and latency <= self.tolerated:
            return  # it went of its own accord
        if outcome is not Outcome.OK and outcome is not Outcome.CLIENT_ABORT:
            self._failed += 1
        elif len(self._samples) < MOST_SAMPLES:
            self._samples.append(latency)

    def update(self, now: float) -> None:
        """End the window if it is over; call it about every 100 ms."""
        count = len(self._samples) + self._failed
        if self._restore and now - self._measured_from >= LONGEST * self._config.window:
            self._end_measurement(now)
            self._begin_window()
            return
        if not count:
            self._since = None
            return
        if self._since is None:
            self._since = now
        elapsed = (now - self._since) / self._config.window
        if elapsed < 1 or (count < LEAST_SAMPLES and elapsed < LONGEST):
            return
        if self._restore:
            self._end_measurement(now)
        elif now >= self._words[_DUE]:
            self._learn(now)
        self._begin_window()

    def _begin_window(self) -> None:
        self._samples.clear()
        self._failed = self._peak = 0
        self._since = None

    def _learn(self, now: float) -> None:
        """Draw the consequences of a window."""
        words, config = self._words, self._config
        limit = words[_LIMIT]
        words[_DUE] = now + config.window
        if self._failed > TOLERATED * (len(self._samples) + self._failed):
            self._set(limit * BACKOFF)
            return
        latency = median_low(self._samples)
        used = self._peak >= limit / 2
        if not limit:
            words[_BEST], words[_BEST_SINCE] = latency, now
            self._set(float(config.initial))
            return
        old = now - words[_BEST_SINCE] > HORIZON
        if old and used:
            self._begin_measurement(limit, now)
            return
        if old or latency < words[_BEST]:
            words[_BEST], words[_BEST_SINCE] = latency, now
        gradient = max(LEAST_GRADIENT, min(1.0, (1 + config.tolerance) * words[_BEST] / max(latency, 1e-9)))
        wanted = limit * gradient + sqrt(limit)
        self._set(wanted if used else min(limit, wanted))

    def _begin_measurement(self, limit: float, now: float) -> None:
        """Put up with a third of the limit for a window; nobody else updates meanwhile."""
        self._restore, self._measured_from = limit, now
        self._words[_DUE] = now + (LONGEST + 1) * self._config.window
        self._set(limit / 3)

    def _end_measurement(self, now: float) -> None:
        """What this window saw is how fast the server is, unless it came so late that others may have learned since."""
        words, limit, self._restore = self._words, self._restore, 0.0
        if now - self._measured_from >= (LONGEST + 1) * self._config.window:
            return
        if self._samples:
            words[_BEST], words[_BEST_SINCE] = median_low(self._samples), now
        words[_DUE] = now + self._config.window
        self._set(limit)

    def _set(self, limit: float) -> None:
        self._words[_LIMIT] = max(float(self._config.min), min(limit, float(self._config.max)))


def learned(words: memoryview[float], config: Adaptive, most: int) -> int:
    """Return the limit that shared memory has for a server, whose `max_connections` is `most` (0 for none)."""
    limit = max(config.min, min(int(words[_LIMIT]), config.max))  # it may have been learned under other bounds
    return min(limit, most) if most else limit
