"""The last seconds of the totals, for rates and latencies of now rather than of all time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bascule.telemetry.totals import Histogram, Totals, quantile

INTERVAL: Final = 1.0
"""Seconds between samples."""
WINDOW: Final = 10
"""Samples that are looked back upon."""


@dataclass(frozen=True, slots=True)
class _Sample:
    time: float
    requests: int
    bytes_in: int
    bytes_out: int
    buckets: tuple[int, ...]


class History:
    """A bounded ring of samples."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[_Sample] = deque(maxlen=WINDOW + 1)

    def add(self, totals: Totals) -> None:
        """Take a sample."""
        merged = Histogram()
        for route in totals.routes:
            merged.buckets = [mine + other for mine, other in zip(merged.buckets, route.duration.buckets, strict=True)]
        self._samples.append(
            _Sample(
                self._clock(),
                merged.count,
                sum(route.bytes_in for route in totals.routes),
                sum(route.bytes_out for route in totals.routes),
                tuple(merged.buckets),
            )
        )

    def recent(self) -> dict[str, Any]:
        """Return rates a second and latency quantiles in seconds over the window; zeros before two samples."""
        first, last = (self._samples[0], self._samples[-1]) if self._samples else (None, None)
        if first is None or last is None or last.time <= first.time:
            return {"seconds": 0.0, "requests": 0.0, "bytes_in": 0.0, "bytes_out": 0.0, "p50": 0.0, "p95": 0.0,
                    "p99": 0.0}  # fmt: skip
        seconds = last.time - first.time
        # A slot whose names were forgotten starts from zero again: a rate is never negative.
        buckets = [max(0, new - old) for new, old in zip(last.buckets, first.buckets, strict=True)]
        return {
            "seconds": round(seconds, 3),
            "requests": max(0, last.requests - first.requests) / seconds,
            "bytes_in": max(0, last.bytes_in - first.bytes_in) / seconds,
            "bytes_out": max(0, last.bytes_out - first.bytes_out) / seconds,
            **{f"p{percent}": quantile(buckets, percent / 100) for percent in (50, 95, 99)},
        }
