"""Primaries and backups, zones, panic, drain, slow start."""

from __future__ import annotations

from collections import Counter

import pytest

from bascule.upstream.pool import Outcome, ServerState, Unavailable
from tests.upstream.support import FACTS, Harness

TIERS = ["10.0.0.1:80", "10.0.0.2:80", {"address": "10.0.0.3:80", "backup": True}]


def used(harness: Harness, count: int = 60) -> set[int]:
    return set(harness.numbers(count))


def test_backups_serve_only_while_no_primary_can() -> None:
    harness = Harness(TIERS)
    assert used(harness) == {1, 2}
    harness.down(1)
    assert used(harness) == {2}
    harness.down(2)
    assert used(harness) == {3}
    harness.down(1, False)
    assert used(harness) == {1}


def test_a_second_try_may_go_to_a_backup() -> None:
    harness = Harness(TIERS)
    assert harness.pick(FACTS, (harness.server(1), harness.server(2))) is harness.server(3)


def test_all_down_is_a_panic_and_panic_zero_means_down() -> None:
    harness = Harness(2)
    harness.down(1), harness.down(2)
    assert used(harness) == {1, 2}
    strict = Harness(2, outliers={"panic": 0})
    strict.down(1), strict.down(2)
    assert strict.unavailable() is Unavailable.DOWN
    strict.down(2, False)
    assert used(strict) == {2}


@pytest.mark.parametrize(("down", "panics"), [(7, False), (8, True)])
def test_below_the_threshold_the_load_goes_over_all(down: int, panics: bool) -> None:
    harness = Harness(10, outliers={"panic": 0.3})
    for number in range(1, down + 1):
        harness.down(number)
    assert used(harness) == (set(range(1, 11)) if panics else set(range(8, 11)))
    assert harness.pool.snapshot()[0]["panic"] is panics


def test_in_a_panic_a_second_try_goes_to_a_healthy_server() -> None:
    harness = Harness(4)
    for number in (1, 2, 3):
        harness.down(number)
    for _ in range(40):
        first = harness.pick()
        if first is not harness.server(4):
            assert harness.pick(tried=(first,)) is harness.server(4)


def test_an_empty_pool_is_down() -> None:
    assert Harness([{"address": "10.0.0.1:80", "weight": 0}]).unavailable() is Unavailable.DOWN


ZONES = [{"address": f"10.0.0.{n}:80", "locality": "a" if n <= 4 else "b"} for n in range(1, 9)]


@pytest.mark.parametrize(("down", "local"), [(0, 1.0), (1, 1.0), (2, 0.7), (3, 0.35)])
def test_the_own_zone_is_preferred_while_enough_of_it_is_healthy(down: int, local: float) -> None:
    harness = Harness(ZONES, locality="a")
    for number in range(1, down + 1):
        harness.down(number)
    counts = Counter(harness.numbers(4000))
    assert sum(counts[number] for number in range(1, 5)) / 4000 == pytest.approx(local, abs=0.01)


def test_a_zone_of_its_own_gone_or_never_there() -> None:
    harness = Harness(ZONES, locality="a")
    for number in range(1, 5):
        harness.down(number)
    assert used(harness) == {5, 6, 7, 8}
    assert used(Harness(ZONES, locality="c"), 80) == set(range(1, 9))


def test_a_full_zone_overflows_into_the_next() -> None:
    servers = [
        {"address": f"10.0.0.{n}:80", "locality": zone, "max_connections": 1} for n, zone in ((1, "a"), (2, "b"))
    ]
    harness = Harness(servers, locality="a")
    assert [harness.pick(), harness.pick()] == harness.pool.servers
    assert harness.unavailable() is Unavailable.FULL


def test_a_full_primary_does_not_overflow_into_the_backup() -> None:
    servers = [{"address": "10.0.0.1:80", "max_connections": 1}, {"address": "10.0.0.2:80", "backup": True}]
    harness = Harness(servers)
    harness.pick()
    assert harness.unavailable() is Unavailable.FULL


@pytest.mark.parametrize("config", [True, False])
def test_drain_takes_nothing_new(config: bool) -> None:
    harness = Harness([{"address": "10.0.0.1:80", "drain": config}, "10.0.0.2:80"])
    if not config:
        harness.flags.set_flags(0, down=False, drain=True)
    assert used(harness) == {2}
    assert harness.pool.snapshot()[0]["state"] == "drain"


def test_an_operator_can_change_the_weight() -> None:
    harness = Harness(2)
    harness.flags.set_flags(0, down=False, drain=False, weight=3)
    assert Counter(harness.numbers(40)) == {1: 30, 2: 10}
    harness.flags.set_flags(0, down=False, drain=False, weight=0)
    assert used(harness) == {2}


def share_of_first(harness: Harness, count: int = 1000) -> float:
    return Counter(harness.numbers(count))[1] / count


def test_a_server_that_comes_back_gets_its_share_gradually() -> None:
    harness = Harness(2, slow_start=10)
    assert share_of_first(harness) == pytest.approx(0.5, abs=0.01)
    harness.down(1)
    harness.advance(1)
    harness.down(1, False)
    shares = []
    for _ in range(4):
        shares.append(share_of_first(harness))
        harness.advance(4)
    assert shares == pytest.approx([0.1 / 1.1, 0.4 / 1.4, 0.8 / 1.8, 0.5], abs=0.02)


def test_slow_start_works_with_every_policy() -> None:
    for policy in ("least-connections", "random-two", "least-time"):
        harness = Harness(2, slow_start=10, balance=policy)
        harness.down(1)
        harness.advance(1)
        harness.down(1, False)
        for _ in range(44):
            harness.pick()
        assert harness.server(1).active < 12, policy


def test_snapshot_names_the_state() -> None:
    harness = Harness(4, outliers={"consecutive": 2}, breaker={"minimum": 4})
    harness.down(1)
    harness.fail(harness.server(2), 2)
    harness.fail(harness.server(3), 1)
    for _ in range(3):
        harness.pool.release(harness.pick(tried=(harness.server(4), harness.server(1))), Outcome.OK, 0.01)
    assert [entry["state"] for entry in harness.pool.snapshot()] == ["down", "ejected", "up", "up"]
    assert all(isinstance(server, ServerState) for server in harness.pool.servers)
