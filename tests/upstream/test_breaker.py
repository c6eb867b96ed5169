"""The circuit breaker: its state machine as a table, and what it does in a pool."""

from __future__ import annotations

import pytest

from bascule.config.pools import Breaker
from bascule.upstream.breaker import Circuit, CircuitBreaker
from bascule.upstream.pool import Outcome, Unavailable
from tests.upstream.support import FACTS, Harness

CONFIG = Breaker(error_rate=0.5, minimum=4, window=10, open=5)


class Driver:
    """Plays a script of steps on a breaker: o good, x failed answer, t trial sent, a number of seconds to wait."""

    def __init__(self, config: Breaker) -> None:
        self.breaker = CircuitBreaker(config)
        self.answered = 0
        self.now = 100.0
        self.breaker.poll(0, self.now)

    def play(self, script: str) -> Circuit:
        for step in script.split():
            if step == "o":
                self.answered += 1
                self.breaker.success(self.answered)
            elif step == "x":
                self.answered += 1
                self.breaker.failure(self.answered, self.now)
            elif step == "t":
                assert self.breaker.may_try(self.now)
                self.breaker.trial(self.now)
            else:
                self.now += float(step)
                self.breaker.poll(self.answered, self.now)
        return self.breaker.state


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ("x x x", Circuit.CLOSED),  # below the minimum
        ("x x x x", Circuit.OPEN),
        ("o o o x x", Circuit.CLOSED),  # 2 of 5
        ("o o x x", Circuit.OPEN),  # 2 of 4
        ("o o o o o o o o o x x x", Circuit.CLOSED),
        ("x x x 5 5 x", Circuit.CLOSED),  # the window has moved on
        ("x x x 5 o o o 5 x", Circuit.CLOSED),  # failures grow old like answers
        ("x x 5 x x", Circuit.OPEN),  # both halves count
        ("o o o o o o 5 5 x x x x", Circuit.OPEN),  # old good answers do not hide new failures
        ("x x x x 4.9", Circuit.OPEN),
        ("x x x x 5", Circuit.HALF_OPEN),
        ("x x x x 5 t o", Circuit.CLOSED),
        ("x x x x 5 t x", Circuit.OPEN),
        ("x x x x 5 t x 5", Circuit.HALF_OPEN),
        ("x x x x 5 t o x x x", Circuit.CLOSED),  # the count begins anew
        ("x x x x 5 t o x x x x", Circuit.OPEN),
        ("x x x x x x", Circuit.OPEN),  # late failures change nothing
        ("x x x x 5 t 5 t o", Circuit.CLOSED),  # a lost trial is followed by another
    ],
)
def test_states(script: str, state: Circuit) -> None:
    assert Driver(CONFIG).play(script) is state


def test_one_trial_at_a_time() -> None:
    driver = Driver(CONFIG)
    driver.play("x x x x 5 t")
    assert not driver.breaker.may_try(driver.now)
    assert not driver.breaker.may_try(driver.now + 4.9)
    assert driver.breaker.may_try(driver.now + 5)


def test_it_can_be_turned_off() -> None:
    assert Driver(CONFIG.model_copy(update={"enabled": False})).play("x " * 50) is Circuit.CLOSED


def broken(servers: int = 2) -> Harness:
    harness = Harness(servers, breaker=CONFIG.model_dump(), outliers={"consecutive": 0})
    harness.fail(harness.server(1), 4)
    return harness


def test_an_open_circuit_gets_nothing() -> None:
    harness = broken()
    assert set(harness.numbers(10)) == {2}


def test_the_only_server_with_an_open_circuit_gets_a_trial_now_and_then() -> None:
    harness = broken(1)
    for _ in range(10):
        assert harness.unavailable() is Unavailable.DOWN
        harness.advance(0.1)
        trial = harness.pick()
        assert harness.unavailable() is Unavailable.FULL, "one at a time"
        harness.pool.release(trial, Outcome.CONNECT, 0.01)
    harness.advance(0.1)
    harness.pool.release(harness.pick(), Outcome.OK, 0.01)
    assert harness.numbers(5) == [1] * 5


def test_a_circuit_of_a_short_open_time_is_not_tried_all_the_time() -> None:
    harness = Harness(1, breaker=CONFIG.model_copy(update={"open": 0.3}).model_dump(), outliers={"consecutive": 0})
    harness.fail(harness.server(1), 4)
    harness.advance(0.09)
    assert harness.unavailable() is Unavailable.DOWN
    harness.advance(0.02)
    assert harness.pick() is harness.server(1)


def test_an_open_circuit_gets_no_early_trial_while_others_can_be_asked() -> None:
    harness = broken(3)
    harness.advance(1)
    assert set(harness.numbers(10)) == {2, 3}
    assert harness.pick(tried=(harness.server(2),)) is harness.server(3)


def test_a_failed_request_with_nobody_else_to_ask_tries_an_open_circuit() -> None:
    harness = broken()
    back, dead = harness.server(1), harness.server(2)
    assert harness.pick(tried=(dead,)) is dead, "just opened: not yet"
    harness.pool.release(dead, Outcome.CONNECT, 0.01)
    harness.advance(0.1)
    assert harness.pick(tried=(dead,)) is back
    assert harness.pool.pick(FACTS, (dead,)) is Unavailable.FULL, "others await the outcome"
    woken: list[bool] = []
    harness.pool.enqueue(lambda: woken.append(harness.pool.pick(FACTS, (dead,)) is back))
    harness.pool.release(back, Outcome.OK, 0.01)
    assert woken == [True]
    assert back.breaker.state is Circuit.CLOSED


def test_a_failed_early_trial_opens_the_circuit_anew() -> None:
    harness = broken()
    bad, dead = harness.server(1), harness.server(2)
    harness.advance(0.1)
    assert harness.pick(tried=(dead,)) is bad
    harness.pool.release(bad, Outcome.CONNECT, 0.01)
    assert bad.breaker.state is Circuit.OPEN
    assert harness.pick(tried=(dead,)) is dead, "no second trial at once"


def test_all_circuits_open_after_a_stall_close_with_the_first_answers() -> None:
    harness = Harness(3, breaker=CONFIG.model_dump(), outliers={"consecutive": 0})
    for number in (1, 2, 3):
        harness.fail(harness.server(number), 4, Outcome.TIMEOUT)
    assert harness.unavailable() is Unavailable.DOWN
    harness.advance(0.1)
    first = harness.serve()
    assert first.breaker.state is Circuit.CLOSED
    assert set(harness.numbers(5)) == {harness.pool.servers.index(first) + 1}
    harness.advance(5)
    assert set(harness.numbers(9)) == {1, 2, 3}


def test_half_open_lets_one_request_through_and_a_good_answer_closes(capfd: pytest.CaptureFixture[str]) -> None:
    harness = broken(1)
    harness.advance(5)
    trial = harness.pick()
    assert harness.unavailable() is Unavailable.FULL
    woken: list[bool] = []
    harness.pool.enqueue(lambda: woken.append(harness.pool.pick(FACTS) is trial))
    harness.pool.release(trial, Outcome.OK, 0.01)
    assert woken == [True]
    assert harness.numbers(5) == [1] * 5
    told = [line.rsplit(maxsplit=1)[-1] for line in capfd.readouterr().err.splitlines() if "circuit" in line]
    assert told == ["opens", "again"]


def test_half_open_in_a_pool_costs_the_others_nothing() -> None:
    harness = broken(2)
    harness.advance(5)
    picks = [harness.pick() for _ in range(10)]
    assert picks.count(harness.server(1)) == 1
    harness.pool.release(harness.server(1), Outcome.RESET, 0.01)
    assert set(harness.numbers(10)) == {2}


def test_time_is_noticed_without_a_tick_when_all_are_down() -> None:
    harness = broken(1)
    harness.clock.now += 5
    assert harness.pick() is harness.server(1)


def test_client_aborts_say_nothing() -> None:
    harness = Harness(1, breaker=CONFIG.model_dump())
    harness.fail(harness.server(1), 50, Outcome.CLIENT_ABORT)
    assert harness.server(1).answered == 0
    harness.fail(harness.server(1), 3)
    assert harness.pick() is harness.server(1)
