"""Tests of what happens in time, on a machine that others use as well."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

from tests.support.clients import EndedError

P = ParamSpec("P")
RUNS = 4
spoilt: list[str] = []
"""Why runs of the present test were spoilt: the summary of the tests tells them (`tests/conftest.py`)."""


def unless_stalled(claim: Callable[P, None]) -> Callable[P, None]:
    """A test, or a part of one, that holds if the machine keeps pace with it: a stall may spoil a run or two of it, but
    not each of `RUNS`, which what is wrong with the program does. For claims whose deadlines cannot be generous."""

    @functools.wraps(claim)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        for _ in range(RUNS - 1):
            try:
                return claim(*args, **kwargs)
            except (AssertionError, EndedError, OSError) as error:
                spoilt.append(f"{type(error).__name__}: {str(error).partition(chr(10))[0][:100]}")
        return claim(*args, **kwargs)

    return run
