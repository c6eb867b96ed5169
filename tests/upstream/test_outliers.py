"""Ejection of servers that keep failing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.upstream.pool import Outcome, ServerState
from tests.upstream.support import Harness

BREAKER_OFF = {"enabled": False}


def harness_of(servers: int, workers: int = 1, **outliers: object) -> Harness:
    return Harness(servers, workers=workers, breaker=BREAKER_OFF, outliers=outliers)


@pytest.mark.parametrize("outcome", [Outcome.ERROR_STATUS, Outcome.CONNECT, Outcome.RESET, Outcome.TIMEOUT])
def test_failures_in_a_row_eject(outcome: Outcome) -> None:
    harness = harness_of(2)
    harness.fail(harness.server(1), 4, outcome)
    assert 1 in harness.numbers(4)
    harness.pool.release(harness.pick(tried=(harness.server(2),)), Outcome.OK, 0.01)
    harness.fail(harness.server(1), 4, outcome)
    assert 1 in harness.numbers(4), "a good answer in between clears the record"
    harness.fail(harness.server(1), 5, outcome)
    assert set(harness.numbers(10)) == {2}


def test_aborts_neither_count_nor_clear() -> None:
    harness = harness_of(2)
    harness.fail(harness.server(1), 4)
    harness.fail(harness.server(1), 10, Outcome.CLIENT_ABORT)
    assert harness.server(1).failures == 4


def test_the_ejection_ends_and_a_single_failure_renews_it() -> None:
    harness = harness_of(2, ejection=10)
    harness.fail(harness.server(1), 5)
    harness.advance(9.9)
    assert set(harness.numbers(4)) == {2}
    harness.advance(0.1)
    assert set(harness.numbers(4)) == {1, 2}
    harness.fail(harness.server(1), 5)
    assert set(harness.numbers(4)) == {2}


def test_ejections_grow_up_to_the_cap_and_shrink_with_good_standing() -> None:
    harness = harness_of(2, ejection=10, max_ejection=35)
    server = harness.server(1)
    lengths = []
    for _ in range(4):
        harness.fail(server, 5)
        lengths.append(server.ejected_until - harness.clock.now)
        harness.advance(lengths[-1])
    assert lengths == [10, 20, 35, 35]
    harness.advance(20)
    harness.fail(server, 5)
    assert server.ejected_until - harness.clock.now == 35
    assert server.ejections == 3
    harness.advance(1000)
    harness.fail(server, 5)
    assert server.ejected_until - harness.clock.now == 10


def test_failures_while_ejected_do_not_prolong() -> None:
    harness = harness_of(2)
    harness.fail(harness.server(1), 50)
    assert harness.server(1).ejections == 1


def test_all_workers_honour_an_ejection() -> None:
    harness = harness_of(2, workers=2)
    harness.fail(harness.server(1), 5)
    assert {harness.pick(worker=1).name for _ in range(6)} == {harness.server(2).name}
    harness.advance(10)
    assert len({harness.pick(worker=1).name for _ in range(6)}) == 2


def test_the_operator_is_told_of_ejections_and_only_of_real_ones(capfd: pytest.CaptureFixture[str]) -> None:
    alone = harness_of(1)
    alone.fail(alone.server(1), 5)
    assert capfd.readouterr().err == ""
    harness = harness_of(2)
    harness.fail(harness.server(2), 5)
    assert "pool pool: http://10.0.0.2:80 is ejected" in capfd.readouterr().err


def test_zero_turns_it_off() -> None:
    harness = harness_of(2, consecutive=0)
    harness.fail(harness.server(1), 100)
    assert set(harness.numbers(4)) == {1, 2}


def test_a_server_that_the_checks_find_up_again_is_no_longer_ejected() -> None:
    harness = harness_of(2, ejection=300)
    harness.fail(harness.server(1), 5)
    harness.down(1)
    assert set(harness.numbers(4)) == {2}
    harness.down(1, False)
    assert set(harness.numbers(4)) == {1, 2}


@settings(deadline=None)
@given(
    servers=st.integers(1, 8),
    share=st.floats(0, 1),
    failing=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1)), max_size=20),
)
def test_never_more_than_the_share_is_ejected(servers: int, share: float, failing: list[tuple[int, int]]) -> None:
    harness = harness_of(servers, workers=2, max_share=share, panic=0)
    for number, worker in failing:
        pool = harness.workers[worker]
        server = pool.servers[number % servers]
        for _ in range(5):
            server.active += 1
            server.picks += 1
            pool.release(server, Outcome.CONNECT, 0.01)
        harness.advance(0.5)
        for each in harness.workers:
            assert sum(server.ejected for server in each.servers) <= share * servers + 1e-9


def test_killed_server_costs_nothing_to_whoever_tries_again() -> None:
    """From the first failure on, a second try always finds a living server."""
    harness = harness_of(3)
    dead = harness.server(2)
    for _ in range(200):
        server = harness.pick()
        if server is dead:
            harness.pool.release(server, Outcome.CONNECT, 0.001)
            server = harness.pick(tried=(server,))
        assert server is not dead
        harness.pool.release(server, Outcome.OK, 0.01)
        harness.advance(0.05)
    assert dead.picks < 20


def test_a_retry_asks_the_ejected_before_it_asks_the_same_server_again() -> None:
    harness = harness_of(2)
    harness.fail(harness.server(1), 5)
    assert set(harness.numbers(4)) == {2}
    assert harness.pick(tried=(harness.server(2),)) is harness.server(1), "it may have recovered"
    harness.down(1)
    harness.advance(0.1)
    assert harness.pick(tried=(harness.server(2),)) is harness.server(2), "but not where the checks say it has not"


def test_the_one_that_fails_now_is_out_in_place_of_the_one_that_failed_before() -> None:
    harness = harness_of(2, ejection=10)
    first, second = harness.server(1), harness.server(2)
    for _ in range(3):  # grown ejections of the first
        harness.fail(first, 5)
        harness.advance(first.ejected_until - harness.clock.now)
    harness.fail(first, 5)
    assert set(harness.numbers(4)) == {2}
    harness.advance(1)
    harness.fail(second, 5)
    assert set(harness.numbers(4)) == {1}
    harness.advance(1)
    harness.fail(first, 5)
    assert set(harness.numbers(4)) == {2}, "and the other way round, though an ejection of each is under way"


@pytest.mark.parametrize("rate", [20, 200, 2000])
@pytest.mark.parametrize("spell", [0.5, 3, 7, 20])
def test_servers_killed_in_turn_cost_nothing(rate: int, spell: float) -> None:
    """Two servers die and come back in turn, for spells shorter and longer than windows and ejections."""
    harness = Harness(2)
    lost = 0
    for turn in range(8):
        dead = harness.server(turn // 2 % 2 + 1) if turn % 2 == 0 else None
        for count in range(int(rate * spell)):
            lost += not answered(harness, dead)
            harness.clock.now += 1 / rate
            if count % max(1, rate // 10) == 0:
                harness.advance(0)
    assert lost == 0


def answered(harness: Harness, dead: ServerState | None) -> bool:
    """Let the pool serve an idempotent request as proxy/attempts.py does. Return whether a server answered."""
    tried: tuple[ServerState, ...] = ()
    while True:
        server = harness.pick(tried=tried)
        if server is not dead:
            harness.pool.release(server, Outcome.OK, 0.001)
            return True
        tried = (*tried, server)
        retry = len(tried) <= harness.plan.config.retries.attempts and harness.pool.may_retry()
        harness.pool.release(server, Outcome.CONNECT, 0.001)
        if not retry:
            return False
