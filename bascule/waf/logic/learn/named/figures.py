"""Shares and costs, as they are written down."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 3


def share(part: int, whole: int) -> float:
    """Return a share in percent."""
    return round(100 * part / whole, 3) if whole else 0.0


def least(run: Callable[[], object], count: int) -> float:
    """Return microseconds for each of `count` things that `run` does: the least of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        rounds.append(time.process_time() - began)
    return round(1e6 * min(rounds) / count, 2)
