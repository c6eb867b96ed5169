"""Least connections, least time, random of two."""

from __future__ import annotations

from collections import Counter

import pytest

from bascule.upstream.balance.least_time import DECAY, observe
from bascule.upstream.pool import Outcome
from tests.upstream.support import Harness, weighted


def test_least_connections_fills_evenly() -> None:
    harness = Harness(4, balance="least-connections")
    for _ in range(40):
        harness.pick()
    assert [server.active for server in harness.pool.servers] == [10] * 4


def test_least_connections_fills_by_weight() -> None:
    harness = Harness(weighted(3, 1), balance="least-connections")
    for _ in range(40):
        harness.pick()
    assert [server.active for server in harness.pool.servers] == [30, 10]


def test_least_connections_avoids_the_busy_server() -> None:
    harness = Harness(2, balance="least-connections")
    harness.server(1).active = 5
    assert harness.numbers(5) == [2] * 5


@pytest.mark.parametrize(("weights", "shares"), [((1, 1, 1), (20, 20, 20)), ((3, 2, 1), (30, 20, 10))])
def test_ties_of_least_connections_rotate_by_weight(weights: tuple[int, ...], shares: tuple[int, ...]) -> None:
    counts = Counter(Harness(weighted(*weights), balance="least-connections").numbers(60))
    assert [counts[number] for number in (1, 2, 3)] == pytest.approx(shares, abs=1)


def test_least_connections_sees_the_other_workers() -> None:
    harness = Harness(2, workers=2, balance="least-connections")
    for _ in range(4):
        harness.pick(worker=1)
        harness.server(1, worker=1).active, harness.server(2, worker=1).active = 4, 0
    harness.advance(0.1)
    assert harness.numbers(3) == [2, 2, 2]
    assert harness.server(1).elsewhere == 4


def test_least_time_prefers_the_quick_server() -> None:
    harness = Harness(2, balance="least-time")
    slow, quick = harness.pool.servers
    for _ in range(50):
        server = harness.pick()
        harness.pool.release(server, Outcome.OK, 0.5 if server is slow else 0.01)
        harness.clock.now += 0.05
    assert quick.picks > 10 * slow.picks > 0


def test_least_time_counts_what_is_outstanding() -> None:
    harness = Harness(2, balance="least-time")
    for server, latency in zip(harness.pool.servers, (0.01, 0.03), strict=True):
        observe(server, latency, harness.clock.now)
    for _ in range(40):
        harness.pick()
    quick, slow = harness.pool.servers
    assert quick.active == pytest.approx(30, abs=2)
    assert slow.active == pytest.approx(10, abs=2)


def test_a_quick_failure_does_not_look_quick() -> None:
    harness = Harness(2, balance="least-time", outliers={"consecutive": 0})
    observe(harness.server(2), 0.2, harness.clock.now)
    harness.fail(harness.server(1))
    assert harness.numbers(3) == [2, 2, 2]


def test_an_aborted_request_only_tells_of_slowness() -> None:
    harness = Harness(1, balance="least-time")
    server = harness.server(1)
    observe(server, 0.2, harness.clock.now)
    harness.fail(server, outcome=Outcome.CLIENT_ABORT)
    assert server.cost == 0.2
    harness.pool.release(harness.pick(), Outcome.CLIENT_ABORT, 0.7)
    assert server.cost == 0.7


def test_peak_ewma_takes_a_peak_at_once_and_forgets_it_gradually() -> None:
    server = Harness(1).server(1)
    observe(server, 1.0, 0.0)
    observe(server, 0.0, DECAY)
    assert server.cost == pytest.approx(0.368, abs=0.001)
    observe(server, 2.0, DECAY)
    assert server.cost == 2.0


def test_a_server_forgotten_for_long_is_tried_again() -> None:
    harness = Harness(2, balance="least-time")
    observe(harness.server(1), 1.0, harness.clock.now)
    for _ in range(100):
        harness.serve(latency=0.02)
        harness.advance(1.0)
    assert harness.server(1).picks > 0


def test_random_two_takes_the_less_loaded() -> None:
    harness = Harness(2, balance="random-two")
    harness.server(1).active = 10
    assert set(harness.numbers(30)) == {2}


def test_random_two_draws_by_weight_and_never_the_same_twice() -> None:
    harness = Harness(weighted(1, 1, 8), balance="random-two")
    for _ in range(300):
        harness.pick()
    loads = [server.active / server.weight for server in harness.pool.servers]
    assert max(loads) < 1.6 * min(loads)
    idle = Harness(weighted(1, 1000), balance="random-two")
    idle.server(2).active = 5000
    assert set(idle.numbers(20)) == {1}


def test_random_two_among_the_untried() -> None:
    harness = Harness(3, balance="random-two")
    tried = (harness.server(1), harness.server(2))
    assert {harness.pick(tried=tried) for _ in range(10)} == {harness.server(3)}
