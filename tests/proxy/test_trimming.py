"""When memory is given back."""

from __future__ import annotations

from mmap import PAGESIZE
from pathlib import Path

import pytest

from bascule.proxy.trimming import CROWD, Trimmer


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
    trimmer = Trimmer(lambda: given.append(True))
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


def resident() -> int:
    """Return how many bytes of this process are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGESIZE
