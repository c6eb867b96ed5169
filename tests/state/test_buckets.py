"""The shared table of rate limits: the algorithm, what happens when it is full, several processes, a killed one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.state.buckets import HASH_MASK, Buckets
from bascule.state.locks import Lock, make_locks
from bascule.state.sets import MIN_KEYS, WAYS
from tests.support.pace import unless_stalled

LOCKS = make_locks()


def table(keys: int = MIN_KEYS) -> Buckets:
    return Buckets(keys, LOCKS)


def test_a_burst_and_then_the_rate() -> None:
    buckets = table()
    taken = [buckets.take(7, 0.1, 0.5, 100.0) for _ in range(6)]
    assert taken[:5] == pytest.approx([-0.4, -0.3, -0.2, -0.1, 0.0], abs=1e-9)
    assert taken[5] == pytest.approx(0.1), "the seconds until it would pass"
    assert buckets.take(7, 0.1, 0.5, 100.1001) <= 0
    assert buckets.take(7, 0.1, 0.5, 100.1002) > 0
    assert buckets.until(7) == pytest.approx(100.6)
    assert buckets.until(8) <= 100.0


@given(
    st.lists(st.tuples(st.floats(0, 0.3), st.integers(1, 3)), max_size=80),
    st.floats(0.001, 0.2),
    st.integers(1, 20),
)
def test_as_a_token_bucket(steps: list[tuple[float, int]], cost: float, burst: int) -> None:
    """GCRA admits what a token bucket of `burst` tokens that refills at 1/cost does."""
    buckets = table()
    now, tokens = 1000.0, float(burst)
    for pause, requests in steps:
        now += pause
        tokens = min(burst, tokens + pause / cost)
        for _ in range(requests):
            if abs(tokens - 1) < 1e-6:
                return  # decided by rounding
            admitted = buckets.take(1, cost, cost * burst, now) <= 0
            assert admitted == (tokens >= 1)
            tokens -= admitted


@pytest.mark.parametrize("inherits", [True, False])
def test_a_newcomer_to_a_full_table_inherits_only_where_it_is_to(inherits: bool) -> None:
    """Many clients a little below a ban must not have strangers banned."""
    buckets = Buckets(MIN_KEYS, LOCKS, inherits)
    for key in range(1, 64 * MIN_KEYS):
        buckets.charge(key * 2654435761 & HASH_MASK, 50.0, 1000.0, 100.0)
    strangers = [hash(f"stranger {number}") & HASH_MASK for number in range(20)]
    assert all(buckets.take(key, 1.0, 10.0, 100.0) > 0 for key in strangers) is inherits


def test_nobody_exceeds_its_limit_by_a_flood_of_other_keys() -> None:
    buckets = table()
    rng = random.Random(4)
    admitted = 0
    for step in range(20_000):
        now = 100 + step * 0.0005
        admitted += buckets.take(42, 0.1, 1.0, now) <= 0
        for _ in range(3):
            buckets.take(rng.getrandbits(62) & HASH_MASK | 1, 0.1, 1.0, now)
    assert admitted <= 10 + 10 / 0.1  # the burst, and ten seconds of the rate
    assert admitted > 50


def test_a_newcomer_to_a_full_set_takes_over_the_least_debt() -> None:
    buckets = table()
    keys = [number << 40 | 1 for number in range(1, WAYS + 2)]  # all of one set
    for count, key in enumerate(keys[:-1], 1):
        for _ in range(count):
            buckets.take(key, 1.0, 100.0, 50.0)
    assert buckets.take(keys[-1], 1.0, 100.0, 50.0) == pytest.approx(2.0 - 100.0)
    assert buckets.until(keys[0]) <= 50.0
    assert buckets.until(keys[1]) == 52.0


@pytest.mark.parametrize("keys", [0, MIN_KEYS - 1, 1 << 25])
def test_sizes(keys: int) -> None:
    with pytest.raises(ValueError, match="a table has"):
        Buckets(keys, LOCKS)


def _in_children(count: int, work: Callable[[], int]) -> list[int]:
    """Run `work` in that many processes at once; return what each of them counted."""
    pipes = []
    for _ in range(count):
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                os.write(write, str(work()).encode())
            finally:
                os._exit(0)
        os.close(write)
        pipes.append(read)
    found = []
    for read in pipes:
        with os.fdopen(read) as stream:
            found.append(int(stream.read()))
        os.wait()
    return found


@unless_stalled
def test_exact_between_processes() -> None:
    """Four processes take as fast as they can; at a standing clock exactly the burst is admitted, by all together."""
    buckets = table()

    def work() -> int:
        return sum(buckets.take(5, 0.001, 20.0005, 100.0) <= 0 for _ in range(20_000))

    assert 20_000 <= sum(_in_children(4, work)) <= 20_200  # a holder may have lost its core for longer than PATIENCE


def test_a_lock_whose_holder_was_killed() -> None:
    lock = Lock()
    pid = os.fork()
    if pid == 0:
        lock.take(False)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not lock.take(False)
    begun = time.monotonic()
    lock.wait()
    lock.give()
    assert time.monotonic() - begun < 20
    assert lock.take(False), "repaired"
    assert not lock.take(False)
    lock.give()
    with pytest.raises(ValueError, match="released too many times"):
        lock.give()  # one that was taken for dead gives it back too
    assert lock.take(False)
    assert not lock.take(False), "still only one has it"


def test_a_debt_that_another_machine_tells() -> None:
    buckets = table()
    buckets.take(5, 1.0, 10.0, 100.0)
    buckets.owe(5, 107.0)
    assert buckets.until(5) == 107.0
    buckets.owe(5, 103.0)
    assert buckets.until(5) == 107.0, "never less than is known here"
    assert buckets.take(5, 4.0, 10.0, 100.0) == pytest.approx(1.0)


def test_who_is_freed_without_having_been_held_takes_nobody_the_place() -> None:
    buckets = Buckets(MIN_KEYS, LOCKS, inherits=False)
    same_set = [(number << 20) + 64 for number in range(1, WAYS + 2)]
    for key in same_set[:WAYS]:
        buckets.hold(key, 500.0)
    buckets.hold(same_set[WAYS], 0.0)
    assert [buckets.until(key) for key in same_set] == [500.0] * WAYS + [0.0]


def test_pages_of_which_nobody_owes_anything_are_given_back() -> None:
    buckets = table(1 << 16)
    rng = random.Random(7)
    for _ in range(20_000):
        buckets.take(rng.getrandbits(62) | 1, 1.0, 10.0, 100.0)
    buckets.hold(12345, 500.0)
    held = sum(map(bool, buckets._pages.present()))
    assert buckets.give_back(100.5) == 0, "all are still in debt"
    assert buckets.give_back(102.0) == held - 3, "all but the tag and the time of one, and the numbers of changes"
    assert sum(map(bool, buckets._pages.present())) == 3
    assert buckets.until(12345) == 500.0
    assert buckets.take(99, 1.0, 1.0, 102.0) <= 0.0 < buckets.take(99, 1.0, 1.0, 102.0), "as good as new"
    assert buckets.give_back(103.0) == buckets.give_back(103.0) + 2


def test_looking_at_an_empty_or_small_table_makes_no_page() -> None:
    large, small = table(1 << 20), table()
    small.take(5, 1.0, 1.0, 100.0)
    assert large.give_back(1.0) == 0
    assert not any(large._pages.present())
    small.give_back(200.0)
    assert small.take(5, 1.0, 1.0, 100.0) <= 200.0


def test_who_comes_while_a_page_is_given_back_keeps_its_debt() -> None:
    """Another process charges a key of the page just before the last of the locks is had: it is looked at again."""

    class Contended(Lock):
        __slots__ = ()

        def __enter__(self) -> None:
            super().__enter__()
            if self is locks[-1]:
                buckets._tats[0] = 300.0

    locks = (*make_locks()[:-1], Contended())
    buckets = Buckets(1 << 12, locks)
    buckets.take(32, 1.0, 1.0, 100.0)
    assert buckets.give_back(200.0) == 0
    assert buckets._tats[0] == 300.0
    assert all(lock.take(False) for lock in locks), "all were given back"
