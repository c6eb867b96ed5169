"""What the tests of upstream/ share: a clock to turn, an arena in plain memory, a request, a pool."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from bascule.config.plan import PoolPlan
from bascule.config.pools import Pool
from bascule.upstream.board import Board
from bascule.upstream.pool import Outcome, PoolState, ServerState, Unavailable


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class PlainArena:
    """Named segments in the memory of this process."""

    def __init__(self) -> None:
        self._segments: dict[str, memoryview] = {}

    def u64(self, name: str, count: int) -> memoryview:
        return self._segments.setdefault(name, memoryview(bytearray(8 * count)).cast("Q"))

    def f64(self, name: str, count: int) -> memoryview:
        return self._segments.setdefault(name, memoryview(bytearray(8 * count)).cast("d"))


@dataclass
class Facts:
    """A request."""

    client: bytes = b"192.0.2.1"
    target: bytes = b"/"
    headers: dict[bytes, bytes] = field(default_factory=dict)
    cookies: dict[bytes, bytes] = field(default_factory=dict)

    def header(self, name: bytes) -> bytes | None:
        return self.headers.get(name)

    def cookie(self, name: bytes) -> bytes | None:
        return self.cookies.get(name)


FACTS = Facts()


def plan_of(servers: Any, name: str = "pool", index: int = 0, **config: Any) -> PoolPlan:
    """A plan; `servers` is a number of servers, or their list as in the configuration."""
    if isinstance(servers, int):
        servers = [f"10.0.0.{number}:80" for number in range(1, servers + 1)]
    return PoolPlan(index, name, Pool.model_validate({"servers": servers, **config}))


def weighted(*weights: int, **options: Any) -> list[dict[str, Any]]:
    """Servers with these weights."""
    return [{"address": f"10.0.0.{n}:80", "weight": w, **options} for n, w in enumerate(weights, 1)]


class Harness:
    """A pool with its clock and board, in one or more workers."""

    def __init__(self, servers: Any, workers: int = 1, seed: int = 1, **config: Any) -> None:
        self.clock = Clock()
        self.plan = plan_of(servers, **config)
        self.board = Board(PlainArena(), [self.plan], workers)
        self.flags = self.board.pools[0]
        self.workers = [
            PoolState(self.plan, self.board, index, self.clock, random.Random(seed + index)) for index in range(workers)
        ]
        self.pool = self.workers[0]

    def server(self, number: int, worker: int = 0) -> ServerState:
        return self.workers[worker].servers[number - 1]

    def pick(self, facts: Facts = FACTS, tried: tuple[ServerState, ...] = (), worker: int = 0) -> ServerState:
        """Pick a server; there must be one."""
        found = self.workers[worker].pick(facts, tried)
        assert isinstance(found, ServerState), found
        return found

    def serve(self, facts: Facts = FACTS, outcome: Outcome = Outcome.OK, latency: float = 0.01) -> ServerState:
        """Pick a server and end the request at once."""
        server = self.pick(facts)
        self.pool.release(server, outcome, latency)
        return server

    def fail(self, server: ServerState, times: int = 1, outcome: Outcome = Outcome.CONNECT) -> None:
        """Let requests on this very server fail."""
        for _ in range(times):
            server.active += 1
            server.picks += 1
            self.pool.release(server, outcome, 0.01)

    def numbers(self, count: int) -> list[int]:
        """The servers (1, 2, ...) of that many requests one after another."""
        return [self.pool.servers.index(self.serve()) + 1 for _ in range(count)]

    def down(self, number: int, down: bool = True) -> None:
        """What the keeper does when checks fail."""
        slot = self.server(number).slot
        self.flags.set_flags(slot, down=down, drain=self.flags.is_drained(slot), weight=self.flags.weight(slot))

    def advance(self, seconds: float) -> None:
        """Let time pass, and every worker notice."""
        self.clock.now += seconds
        for pool in self.workers * 2:  # twice, so that all see what all published
            pool.tick(self.clock.now)

    def unavailable(self) -> Unavailable:
        found = self.pool.pick(FACTS)
        assert isinstance(found, Unavailable)
        return found
