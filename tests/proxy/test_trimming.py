"""When memory is given back."""

from __future__ import annotations

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
    trimmer = Trimmer()
    trimmer.every_second(CROWD)
    trimmer.every_second(0)
    trimmer.every_second(0)
