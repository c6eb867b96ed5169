"""Sticky sessions: opaque, signed, and loyal to a server that lives."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.upstream.pool import Outcome
from tests.upstream.support import FACTS, Facts, Harness


def sticky(servers: object = 4, seed: int = 1, secret: str = "key", name: str = "pool", **config: object) -> Harness:
    return Harness(servers, seed=seed, name=name, sticky={"secret": secret}, **config)


def session(harness: Harness) -> tuple[Facts, int]:
    """Begin a session: its next requests, and the number of its server."""
    server = harness.serve()
    cookie = harness.pool.sticky_cookie(FACTS, server)
    assert cookie is not None
    value = cookie.split(b";")[0].removeprefix(b"bascule_route=")
    return Facts(cookies={b"bascule_route": value}), harness.pool.servers.index(server) + 1


def test_the_client_comes_back_to_its_server() -> None:
    harness = sticky()
    facts, number = session(harness)
    server = harness.server(number)
    for _ in range(10):
        assert harness.serve(facts) is server
        assert harness.pool.sticky_cookie(facts, server) is None


def test_the_cookie_has_safe_attributes() -> None:
    harness = Harness(1, sticky={"secret": "k", "cookie": "srv", "ttl": "1h"})
    cookie = harness.pool.sticky_cookie(FACTS, harness.serve())
    assert cookie is not None
    assert cookie.startswith(b"srv=")
    assert cookie.endswith(b"; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600")


def test_the_cookie_names_no_address() -> None:
    facts, _ = session(sticky())
    value = facts.cookies[b"bascule_route"]
    assert len(value) == 40
    assert b"10.0.0" not in base64.urlsafe_b64decode(value)


def test_it_survives_a_restart_and_another_order_of_the_servers() -> None:
    facts, number = session(sticky())
    address = f"http://10.0.0.{number}:80"
    again = sticky([f"10.0.0.{n}:80" for n in (4, 3, 2, 1)], seed=9)
    assert {again.serve(facts).name for _ in range(10)} == {address}


@pytest.mark.parametrize("change", [{"secret": "other"}, {"name": "other-pool"}])
def test_another_secret_or_pool_does_not_believe_it(change: dict[str, str]) -> None:
    facts, _ = session(sticky())
    other = sticky(**change)
    assert other.pool._sticky is not None
    assert other.pool._sticky.find(facts) is None
    assert len({other.serve(facts) for _ in range(8)}) == 4


def test_without_a_secret_the_workers_of_a_process_agree() -> None:
    facts, number = session(sticky(secret=""))
    again = sticky(secret="")
    assert again.serve(facts) is again.server(number)


@settings(deadline=None)
@given(st.integers(0, 39), st.integers(1, 255))
def test_no_changed_cookie_is_believed(place: int, flip: int) -> None:
    harness = sticky()
    facts, _ = session(harness)
    value = bytearray(facts.cookies[b"bascule_route"])
    value[place] ^= flip
    assert harness.pool._sticky is not None
    assert harness.pool._sticky.find(Facts(cookies={b"bascule_route": bytes(value)})) is None


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_garbage_is_believed_or_trips(value: bytes) -> None:
    harness = sticky()
    facts = Facts(cookies={b"bascule_route": value})
    assert harness.pool.sticky_cookie(facts, harness.serve(facts)) is not None


def test_a_drained_server_keeps_its_sessions_and_gets_no_new_ones() -> None:
    harness = sticky()
    facts, number = session(harness)
    harness.flags.set_flags(number - 1, down=False, drain=True)
    assert {harness.serve(facts) for _ in range(5)} == {harness.server(number)}
    assert harness.server(number) not in {harness.serve() for _ in range(20)}


def test_a_dead_server_is_replaced_and_the_client_told() -> None:
    harness = sticky()
    facts, number = session(harness)
    harness.down(number)
    server = harness.serve(facts)
    assert server is not harness.server(number)
    cookie = harness.pool.sticky_cookie(facts, server)
    assert cookie is not None
    assert server.token in cookie


def test_a_tried_or_full_server_does_not_lose_the_session() -> None:
    harness = sticky([{"address": f"10.0.0.{n}:80", "max_connections": 1} for n in (1, 2)])
    facts, number = session(harness)
    own = harness.pick(facts)
    assert own is harness.server(number)
    other = harness.pick(facts)
    assert other is not own
    assert harness.pool.sticky_cookie(facts, other) is None
    harness.pool.release(own, Outcome.OK, 0.01)
    assert harness.pick(facts, (own,)) is own, "the other one is full"
