"""Room for those who go first: a flood on a server that lets requests wait, and on one that works on all; no limit."""

from __future__ import annotations

from typing import Any

import pytest

from bascule.upstream import headroom
from bascule.upstream.pool import Outcome, ServerState, Unavailable
from tests.upstream.support import FACTS, Harness
from tests.upstream.test_adaptive import Simulation

WORK = 0.02
LIMIT = 12


class Flood(Simulation):
    """A server with a limit of 12 in calm, one client that goes first every 50 ms, and then many that ask at once."""

    def __init__(self, cores: int, workers: int = 1, crowded_from: float = 0.1) -> None:
        config = {"min": 2, "initial": LIMIT, "max": LIMIT}
        super().__init__(6, cores, lambda now: WORK, workers, **config)
        self.good: list[float] = []
        """Seconds that the client had to wait for each answer."""
        for pool in self.harness.workers:
            pool.crowded_from = crowded_from
        self.come()
        self.run(5)
        self.good.clear()

    def begin(self, clients: int) -> None:
        workers = len(self.harness.workers)
        for client in range(clients):
            self.at(self.clock.now, lambda worker=client % workers: self.ask(worker))

    def come(self) -> None:
        asked = self.clock.now
        pool = self.harness.workers[0]

        def ask() -> None:
            server = pool.pick(FACTS)
            if server is Unavailable.FULL:
                assert pool.enqueue(ask, first=True)
                pool.serve_line()
                return
            assert isinstance(server, ServerState)
            begun = self.clock.now
            self.busy.sort()
            free = max(begun, self.busy.pop(0))
            self.busy.append(free + WORK)
            self.busy.sort()

            def answered() -> None:
                self.good.append(self.clock.now - asked)
                pool.release(server, Outcome.OK, self.clock.now - begun)

            self.at(free + WORK, answered)

        ask()
        self.at(self.clock.now + 0.05, self.come)


@pytest.mark.parametrize("workers", [1, 2])
def test_who_goes_first_does_not_wait_behind_a_flood_from_its_beginning(workers: int) -> None:
    flood = Flood(4, workers)
    flood.begin(200)
    assert flood.run(0.5) >= 0.85 * 0.5 * 4 / WORK  # the server is not idle for that
    assert len(flood.good) >= 8
    assert sorted(flood.good)[-2] <= 2 * WORK + 0.001  # but for who came before the line was one
    assert flood.harness.server(1).limit >= LIMIT - 2  # it is no lower limit that does it


def test_a_server_that_works_on_all_is_in_full_use() -> None:
    flood = Flood(LIMIT)
    flood.begin(200)
    flood.run(0.3)
    served = flood.run(1)
    assert served >= 0.9 * LIMIT / WORK
    assert flood.harness.server(1).part == 1.0


def test_when_the_line_is_gone_all_have_all() -> None:
    flood = Flood(4)
    flood.begin(200)
    flood.run(0.5)
    assert headroom.limit(flood.harness.server(1)) < LIMIT
    flood.ask = lambda worker: None  # type: ignore[method-assign]
    for _ in range(100):  # who waits asks no more
        flood.run(0.1)
    assert flood.harness.pool.wait == 0.0
    assert headroom.limit(flood.harness.server(1)) == flood.harness.server(1).limit


@pytest.mark.parametrize("config", [{"max_connections": 6}, {"max_connections": 6, "adaptive": "detect"}])
def test_where_no_learned_limit_holds_all_have_all(config: dict[str, Any]) -> None:
    limit = config.pop("max_connections")
    harness = Harness([{"address": "10.0.0.1:80", "max_connections": limit}], **config)
    harness.pool.crowded_from = 0.01
    for _ in range(20):
        harness.serve()
    harness.advance(1)
    held = [harness.pick() for _ in range(limit)]
    woken: list[int] = []
    for number in range(30):
        assert harness.pool.enqueue(lambda number=number: woken.append(number))
    assert harness.pool.wait > 0.01
    harness.pool.release(held[0], Outcome.OK, 5.0)
    assert woken[:1] == [0]


def test_without_shedding_all_have_all() -> None:
    flood = Flood(4, crowded_from=0.0)
    flood.begin(200)
    flood.run(0.4)
    assert flood.harness.server(1).part == 1.0
    assert max(flood.good) > 2.5 * WORK
