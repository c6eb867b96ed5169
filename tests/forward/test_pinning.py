"""When clients are let go that take no certificate of interception."""

from __future__ import annotations

from bascule.config.intercept import Pinning
from bascule.forward.pinning import MOST, Pins, let_go_memory

A, SHOP = "192.0.2.1", "shop.test"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pins(**config: float) -> tuple[Pins, Clock]:
    clock = Clock()
    return Pins(Pinning.model_validate(config), let_go_memory(), clock), clock


def test_all_workers_know_and_those_after_a_reload() -> None:
    memory, config = let_go_memory(), Pinning(attempts=1)
    first, second = Pins(config, memory), Pins(config, memory)
    assert first.rejected(A, SHOP)
    assert second.holds(A, SHOP)
    assert not second.rejected(A, SHOP)
    assert not Pins(Pinning(attempts=0), memory).holds(A, SHOP)  # no longer wanted


def test_let_go_after_some_tries_for_a_while() -> None:
    found, clock = pins(attempts=3, **{"for": 100})
    assert [found.rejected(A, SHOP) for _ in range(3)] == [False, False, True]
    assert found.holds(A, SHOP)
    assert not found.holds(A, "other.test")
    assert not found.holds("192.0.2.2", SHOP)
    clock.now = 101
    assert not found.holds(A, SHOP)
    assert [found.rejected(A, SHOP) for _ in range(3)] == [False, False, True]


def test_tries_of_long_ago_and_before_a_success_do_not_count() -> None:
    found, clock = pins(attempts=2, within=10)
    found.rejected(A, SHOP)
    clock.now = 11
    assert not found.rejected(A, SHOP)
    found.accepted(A, SHOP)
    assert not found.rejected(A, SHOP)
    assert found.rejected(A, SHOP)


def test_never() -> None:
    found, _ = pins(attempts=0)
    assert not any(found.rejected(A, SHOP) for _ in range(10))


def test_memory_is_bounded() -> None:
    found, _ = pins(attempts=2)
    for number in range(MOST + 10):
        found.rejected(A, f"{number}.test")
    assert len(found._counts) == MOST
    assert not found.rejected(A, "0.test")
