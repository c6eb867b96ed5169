"""When memory is given back."""

from __future__ import annotations

from mmap import PAGESIZE
from pathlib import Path

import pytest

from bascule.proxy.trimming import CROWD, REST, Trimmer


@pytest.mark.parametrize(
    ("clients", "times"),
    [
        ((0, 10, CROWD - 1, 0), 0),
        ((CROWD, CROWD // 2, CROWD // 2), 0),
        ((CROWD, 0), 0),
        ((CROWD, 0, 0, 0), 1),
        ((CROWD, CROWD // 4, CROWD // 8, 0), 1),
        ((4 * CROWD, CROWD, CROWD, 0, 0), 2),
        ((CROWD, 0, 0, CROWD, 0, 0), 2),
    ],
)
def test_memory_is_given_back_a_second_after_a_crowd_has_gone(clients: tuple[int, ...], times: int) -> None:
    given: list[bool] = []
    trimmer = Trimmer(give_back=lambda: given.append(True))
    for count in clients:
        trimmer.every_second(count)
    assert len(given) == times


def test_the_c_library_gives_back() -> None:
    held = [bytes(2000) for _ in range(20_000)]  # too large for Python's own allocator
    last = held[-1]  # above the free ones, which the library keeps for it
    full = resident()
    del held
    trimmer = Trimmer()
    for clients in (CROWD, 0, 0):
        trimmer.every_second(clients)
    assert last
    assert resident() < full - (20 << 20)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (110, []),
        (111, [11]),
    ],
)
def test_what_is_kept_is_told_a_minute_after_a_crowd(after: int, told: list[int]) -> None:
    heard: list[int] = []
    size = 100
    trimmer = Trimmer(heard.append, 10, lambda: None, lambda: size)
    for clients in (0, 10, CROWD, CROWD):
        trimmer.every_second(clients)
    size = after
    for _ in range(REST):
        trimmer.every_second(10)
    assert heard == []
    for _ in range(2):
        trimmer.every_second(10)
    assert heard == told
    for _ in range(REST):
        trimmer.every_second(10)
    assert heard == 2 * told, "again, in case that nobody could do anything about it"


def test_nothing_is_told_while_a_crowd_is_there_or_while_somebody_would_be_cut_off() -> None:
    heard: list[int] = []
    size = 100
    trimmer = Trimmer(heard.append, 10, lambda: None, lambda: size)
    trimmer.every_second(0)
    size = 200
    for _ in range(3):
        for clients in (CROWD, *[CROWD] * 2 * REST, *[0] * (REST - 2)):
            trimmer.every_second(clients)
    assert heard == []
    trimmer.every_second(CROWD)
    for _ in range(2 * REST):
        trimmer.every_second(0, lambda: False)
    assert heard == []
    for _ in range(REST):
        trimmer.every_second(0)
    assert heard == [100]


def test_what_a_process_has_grown_by_without_a_crowd_is_not_kept_of_one() -> None:
    heard: list[int] = []
    sizes = iter(range(0, 10_000, 5))
    trimmer = Trimmer(heard.append, 1000, lambda: None, lambda: next(sizes))
    for clients in (*[10] * 500, CROWD, *[0] * 3 * REST):
        trimmer.every_second(clients)
    assert heard == []


def test_what_the_first_crowd_warms_is_not_kept_of_it() -> None:
    """Else each renewal would bring the next one: the new process is cold when the next crowd comes."""
    heard: list[int] = []
    size = 100
    trimmer = Trimmer(heard.append, 10, lambda: None, lambda: size, warmth=20)
    for after, told in ((130, []), (140, []), (151, [11])):  # 20 are of being warm; then 10 may be kept of each crowd
        for clients in (0, CROWD):
            trimmer.every_second(clients)
        size = after
        for _ in range(REST + 2):
            trimmer.every_second(0)
        assert heard == told


def resident() -> int:
    """Return how many bytes of this process are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGESIZE
