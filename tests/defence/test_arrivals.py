"""How fast connections and TLS handshakes may come: exact over two workers, refused by a reset before a word is said."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from bascule.config.overload import Arrivals
from bascule.defence.arrivals import Gatekeeper
from bascule.defence.clients import ClientPrefix
from bascule.state.buckets import Buckets
from bascule.state.locks import make_locks
from bascule.state.sets import MIN_KEYS
from tests.support.admin import scrape
from tests.support.certs import Authority
from tests.support.clients import EndedError, connect, request
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

SITE = {"*": {"routes": {"/": {"respond": {"body": "x"}}}}}
BURST = 20
NEWCOMERS = (f"127.0.3.{number}" for number in count(10))
"""Addresses of which nothing is counted yet."""


def is_served(port: int, source: str) -> bool:
    """Open a connection and ask; False if it is reset."""
    try:
        with connect(port, source) as wire:
            wire.send(request())
            return wire.response().status == 200
    except (EndedError, ConnectionError):
        return False


def start(arrivals: dict[str, Any], **more: Any) -> Bascule:
    return Bascule({"workers": 2, "arrivals": arrivals, "sites": SITE, **more})


@unless_stalled
def test_each_client_has_its_rate_over_all_workers() -> None:
    with start({"per_client": f"10/s burst {BURST}"}, defence={"allow": ["127.0.9.1"]}) as bascule:
        began = time.monotonic()
        served = sum(is_served(bascule.port, "127.0.1.1") for _ in range(60))
        most = BURST + 10 * (time.monotonic() - began) + 1
        assert BURST <= served <= most
        assert is_served(bascule.port, "127.0.1.2"), "somebody else"
        assert all(is_served(bascule.port, "127.0.9.1") for _ in range(60)), "who is on the allow list"
        refused = scrape(bascule, "bascule_defence_decisions_total", 'defence="arrivals"', 'rule="per_client"')
        wait_for(lambda: refused <= scrape(bascule, "bascule_causes_total", 'cause="over_arrivals"'), "the cause")
        assert refused == 60 - served


@unless_stalled
def test_all_clients_together_and_who_is_over_its_own_rate_takes_nothing_of_it() -> None:
    with start({"per_client": "1/s burst 5", "total": f"1/s burst {BURST}"}) as bascule:
        assert sum(is_served(bascule.port, "127.0.1.1") for _ in range(30)) <= 7
        served = sum(is_served(bascule.port, f"127.0.2.{number}") for number in range(1, 40))
        assert BURST - 7 <= served <= BURST - 5 + 4


def test_detect_only_counts() -> None:
    with start({"mode": "detect", "per_client": "1/s"}) as bascule:
        assert all(is_served(bascule.port, "127.0.1.1") for _ in range(20))
        name = "bascule_defence_decisions_total"
        wait_for(lambda: scrape(bascule, name, 'defence="arrivals"', 'decision="detect"') >= 15, "the count")


@unless_stalled
def test_it_is_a_reset_and_comes_before_tls(secure: Bascule, context: ssl.SSLContext) -> None:
    """No ClientHello is waited for."""
    source = next(NEWCOMERS)

    def refused() -> bool:
        try:
            with socket.create_connection(secure.address, 10, (source, 0)) as sock:
                sock.settimeout(0.5)
                return sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    outcomes = [refused() for _ in range(8)]
    assert outcomes[:2] == [False, False]
    assert sum(outcomes) >= 4
    with connect(secure.port, "127.0.3.2", context, "shop.test") as wire:
        wire.send(request(host="shop.test"))
        assert wire.response().status == 200


def test_handshakes_at_once_and_who_lasts_makes_room(secure: Bascule, context: ssl.SSLContext) -> None:
    """Connections that never say a word hold all places; after two seconds the next newcomer takes one of them."""
    newcomers = (f"127.1.{number // 250}.{number % 250 + 1}" for number in count())
    with contextlib.ExitStack() as stack:
        for number in range(6):
            stack.enter_context(socket.create_connection(secure.address, 10, (f"127.0.4.{number + 1}", 0)))

        def handshakes() -> bool:
            try:
                with connect(secure.port, next(newcomers), context, "shop.test") as wire:
                    wire.send(request(host="shop.test"))
                    return wire.response().status == 200
            except (EndedError, OSError):
                return False

        wait_for(lambda: not handshakes(), "the places to be taken")
        wait_for(handshakes, "a place")
        name = "bascule_defence_decisions_total"
        wait_for(lambda: scrape(secure, name, 'rule="handshakes_at_once"') >= 1, "the count")


@pytest.fixture(scope="module")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def context(_authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=_authority.path)


@pytest.fixture(scope="module")
def secure(_authority: Authority) -> Iterator[Bascule]:
    pair = _authority.issue("shop.test")
    site = {**SITE["*"], "tls": {"cert": pair.cert, "key": pair.key}}
    config: dict[str, Any] = {
        "workers": 2,
        "listen": [{"address": "127.0.0.1:0", "tls": {}}],
        "arrivals": {"handshakes_per_client": "1/s burst 2", "handshakes_at_once": 6},
        "defence": {"allow": ["127.0.6.0/24"]},
        "timeouts": {"tls_handshake": "30s"},
        "sites": {"shop.test": site},
    }
    with Bascule(config) as bascule:
        yield bascule


def test_a_burst_is_whole_whatever_time_it_is() -> None:
    flow = Arrivals.model_validate({"per_client": "7/s burst 1"})
    buckets = Buckets(MIN_KEYS, make_locks())
    gatekeeper = Gatekeeper(flow, ClientPrefix(), {"per_client": buckets}, memoryview(bytearray(8)).cast("Q"), 0)
    for number in range(100):
        client, now = b"192.0.2.%d" % number, 1e5 + number * 0.123456
        assert gatekeeper.over(client, now, True, False) == ""
        assert gatekeeper.over(client, now, True, False) == "per_client"
