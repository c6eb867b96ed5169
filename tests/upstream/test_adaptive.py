"""Adaptive concurrency: single windows by table, whole servers by simulation, and two workers that learn together."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from bascule.config.pools import Adaptive, Pool
from bascule.upstream.adaptive import HORIZON, LONGEST, WORDS, AdaptiveLimit
from bascule.upstream.handover import record, restore
from bascule.upstream.keeper import UpstreamKeeper
from bascule.upstream.pool import Outcome, ServerState, Unavailable
from tests.upstream.support import FACTS, Clock, Harness

OK, TIMEOUT, ABORT = Outcome.OK, Outcome.TIMEOUT, Outcome.CLIENT_ABORT


def words() -> memoryview[float]:
    return memoryview(bytearray(8 * WORDS)).cast("d")  # type: ignore[return-value]


class Learner:
    """A limit with its clock."""

    def __init__(self, shared: memoryview[float] | None = None, most: int = 0, **config: Any) -> None:
        self.now = 1000.0
        self.limit = AdaptiveLimit(Adaptive(**config), words() if shared is None else shared, most)

    def window(self, latency: float, busy: int, outcome: Outcome = OK, count: int = 20, others: int = 0) -> int:
        """Let a window pass with `count` answers like this, and `others` good ones of 10 ms."""
        self.now += 0.25
        for number in range(count + others):
            if number < count:
                self.limit.take(outcome, latency, busy, self.now)
            else:
                self.limit.take(OK, 0.01, busy, self.now)
        self.limit.update(self.now)
        self.now += 0.5
        self.limit.update(self.now)
        return self.limit.learned


@pytest.mark.parametrize(
    ("latency", "busy", "outcome", "expected"),
    [
        (0.010, 100, OK, 110),  # in use and quick: the square root more
        (0.015, 100, OK, 110),  # half as slow again is tolerated
        (0.010, 49, OK, 100),  # not in use: nothing is learned about more
        (0.030, 100, OK, 60),  # twice of what is tolerated: the gradient is a half
        (0.030, 20, OK, 60),  # slow without our doing: less all the same
        (9.000, 100, OK, 60),  # no window does worse than that
        (0.500, 100, TIMEOUT, 90),  # failures: a tenth less
        (0.001, 100, ABORT, 100),  # who goes at once says nothing
        (0.030, 100, ABORT, 60),  # who went after that long had to wait
    ],
)
def test_a_window(latency: float, busy: int, outcome: Outcome, expected: int) -> None:
    learner = Learner(initial=100)
    learner.window(0.010, 1)
    assert learner.limit.learned == 100
    assert learner.window(latency, busy, outcome) == expected


def test_a_failure_among_ten_is_borne() -> None:
    learner = Learner(initial=100)
    learner.window(0.010, 1)
    assert learner.window(0.5, 100, TIMEOUT, count=2, others=18) == 110
    assert learner.window(0.5, 100, TIMEOUT, count=3, others=17) == 99


def test_few_answers_make_no_window_until_it_was_long() -> None:
    learner = Learner(initial=100)
    learner.window(0.010, 1)
    assert learner.window(0.010, 100, count=9) == 100
    for _ in range(8):
        learner.now += 0.5
        learner.limit.update(learner.now)
        assert learner.limit.learned == 100
    learner.now += 0.5
    learner.limit.update(learner.now)
    assert learner.limit.learned == 110


def test_it_stays_within_its_bounds() -> None:
    learner = Learner(min=8, initial=20, max=40)
    learner.window(0.010, 1)
    assert [learner.window(0.010, 1000) for _ in range(9)][-1] == 40
    assert [learner.window(9.0, 1000, TIMEOUT) for _ in range(40)][-1] == 8
    assert Learner(most=3).limit.learned == 3


def test_a_server_that_became_slower_for_good_is_measured_anew() -> None:
    """At a third of the limit for one window, then on with what that showed."""
    learner = Learner(initial=400, min=1)
    learner.window(0.010, 400)
    for _ in range(10):
        learner.window(0.100, 400)
    low = learner.limit.learned
    assert low < 20
    learner.now += HORIZON
    assert learner.window(0.100, low) == low // 3
    learner.window(0.100, low // 3)
    assert learner.limit.learned == low
    assert learner.window(0.100, low) > low


def test_a_server_at_its_least_is_measured_as_it_is() -> None:
    learner = Learner(initial=4)
    learner.window(0.010, 4)
    learner.now += HORIZON
    assert [learner.window(0.1, 4), learner.window(0.1, 4), learner.window(0.1, 4)] == [4, 4, 6]


def test_an_idle_server_is_measured_without_any_ado() -> None:
    learner = Learner(initial=100)
    learner.window(0.010, 1)
    learner.now += HORIZON + 1
    assert learner.window(0.1, 1) == 100
    assert learner.window(0.1, 100) == 110


def test_workers_learn_together_and_one_at_a_time() -> None:
    shared = words()
    first, second = Learner(shared, initial=100), Learner(shared, initial=100)
    first.window(0.010, 1)
    second.now = first.now = 1010.0
    assert first.window(0.010, 100) == 110
    assert second.limit.learned == 110
    assert second.window(0.010, 100) == 110  # the same window: it was taken into account
    second.now += 0.1
    assert second.window(0.010, 110) == 120


def test_a_worker_that_dies_while_it_measures_leaves_no_half_limit_behind() -> None:
    shared = words()
    first = Learner(shared, initial=100)
    first.window(0.010, 100)
    first.now += HORIZON
    assert first.window(0.010, 100) == 33
    second = Learner(shared, initial=100)
    second.now = first.now
    assert second.window(0.010, 33) == 33
    second.now += 10.0
    assert [second.window(0.010, 33) for _ in range(3)] == [11, 33, 39]


def test_a_measurement_ends_even_if_nobody_asks() -> None:
    learner = Learner(initial=100)
    learner.window(0.010, 1)
    learner.now += HORIZON
    assert learner.window(0.010, 100) == 33
    learner.now += LONGEST * 0.5
    learner.limit.update(learner.now)
    assert learner.limit.learned == 100


def test_a_measurement_that_ends_too_late_overrules_nobody() -> None:
    shared = words()
    first, second = Learner(shared, initial=100), Learner(shared, initial=100)
    first.window(0.010, 1)
    first.now += HORIZON
    assert first.window(0.010, 100) == 33
    first.now += HORIZON
    second.now = first.now
    assert second.window(0.500, 33, TIMEOUT) == 30
    assert first.window(0.010, 30) == 30


def test_what_was_learned_under_other_bounds_is_kept_within_the_new_ones() -> None:
    shared = words()
    Learner(shared, initial=100).window(0.010, 1)
    assert Learner(shared, initial=40, max=40).limit.learned == 40
    assert Learner(shared, min=150, initial=150).limit.learned == 150


def test_what_was_asked_before_a_measurement_does_not_count_in_it() -> None:
    learner = Learner(initial=100)
    learner.window(0.010, 1)
    learner.now += HORIZON
    learner.window(0.500, 100)
    for _ in range(20):
        learner.limit.take(OK, 1.0, 100, learner.now)
    learner.window(0.010, 33, count=10)
    assert learner.limit.learned == 100
    assert learner.window(0.010, 100) == 110


def test_detect_learns_and_holds_nobody() -> None:
    learner = Learner(mode="detect", initial=10)
    learner.window(0.010, 1)
    assert (learner.limit.learned, learner.limit.enforced) == (10, 0)
    assert Learner(mode="detect", most=7, initial=10).limit.enforced == 7


@pytest.mark.parametrize(
    "written", [{"min": 30}, {"max": 10}, {"min": 5, "initial": 4}, {"window": 0.1}, "off", {"x": 1}]
)
def test_what_makes_no_sense_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        Pool.model_validate({"servers": ["10.0.0.1:80"], "adaptive": written})


@pytest.mark.parametrize(("written", "mode"), [(True, "block"), ("detect", "detect"), ({"max": 50}, "block")])
def test_short_forms(written: Any, mode: str) -> None:
    adaptive = Pool.model_validate({"servers": ["10.0.0.1:80"], "adaptive": written}).adaptive
    assert adaptive is not None
    assert adaptive.mode == mode


class Simulation:
    """Clients who ask one server again and again, through a pool in each of several workers.

    The server has `cores` that take `work` seconds for a request each: more at a time wait there.
    """

    def __init__(
        self, clients: int, cores: int, work: Callable[[float], float], workers: int = 1, **config: Any
    ) -> None:
        self.harness = Harness(1, workers=workers, adaptive=config or True, max_queue=10_000)
        self.clock: Clock = self.harness.clock
        self.cores, self.work = cores, work
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = 0
        self.busy: list[float] = [0.0] * cores
        self.peak = self.served = 0
        for client in range(clients):
            self.at(self.clock.now, lambda worker=client % workers: self.ask(worker))

    def at(self, time: float, do: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (time, self.number, do))

    def ask(self, worker: int) -> None:
        pool = self.harness.workers[worker]
        server = pool.pick(FACTS)
        if server is Unavailable.FULL:
            assert pool.enqueue(lambda: self.ask(worker))
            return
        assert isinstance(server, ServerState)
        self.peak = max(self.peak, sum(pool.servers[0].active for pool in self.harness.workers))
        begun = max(self.clock.now, heapq.heappop(self.busy))
        end = begun + self.work(begun)
        heapq.heappush(self.busy, end)
        asked = self.clock.now

        def answered() -> None:
            self.served += 1
            pool.release(server, OK, self.clock.now - asked)
            self.ask(worker)

        self.at(end, answered)

    def run(self, seconds: float) -> int:
        """Let time pass; return how many requests were served in it."""
        end, self.peak, before = self.clock.now + seconds, 0, self.served
        tick = self.clock.now
        while tick < end:
            tick += 0.1
            while self.events and self.events[0][0] <= tick:
                time, _, do = heapq.heappop(self.events)
                self.clock.now = max(self.clock.now, time)
                do()
            self.clock.now = tick
            for pool in self.harness.workers:
                pool.tick(tick)
        return self.served - before

    @property
    def limit(self) -> int:
        return self.harness.server(1).limit


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("cores", [5, 40])
def test_it_finds_what_a_server_can_do(cores: int, workers: int) -> None:
    """Many more clients than it has cores: full throughput, and no more waiting at the server than is tolerated."""
    simulation = Simulation(400, cores, lambda now: 0.02, workers)
    simulation.run(20)
    served = simulation.run(10)
    assert served > 0.9 * 10 * cores / 0.02
    assert simulation.peak <= 4 * cores + 4


def test_a_server_that_slows_down_is_not_buried() -> None:
    """A tenfold slower server gets a handful at a time, and all it can do again soon after it is well."""
    ill = (1030.0, 1060.0)
    simulation = Simulation(300, 20, lambda now: 0.2 if ill[0] <= now < ill[1] else 0.02)
    simulation.run(30)
    simulation.run(10)
    simulation.run(15)
    assert simulation.peak <= 40
    simulation.run(15)
    assert simulation.run(10) > 0.8 * 10 * 20 / 0.02


def test_the_cap_holds() -> None:
    simulation = Simulation(300, 100, lambda now: 0.02, 2, max=30, initial=30)
    simulation.run(20)
    assert simulation.peak == 30


def test_what_was_learned_is_shown_and_survives_a_reload() -> None:
    simulation = Simulation(200, 10, lambda now: 0.02)
    simulation.run(10)
    old, new = simulation.harness, Harness(1, adaptive=True)
    keeper = UpstreamKeeper(_whole(old), old.board, lambda *_: None, old.clock)
    keeper.pools["pool"].start(None)
    (shown,) = keeper.snapshot()["pool"]
    assert shown["limit"] == simulation.limit != 20
    assert old.pool.snapshot()[0]["limit"] == simulation.limit
    restore(record(old.board, [old.plan]), new.board, [new.plan])
    new.advance(0.1)
    assert new.server(1).limit == simulation.limit


def _whole(harness: Harness) -> Any:
    class Whole:
        pools = (harness.plan,)

    return Whole
