"""Weighted round robin: shares are exact, spread is smooth."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.config.pools import Pool, Server
from bascule.upstream.balance.round_robin import one_round, whole_weights
from bascule.upstream.server import ServerState
from tests.upstream.support import FACTS, Harness, weighted


def servers(count: int) -> list[ServerState]:
    """Return so many servers, with the slots from 0 on."""
    return [ServerState(Pool(), Server.model_validate("127.0.0.1:1"), slot) for slot in range(count)]


def test_equal_servers_take_turns() -> None:
    harness = Harness(3)
    turns = harness.numbers(6)
    assert turns[:3] == turns[3:]
    assert sorted(turns[:3]) == [1, 2, 3]


def test_the_order_is_that_of_smooth_round_robin() -> None:
    a, b, c = servers(3)
    assert list(one_round([a, b, c], [5, 1, 1])) == [a, a, b, a, c, a, a]


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_every_round_gives_each_server_exactly_its_weight(weights: list[int]) -> None:
    harness = Harness(weighted(*weights))
    whole = whole_weights([float(weight) for weight in weights])
    counts = Counter(harness.numbers(3 * sum(whole)))
    assert [counts[number] for number in range(1, len(weights) + 1)] == [3 * weight for weight in whole]


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5))
def test_no_server_ever_runs_far_ahead_of_its_share(weights: list[int]) -> None:
    """At any moment a server is within one turn per other server of what is due to it."""
    counts = [0] * len(weights)
    total = sum(weights)
    for turn, server in enumerate(one_round(servers(len(weights)), weights), 1):
        counts[server.slot] += 1
        for count, weight in zip(counts, weights, strict=True):
            assert abs(count - turn * weight / total) < len(weights)


@pytest.mark.parametrize(
    ("shares", "whole"),
    [([2.0, 4.0], [1, 2]), ([1000.0, 1000.0], [1, 1]), ([0.1, 1.0], [1, 10]), ([3.0], [1]), ([0.0001, 5.0], [1, 1000])],
)
def test_whole_weights(shares: list[float], whole: list[int]) -> None:
    assert whole_weights(shares) == whole


def test_workers_do_not_all_begin_with_the_same_server() -> None:
    begins = {Harness(4, seed=seed).numbers(1)[0] for seed in range(40)}
    assert begins == {1, 2, 3, 4}


def test_a_tried_server_comes_last() -> None:
    harness = Harness(3)
    first = harness.pick()
    second = harness.pick(tried=(first,))
    third = harness.pick(tried=(first, second))
    assert {first, second, third} == set(harness.pool.servers)
    assert harness.pick(FACTS, (first, second, third)) in harness.pool.servers


def test_weight_zero_takes_nothing_new() -> None:
    harness = Harness(weighted(1, 0, 1))
    assert set(harness.numbers(20)) == {1, 3}
