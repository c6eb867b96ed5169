"""The board over processes: what one writes, the others see."""

from __future__ import annotations

import os
import random
import time
import traceback
from collections.abc import Callable

import pytest

from bascule.state.arena import MIN_SIZE, Arena
from bascule.upstream.board import MAX_DISCOVERED, Board, pool_slots
from bascule.upstream.pool import Outcome, PoolState, ServerState, Unavailable
from tests.upstream.support import FACTS, PlainArena, plan_of


def in_child(work: Callable[[], None]) -> None:
    """Run `work` in a forked process; its failed assertions fail the test."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def members(count: int, limit: int = 0) -> list[dict[str, object]]:
    return [{"address": f"10.0.0.{n}:80", "max_connections": limit} for n in range(1, count + 1)]


class Machine:
    """Two pools on a real arena; a `PoolState` may be made in any process."""

    def __init__(self, workers: int = 2, limit: int = 0) -> None:
        self.plans = [plan_of(members(2), name="other"), plan_of(members(3, limit), index=1)]
        self.workers = workers
        self.arena = Arena(max(MIN_SIZE, Board.size(self.plans, workers)))

    def board(self) -> Board:
        return Board(self.arena, self.plans, self.workers)

    def pool(self, worker: int, index: int = 1) -> PoolState:
        return PoolState(self.plans[index], self.board(), worker, time.monotonic, random.Random(worker))


def picked(pool: PoolState) -> ServerState:
    server = pool.pick(FACTS)
    assert isinstance(server, ServerState)
    return server


def test_workers_see_the_keeper_s_verdict_at_their_next_pick() -> None:
    machine = Machine()
    pool, other = machine.pool(0), machine.pool(0, 0)

    def keeper() -> None:
        machine.board().pools[1].set_flags(2, down=True, drain=False)

    in_child(keeper)
    assert {picked(pool).name for _ in range(12)} == {"http://10.0.0.1:80", "http://10.0.0.2:80"}
    assert len({picked(other) for _ in range(12)}) == 2


def test_an_ejection_reaches_the_other_worker() -> None:
    machine = Machine()
    pool = machine.pool(0)

    def worker() -> None:
        mine = machine.pool(1)
        for _ in range(5):
            mine.servers[0].active += 1
            mine.servers[0].picks += 1
            mine.release(mine.servers[0], Outcome.CONNECT, 0.1)

    in_child(worker)
    assert pool.servers[0] not in {picked(pool) for _ in range(12)}
    assert pool.servers[0].ejected


def test_connection_limits_hold_over_processes_and_a_successor_frees_what_the_dead_held() -> None:
    machine = Machine(limit=2)
    pool = machine.pool(0)

    def worker() -> None:
        mine = machine.pool(1)
        for _ in range(4):
            picked(mine)

    in_child(worker)  # dies with four requests in progress
    picked(pool), picked(pool)
    assert pool.pick(FACTS) is Unavailable.FULL
    in_child(lambda: machine.pool(1) and None)
    assert [picked(pool) for _ in range(4)]
    assert pool.pick(FACTS) is Unavailable.FULL


def test_load_of_other_workers_shows_after_a_tick() -> None:
    machine = Machine()
    pool = machine.pool(0)

    def worker() -> None:
        mine = machine.pool(1)
        for _ in range(6):
            picked(mine)
        mine.tick(time.monotonic())

    in_child(worker)
    pool.tick(time.monotonic())
    assert [server.elsewhere for server in pool.servers] == [2, 2, 2]


def test_many_processes_fight_for_few_slots_and_never_share_one() -> None:
    """Four processes, three servers of one slot each: who holds a slot signs, and must find the signature again."""
    machine = Machine(workers=4, limit=1)
    holders = machine.arena.u64("holders", 3)
    served = machine.arena.u64("served", 4)

    def worker(index: int) -> None:
        pool = machine.pool(index)
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline or (not served[index] and time.monotonic() < deadline + 30):
            server = pool.pick(FACTS)
            if isinstance(server, ServerState):
                holders[server.slot] = index
                for _ in range(20):
                    assert holders[server.slot] == index
                served[index] += 1
                pool.release(server, Outcome.OK, 0.0)

    children = []
    for index in range(4):
        child = os.fork()
        if child == 0:
            try:
                worker(index)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * 4
    assert all(served)


def test_every_writer_changes_the_version() -> None:
    """Interleaved writers, a restarted one among them: no two values are alike, so no change is missed."""
    arena = PlainArena()
    plans = [plan_of(2)]
    boards = [Board(arena, plans, 3).pools[0] for _ in range(4)]
    seen = []
    for round_ in range(50):
        for writer, board in zip((-1, 0, 1, 2), boards, strict=True):
            board.announce(writer)
            seen.append(board.version[0])
        if round_ == 25:
            until = time.monotonic() + 0.002  # a process does not restart within a millisecond
            while time.monotonic() < until:
                pass
            boards[1] = Board(arena, plans, 3).pools[0]
    assert len(set(seen)) == len(seen)


def test_a_pool_with_discovery_has_room_for_members_to_come() -> None:
    assert pool_slots(plan_of([], discover={"dns": "a.example:80"})) == MAX_DISCOVERED
    assert pool_slots(plan_of(3)) == 3


@pytest.mark.parametrize("workers", [1, 16, 256])
def test_the_size_is_enough(workers: int) -> None:
    plans = [plan_of(3, index=n, name=f"p{n}") for n in range(40)]
    plans.append(plan_of([], index=40, discover={"dns": "a.example:80"}))
    board = Board(Arena(max(MIN_SIZE, Board.size(plans, workers))), plans, workers)
    board.pools[40].set_active(255, workers - 1, 7)
    assert board.pools[40].active(255) == 7
    assert all(pool.active(slot) == 0 for pool in board.pools[:40] for slot in range(3))
