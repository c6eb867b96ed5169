"""That work on a text grows as the text does."""

from __future__ import annotations

import time
from collections.abc import Callable

SHORT, LONG = 6_000, 60_000
"""Bytes of the texts that are compared."""


def assert_linear(work: Callable[[bytes], object], unit: bytes, before: bytes = b"") -> None:
    """Assert that ten times as much of `unit` behind `before` takes nothing like the hundredfold of quadratic work.

    CPU of this process is counted, each the least of three: others use the machine as well.
    """

    def took(size: int) -> float:
        text = before + unit * (size // len(unit))
        rounds = []
        for _ in range(3):
            began = time.process_time()
            work(text)
            rounds.append(time.process_time() - began)
        return min(rounds)

    work(before + unit)  # what is made once, such as databases of patterns, is not counted
    assert took(LONG) < 30 * took(SHORT) + 0.05
