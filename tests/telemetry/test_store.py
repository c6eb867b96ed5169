from __future__ import annotations

import os

import pytest

from bascule.state.arena import Arena, ArenaFullError
from bascule.telemetry import store
from bascule.telemetry.store import OTHER, Block, Directory, used_slots


@pytest.fixture
def arena() -> Arena:
    return Arena(16 << 20)


def directory(arena: Arena, capacity: int = 1000) -> Directory:
    return Directory(arena, "d.", 40, capacity, set(arena.names()))


def test_a_name_leads_to_the_same_words_again(arena: Arena) -> None:
    first = directory(arena)
    for number in range(100):
        first.series(f"site\nroute {number}")[39] = number
    again = directory(arena)
    for number in range(100):
        assert again.series(f"site\nroute {number}")[39] == number
    assert len(list(again.entries())) == 101
    assert next(again.entries())[0] == OTHER


def test_names_beyond_the_capacity_are_counted_together(arena: Arena) -> None:
    names = directory(arena, capacity=40)
    for number in range(100):
        names.series(f"n{number}")[39] += 1
    found = {name: words[39] for name, words in names.entries()}
    assert len(found) == 40
    assert found[OTHER] == 61
    assert found["n0"] == found["n38"] == 1


def test_an_arena_without_room_counts_together_too() -> None:
    arena = Arena(1 << 16)
    names = directory(arena)
    for number in range(1000):
        names.series(f"n{number}")[39] += 1
    found = {name: words[39] for name, words in names.entries()}
    assert sum(found.values()) == 1000
    assert found[OTHER] > 500
    with pytest.raises(ArenaFullError):
        Directory(arena, "e.", 1000, 10, set()).series("x")


@pytest.mark.parametrize("name", ["x" * 1000, "é" * 200, "😀" * 100, "\ud800bad", ""])
def test_names_of_any_kind_stay_one_series(arena: Arena, name: str) -> None:
    names = directory(arena)
    names.series("neighbour")[39] = 7
    names.series(name)[39] += 1
    names.series(name)[39] += 1
    again = directory(arena)
    again.series(name)[39] += 1
    assert again.series(name)[39] == 3
    assert again.series("neighbour")[39] == 7
    assert len(list(again.entries())) == 3


def test_keep_makes_room_only_when_needed(arena: Arena) -> None:
    names = directory(arena, capacity=40)
    for number in range(20):
        names.series(f"n{number}")[39] = 1
    names.keep({"n1"})
    assert names.series("n1")[39] == 1
    for number in range(40):
        names.series(f"n{number}")[39] = 1
    names.keep({f"n{number}" for number in range(40)})
    assert names.series("n1")[39] == 1
    names.keep({"n1"})
    assert list(names.entries()) == []
    assert names.series("n1")[39] == 0


def test_blocks_are_seen_by_processes_forked_before(arena: Arena) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            block = Block(arena, 3)
            block.words[store.PID] = 1
            block.routes.series("s\nr")[store.BYTES_IN] = 42
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert used_slots(arena) == [3]
    assert dict(Block(arena, 3).routes.entries())["s\nr"][store.BYTES_IN] == 42


def test_hundreds_of_workers_fit_into_an_arena() -> None:
    arena = Arena(64 << 20)
    for slot in range(512):
        Block(arena, slot).routes.series("s\nr")
        Block(arena, slot).servers.series("p\ns")
    assert len(used_slots(arena)) == 512
