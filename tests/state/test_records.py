"""The shared table of records: as a dictionary, when full, with several processes, and with one that dies in a change."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.state import records
from bascule.state.locks import make_locks
from bascule.state.records import HALF, Record, Records, RecordTooLargeError

LOCKS = make_locks()


def put(name: bytes, value: bytes, ends: float = 1e9) -> Callable[[Record], None]:
    return lambda record: record.update({name: (value, ends, False)})


def count(record: Record) -> int:
    number = int(record.get(b"n", (b"0", 0.0, False))[0]) + 1
    record[b"n"] = (b"%d" % number, 1e9, False)
    return number


KEYS = st.binary(max_size=6)


@given(st.lists(st.tuples(KEYS, st.binary(max_size=4), st.none() | st.binary(max_size=8)), max_size=40))
def test_as_a_dictionary(steps: list[tuple[bytes, bytes, bytes | None]]) -> None:
    table, model = Records(LOCKS, pages=4), dict[bytes, dict[bytes, bytes]]()
    for key, name, value in steps:
        if value is None:
            table.change(key, lambda record, name=name: record.pop(name, None), 0.0)
            model.setdefault(key, {}).pop(name, None)
        else:
            table.change(key, put(name, value), 0.0)
            model.setdefault(key, {})[name] = value
    for key, expected in model.items():
        assert {name: value for name, (value, _, _) in table.read(key).items()} == expected


def test_what_has_ended_goes_first_and_then_what_was_not_changed_for_longest() -> None:
    table = Records(LOCKS, pages=1)
    value = b"x" * (HALF // 5)
    table.change(b"old", put(b"v", value), 0.0)
    table.change(b"ended", put(b"v", value, ends=5.0), 0.0)
    for key in (b"a", b"b"):
        table.change(key, put(b"v", value), 0.0)
    table.change(b"c", put(b"v", value), 10.0)
    assert [bool(table.read(key)) for key in (b"old", b"ended", b"a", b"b", b"c")] == [True, False, True, True, True]
    table.change(b"d", put(b"v", value), 10.0)
    assert [bool(table.read(key)) for key in (b"old", b"a", b"b", b"c", b"d")] == [False, True, True, True, True]


def test_a_record_larger_than_its_page_stays_as_it_was() -> None:
    table = Records(LOCKS, pages=1)
    table.change(b"k", put(b"v", b"1"), 0.0)
    with pytest.raises(RecordTooLargeError, match="2048 bytes"):
        table.change(b"k", put(b"w", b"x" * HALF), 0.0)
    assert table.read(b"k") == {b"v": (b"1", 1e9, False)}


@pytest.mark.parametrize("pages", [0, 3, -4])
def test_the_number_of_pages_is_a_power_of_two(pages: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Records(LOCKS, pages)


def test_processes_count_together() -> None:
    table = Records(make_locks())
    children = []
    for _ in range(4):
        if not (child := os.fork()):
            for number in range(2_000):
                table.change(b"one" if number % 2 else b"%d" % number, count, 0.0)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert table.read(b"one")[b"n"][0] == b"4000"
    assert all(table.read(b"%d" % number)[b"n"][0] == b"4" for number in range(0, 2_000, 2))


def test_readers_see_whole_records_while_others_write() -> None:
    table = Records(make_locks(), pages=1)
    writer = os.fork()
    if not writer:
        for number in range(1_000_000):
            value = (b"%d" % number * 50, 1e9, False)
            table.change(b"k", lambda record, value=value: record.update({b"a": value, b"b": value}), 0.0)  # type: ignore[misc]
        os._exit(0)
    try:
        seen = set()
        end = time.monotonic() + 30
        while len(seen) < 50 and time.monotonic() < end:
            record = table.read(b"k")
            if record:
                assert record[b"a"] == record[b"b"]
                seen.add(record[b"a"][0])
        assert len(seen) == 50
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)


def test_a_process_killed_within_a_change_leaves_the_record_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Records(make_locks(), pages=1)
    for _ in range(3):
        table.change(b"k", count, 0.0)
    child = os.fork()
    if not child:
        # The new content is written, the number that makes it the page's is not.
        monkeypatch.setattr(records, "crc32", lambda content: os.kill(os.getpid(), signal.SIGKILL))
        records._TRIES = 0
        table._write(0, b"garbage" * 20)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert table.read(b"k")[b"n"][0] == b"3"
    holder = os.fork()
    if not holder:
        table._locks[0].take()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(holder, 0)
    assert table.change(b"k", count, 0.0) == 4, "the lock of the dead is taken over"
