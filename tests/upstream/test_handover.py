"""What is known of servers survives a reload, however pools, slots and workers change."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from bascule.config.plan import PoolPlan
from bascule.upstream.adaptive import WORDS
from bascule.upstream.board import Board
from bascule.upstream.handover import record, restore
from bascule.upstream.pool import PoolState
from bascule.upstream.server import server_key
from tests.upstream.support import Harness, PlainArena, plan_of

A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"


def handed_over(harness: Harness, plan: PoolPlan, workers: int = 1) -> Board:
    """A board with the standing of the harness's servers; it came the way of an upgrade, which is the longer one."""
    board = Board(PlainArena(), [plan], workers)
    restore(json.loads(json.dumps(record(harness.board, [harness.plan]))), board, [plan])
    return board


def after_reload(harness: Harness, servers: Any, workers: int = 1, name: str = "pool", **config: Any) -> PoolState:
    plan = plan_of(servers, name=name, **config)
    board = handed_over(harness, plan, workers)
    return [PoolState(plan, board, index, harness.clock, random.Random(1)) for index in range(workers)][-1]


def usable(pool: PoolState) -> list[str]:
    return [str(server.origin.address) for server in pool.servers if server.alive]


@pytest.mark.parametrize(
    ("servers", "left"),
    [([A, B, C], [A, C]), ([C, B, A], [C, A]), ([A, C], [A, C]), (["10.0.0.9:80", B], ["10.0.0.9:80"])],
)
def test_a_server_that_is_down_stays_down(servers: list[str], left: list[str]) -> None:
    harness = Harness([A, B, C], health="/")
    harness.down(2)
    assert usable(after_reload(harness, servers, health="/")) == left


def test_down_is_forgotten_where_nobody_checks_any_more() -> None:
    harness = Harness([A, B], health="/")
    harness.down(2)
    assert usable(after_reload(harness, [A, B])) == [A, B]
    assert usable(after_reload(harness, [A, B], name="other", health="/")) == [A, B]


@pytest.mark.parametrize("health", ["/", None])
def test_an_operators_drain_holds_over_a_reload(health: str | None) -> None:
    checked = {"health": health} if health else {}
    harness = Harness([A, B], **checked)
    harness.flags.set_flags(1, down=False, drain=True)
    after = after_reload(harness, [C, B], **checked)
    assert [server.draining for server in after.servers] == [False, True]
    assert after_reload(harness, [C, A], **checked).servers[1].draining is False


@pytest.mark.parametrize("words", [WORDS - 1, WORDS, WORDS + 1])
def test_another_programs_measure_of_a_server_is_taken_over_where_it_is_the_same(words: int) -> None:
    plan = plan_of([A], adaptive=True)
    recorded = record(Harness([A], adaptive=True).board, [plan])
    recorded["pool"]["servers"][0]["learned"] = [7.0] * words
    board = Board(PlainArena(), [plan], 1)
    restore(recorded, board, [plan])
    assert board.pools[0].learned(0).tolist() == [7.0 if words == WORDS else 0.0] * WORDS


@pytest.mark.parametrize("workers", [1, 3])
def test_an_ejected_server_stays_ejected_until_its_time(workers: int) -> None:
    harness = Harness([A, B], workers=2, breaker={"enabled": False})
    harness.fail(harness.server(1), 5)
    after = after_reload(harness, [B, A], workers=workers)
    assert usable(after) == [B]
    harness.clock.now += 10
    after.tick(harness.clock.now)
    assert usable(after) == [B, A]


def test_a_server_that_came_back_goes_on_to_start_slowly() -> None:
    harness = Harness([A, B], workers=2, breaker={"enabled": False}, slow_start=100)
    harness.fail(harness.server(1), 5)
    harness.advance(10)
    assert usable(harness.pool) == [A, B], "its ejection is over"
    harness.advance(50)
    after = after_reload(harness, [A, B], slow_start=100)
    shares = [server.share for server in after.servers]
    assert shares == [server.share for server in harness.pool.servers]
    assert shares[0] < 0.8 < shares[1]
    harness.clock.now += 50
    after.tick(harness.clock.now)
    assert after.servers[0].share == after.servers[1].share


def test_a_server_that_checks_found_up_again_goes_on_to_start_slowly() -> None:
    harness = Harness([A, B], health="/", slow_start=100)
    harness.flags.back[0] = harness.clock.now - 50
    after = after_reload(harness, [B, A], health="/", slow_start=100)
    assert [server.share for server in after.servers] == [1.0, 0.5]


def test_discovered_members_keep_slot_and_standing() -> None:
    discover = {"file": "/dev/null"}
    harness = Harness([], discover=discover, health="/")
    harness.flags.keys[7] = key = server_key(plan_of([B]).config.servers[0].address)
    harness.flags.set_flags(7, down=True, drain=False)
    plan = plan_of([], discover=discover, health="/")
    board = handed_over(harness, plan)
    assert board.pools[0].keys[7] == key
    assert board.pools[0].is_down(7)
