"""Sums over the last seconds."""

from __future__ import annotations

import pytest

from bascule.state.locks import make_locks
from bascule.state.windows import SLOTS, Windows


def test_sums_slide() -> None:
    windows = Windows(2, 3, 300.0, make_locks())
    for second in range(0, 600, 10):
        windows.add(1, second // 10 % 2, 5000.0 + second)
    assert windows.sums(0, 5590.0) == [0, 0, 0]
    assert windows.sums(1, 5590.0) == [15, 15, 0], "of 300 s, one every 10 s"
    assert windows.sums(1, 5590.0 + 150.0) == [7, 8, 0]
    assert windows.sums(1, 5590.0 + 300.0 + 300.0 / SLOTS) == [0, 0, 0]


def test_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        Windows(0, 3, 300.0, make_locks())
