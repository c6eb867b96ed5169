"""Accounts of bytes and time, and tallies of what is in progress, shared by processes."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from bascule.state.ledger import PAUSE, Ledger
from bascule.state.locks import make_locks
from bascule.state.sets import WAYS
from bascule.state.tallies import NOWHERE, Tallies


def forked(*work: Callable[[], None]) -> None:
    """Run each in a process of its own."""
    pids = []
    for part in work:
        pid = os.fork()
        if not pid:
            try:
                part()
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0


def colliding(count: int) -> list[int]:
    """Keys of one set."""
    return [5 << 2 | number << 40 for number in range(1, count + 1)]


def test_processes_count_together_and_exactly() -> None:
    ledger = Ledger(1024, make_locks())

    def work() -> None:
        for _ in range(5000):
            ledger.charge(77, 1, 3, 100.0)

    forked(work, work, work)
    assert ledger.used(77, 1) == (45000.0, 0.0)


def test_time_counts_between_transfers_but_not_over_a_pause() -> None:
    ledger = Ledger(1024, make_locks())
    for now in (1000.0, 1010.0, 1010.0, 1005.0, 1015.0):
        ledger.charge(7, 1, 0, now)
    assert ledger.used(7, 1)[1] == 15.0
    assert ledger.charge(7, 1, 0, 1015.0 + PAUSE + 1)[1] == 15.0
    assert ledger.charge(7, 1, 0, 1015.0 + PAUSE + 2)[1] == 16.0


def test_a_new_period_begins_at_nothing() -> None:
    ledger = Ledger(1024, make_locks())
    ledger.charge(7, 1, 10, 1.0)
    assert ledger.used(7, 2) == (0.0, 0.0)
    assert ledger.charge(7, 2, 4, 2.0)[0] == 4.0
    assert ledger.used(7, 1) == (0.0, 0.0)


def test_what_was_counted_before_is_added_once() -> None:
    ledger = Ledger(1024, make_locks())
    assert [ledger.claim(), ledger.claim()] == [True, False]
    ledger.charge(7, 1, 10, 1.0)
    ledger.restore(7, 1, 90, 5.0)
    assert ledger.used(7, 1) == (100.0, 5.0)


def test_a_full_set_gives_up_the_past_and_then_the_least() -> None:
    ledger = Ledger(1024, make_locks())
    keys = colliding(WAYS + 2)
    for size, key in enumerate(keys[:WAYS], 1):
        ledger.charge(key, 1 if size == WAYS else 2, size, 1.0)
    ledger.charge(keys[WAYS], 2, 100, 1.0)  # in the place of the one of period 1
    assert ledger.used(keys[WAYS - 1], 1) == (0.0, 0.0)
    ledger.charge(keys[WAYS + 1], 2, 100, 1.0)  # in the place of the one with 1 byte
    assert [ledger.used(key, 2)[0] for key in keys] == [0.0, *range(2, WAYS), 0.0, 100.0, 100.0]


def test_no_more_than_the_most_in_progress() -> None:
    tallies = Tallies(1024, 2, make_locks())
    first, second = tallies.enter(7, 0, 2), tallies.enter(7, 1, 2)
    assert first is not None
    assert first == second
    assert tallies.enter(7, 0, 2) is None
    tallies.leave(first, 0)
    assert tallies.enter(7, 1, 2) is not None


def test_columns_of_those_who_are_gone_are_cleared() -> None:
    tallies = Tallies(1024, 2, make_locks())
    if not (pid := os.fork()):
        tallies.enter(7, tallies.claim(), 2)
        tallies.enter(7, 0, 2)
        os._exit(0)
    os.waitpid(pid, 0)
    assert tallies.enter(7, 1, 2) is None  # it died with two
    assert tallies.claim() == 0
    assert tallies.enter(7, 0, 2) is not None
    assert tallies.claim() == 1
    column = tallies.claim()
    assert column == NOWHERE  # there are two, and both live
    place = tallies.enter(7, column, 1)
    assert place == NOWHERE
    tallies.leave(NOWHERE, column)


def test_keys_without_a_place_are_not_counted_and_places_are_used_again() -> None:
    tallies = Tallies(1024, 1, make_locks())
    keys = colliding(WAYS + 1)
    places = [tallies.enter(key, 0, 1) for key in keys]
    assert places[-1] == NOWHERE
    assert places[0] is not None
    tallies.leave(places[0], 0)
    assert tallies.enter(keys[-1], 0, 1) == places[0]
    tallies.leave(NOWHERE, 0)


@pytest.mark.parametrize("keys", [1, 1 << 30])
def test_sizes(keys: int) -> None:
    with pytest.raises(ValueError, match="keys, not"):
        Ledger(keys, make_locks())
    with pytest.raises(ValueError, match="keys, not"):
        Tallies(keys, 1, make_locks())
