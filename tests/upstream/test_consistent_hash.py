"""Consistent hashing: a change moves few keys, the load is bounded, the same on every machine."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.upstream.balance.consistent_hash import points
from bascule.upstream.pool import Outcome
from tests.upstream.support import Facts, Harness, weighted

RING_START = [11645239361820140569, 5039705327495524566, 9016657467521307517]
KEYS = [b"192.0.2.%d:%d" % (number % 250, number) for number in range(2000)]


def owners(harness: Harness) -> dict[bytes, str]:
    return {key: harness.serve(Facts(client=key)).name for key in KEYS}


def hashed(servers: Any, **config: Any) -> Harness:
    return Harness(servers, balance="hash", **config)


def test_a_key_stays_with_its_server_and_every_process_agrees() -> None:
    assert owners(hashed(5, seed=1)) == owners(hashed(5, seed=2))


def test_the_ring_is_fixed_for_ever() -> None:
    """A rolling upgrade must not move every key: this is what version 0.1 answers."""
    server = hashed(1).server(1)
    assert list(points(server, 3)) == RING_START
    assert list(points(server, 9))[:3] == list(points(server, 3))


@pytest.mark.parametrize("count", [2, 5, 10])
def test_a_new_server_takes_only_its_share_and_takes_it_from_all(count: int) -> None:
    before, after = owners(hashed(count)), owners(hashed(count + 1))
    moved = [key for key in KEYS if before[key] != after[key]]
    assert all(after[key] == f"http://10.0.0.{count + 1}:80" for key in moved)
    assert len(moved) / len(KEYS) < 1.5 / (count + 1)


def test_a_server_that_goes_moves_only_its_own_keys_and_gets_them_back() -> None:
    harness = hashed(5)
    before = owners(harness)
    harness.down(2)
    during = owners(harness)
    lost = {key for key in KEYS if before[key] != during[key]}
    assert lost == {key for key in KEYS if before[key] == "http://10.0.0.2:80"}
    assert len(Counter(during[key] for key in lost)) > 2
    harness.down(2, False)
    assert owners(harness) == before


def test_keys_spread_by_weight() -> None:
    counts = Counter(owners(hashed(weighted(1, 1, 2))).values())
    assert counts["http://10.0.0.3:80"] / len(KEYS) == pytest.approx(0.5, abs=0.08)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.floats(1.0, 3.0),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=120),
)
def test_no_server_gets_more_than_its_bound(weights: list[int], bound: float, moves: list[tuple[int, bool]]) -> None:
    """At each pick: load <= ceil(bound x mean load by weight), few keys being much hotter than others."""
    harness = hashed(weighted(*weights), hash={"bound": bound})
    busy: list[Any] = []
    for key, ends in moves:
        if ends and busy:
            server = busy.pop(0)
            server.active -= 1
            continue
        server = harness.pick(Facts(client=b"hot%d" % (key // 3)))
        busy.append(server)
        allowed = math.ceil(bound * len(busy) * server.weight / sum(weights) - 1e-9)
        assert server.active <= allowed


@pytest.mark.parametrize(
    ("config", "same", "other"),
    [
        ({"key": "client"}, Facts(target=b"/x"), Facts(client=b"2001:db8::%d")),
        ({"key": "uri"}, Facts(client=b"198.51.100.1"), Facts(target=b"/%d")),
        ({"key": "header", "name": "X-User"}, Facts(headers={b"x-user": b"u"}), Facts(headers={b"x-user": b"%d"})),
        ({"key": "cookie", "name": "sid"}, Facts(cookies={b"sid": b"u"}), Facts(cookies={b"sid": b"%d"})),
    ],
)
def test_the_key_decides(config: dict[str, str], same: Facts, other: Facts) -> None:
    harness = hashed(8, hash=config)
    assert len({harness.serve(same) for _ in range(5)}) == 1

    def fill(value: bytes, number: int) -> bytes:
        return value % number if b"%" in value else value

    servers = {
        harness.serve(
            Facts(
                fill(other.client, number),
                fill(other.target, number),
                {name: fill(value, number) for name, value in other.headers.items()},
                {name: fill(value, number) for name, value in other.cookies.items()},
            )
        )
        for number in range(64)
    }
    assert len(servers) == 8


def test_without_its_header_the_client_address_is_the_key() -> None:
    harness = hashed(8, hash={"key": "header", "name": "x-user"})
    assert len({harness.serve(Facts(client=b"192.0.2.%d" % number)) for number in range(64)}) == 8
    assert len({harness.serve(Facts(client=b"192.0.2.1")) for _ in range(5)}) == 1


def test_a_retry_goes_to_the_next_on_the_ring() -> None:
    harness = hashed(4)
    facts = Facts(client=b"192.0.2.9")
    first = harness.serve(facts)
    second = harness.pick(facts, (first,))
    assert second is not first
    harness.pool.release(second, Outcome.OK, 0.01)
    harness.down(harness.pool.servers.index(first) + 1)
    assert harness.serve(facts) is second
