"""The retry budget."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.config.pools import Retries
from bascule.upstream.retries import RetryBudget
from tests.upstream.support import Clock, Harness


def taken(budget: RetryBudget, requests: int, wanted: int) -> int:
    return sum(budget.take(requests) for _ in range(wanted))


def test_the_share_of_the_requests() -> None:
    budget = RetryBudget(Retries(budget=0.2, budget_floor=0), Clock())
    assert taken(budget, 0, 10) == 0
    assert taken(budget, 100, 50) == 20
    assert taken(budget, 200, 50) == 20
    assert taken(budget, 200, 50) == 0


def test_the_floor_lets_a_quiet_site_retry() -> None:
    clock = Clock()
    budget = RetryBudget(Retries(budget=0, budget_floor=10), clock)
    assert taken(budget, 1, 50) == 10
    clock.now += 0.5
    assert taken(budget, 2, 50) == 5
    clock.now += 3600
    assert taken(budget, 3, 50) == 10


def test_requests_of_long_ago_count_no_more() -> None:
    clock = Clock()
    budget = RetryBudget(Retries(budget=0.5, budget_floor=0), clock)
    assert budget.take(1000)
    clock.now += 60
    assert taken(budget, 1000, 50) == 0
    clock.now += 3600
    assert taken(budget, 4600, 5000) <= 5, "an hour of one request a second saves up no more than ten seconds of it"


@settings(deadline=None)
@given(
    st.floats(0, 1),
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30), st.floats(0, 3)), max_size=30),
)
def test_never_more_than_share_and_floor(share: float, floor: int, steps: list[tuple[int, int, float]]) -> None:
    clock = Clock()
    budget = RetryBudget(Retries(budget=share, budget_floor=floor), clock)
    requests = retries = 0
    for more, wanted, pause in steps:
        clock.now += pause
        requests += more
        retries += taken(budget, requests, wanted)
        assert retries <= requests * share + floor * (clock.now - 1000 + 1) + 1e-6


@pytest.mark.parametrize("workload", [200])
def test_a_pool_counts_first_tries_only(workload: int) -> None:
    harness = Harness(2, retries={"budget": 0.1, "budget_floor": 0}, outliers={"consecutive": 0})
    harness.numbers(workload)
    allowed = 0
    while harness.pool.may_retry():
        allowed += 1
        harness.serve()
    assert allowed == workload // 10
