"""A claim that depends on the pace of the machine has some tries, and no more."""

from __future__ import annotations

import pytest

from tests.support import pace
from tests.support.pace import RUNS, unless_stalled


@pytest.mark.parametrize("spoilt", [0, 1, RUNS - 1, RUNS, RUNS + 1])
def test_a_claim_fails_only_if_each_run_does(spoilt: int) -> None:
    runs: list[int] = []

    @unless_stalled
    def claim() -> None:
        runs.append(len(runs))
        assert len(runs) > spoilt

    if spoilt < RUNS:
        claim()
    else:
        with pytest.raises(AssertionError):
            claim()
    assert len(runs) == min(spoilt + 1, RUNS)
    assert len(pace.spoilt) == min(spoilt, RUNS - 1)  # each is told of in the end
    assert all(why.startswith("AssertionError") for why in pace.spoilt)
    pace.spoilt.clear()
