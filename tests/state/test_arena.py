"""The arena: named segments of shared numbers that outlive and cross forks."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from bascule.state.arena import MIN_SIZE, Arena, ArenaFullError


def in_child(action: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_segments_start_at_zero_and_hold_what_is_written() -> None:
    arena = Arena(MIN_SIZE)
    counters = arena.u64("counters", 3)
    times = arena.f64("times", 2)
    assert counters.tolist() == [0, 0, 0]
    counters[2] = 2**64 - 1
    times[0] = 0.25
    assert counters.tolist() == [0, 0, 2**64 - 1]
    assert times.tolist() == [0.25, 0.0]


def test_same_name_gives_same_segment() -> None:
    arena = Arena(MIN_SIZE)
    arena.u64("a", 2)[1] = 9
    assert arena.u64("a", 2)[1] == 9


@pytest.mark.parametrize("again", [lambda arena: arena.u64("a", 3), lambda arena: arena.f64("a", 2)])
def test_same_name_with_another_shape_is_refused(again: Callable[[Arena], object]) -> None:
    arena = Arena(MIN_SIZE)
    arena.u64("a", 2)
    with pytest.raises(ValueError, match="segment 'a' holds 2"):
        again(arena)


def test_segments_never_share_a_cache_line() -> None:
    arena = Arena(MIN_SIZE)
    first = arena.free()
    arena.u64("one", 1)
    assert first - arena.free() == 64


def test_full_arena_says_what_was_asked_and_what_is_left() -> None:
    arena = Arena(MIN_SIZE)
    left = arena.free()
    with pytest.raises(ArenaFullError, match=rf"{left + 8} bytes asked, {left} of {MIN_SIZE} left"):
        arena.u64("big", left // 8 + 1)
    assert arena.names() == []
    arena.u64("fits", left // 8)
    assert arena.free() == 0


def test_full_directory_says_so() -> None:
    arena = Arena(MIN_SIZE)
    names = [f"{number:>500}" for number in range(MIN_SIZE // 8 // 500)]
    for name in names[:-1]:
        arena.u64(name, 1)
    with pytest.raises(ArenaFullError, match="no room for the name"):
        arena.u64(names[-1], 1)


def test_segment_made_before_the_fork_is_shared() -> None:
    arena = Arena(MIN_SIZE)
    counters = arena.u64("counters", 1)

    def child() -> None:
        counters[0] = 7

    in_child(child)
    assert counters[0] == 7


def test_segment_made_after_the_fork_is_the_same_one_in_every_process() -> None:
    arena = Arena(MIN_SIZE)

    def first() -> None:
        arena.u64("only first", 1)
        arena.u64("both", 1)[0] = 5

    def second() -> None:
        arena.u64("only second", 1)
        arena.u64("both", 1)[0] += 1

    in_child(first)
    in_child(second)
    assert arena.u64("both", 1)[0] == 6
    assert arena.names() == ["only first", "both", "only second"]


def test_process_killed_while_holding_the_lock_blocks_nobody() -> None:
    arena = Arena(MIN_SIZE)

    def dies_in_the_middle() -> None:
        arena._append = lambda *_: os._exit(0)  # type: ignore[method-assign]
        arena.u64("a", 1)

    in_child(dies_in_the_middle)
    assert arena.u64("b", 1)[0] == 0
    assert arena.names() == ["b"]


@pytest.mark.parametrize("bad", [lambda: Arena(100), lambda: Arena(MIN_SIZE).u64("a", 0)])
def test_impossible_sizes_are_refused(bad: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="at least"):
        bad()
