"""Many clients in turn over one connection of a trusted proxy: each is judged by itself."""

from __future__ import annotations

from typing import Any

from tests.support.clients import connect, request
from tests.support.origins import Origin
from tests.support.program import Bascule

PROXY = "127.0.9.1"


def config(origin: Origin) -> dict[str, Any]:
    site = {"limit": "2/m burst 2 per client", "routes": {"/": [f"127.0.0.1:{origin.port}"]}}
    return {
        "workers": 1,
        "trusted_proxies": ["127.0.9.0/24"],
        "defence": {"deny": ["192.0.2.66"]},
        "sites": {"site.test": site},
    }


def statuses(bascule: Bascule, source: str, *clients: str) -> list[int]:
    found = []
    with connect(bascule.port, source) as wire:
        for client in clients:
            wire.send(request(X_Forwarded_For=client))
            found.append(wire.response().status)
    return found


def test_each_has_its_own_limit(bascule: Bascule) -> None:
    one, other = "192.0.2.1", "192.0.2.2"
    assert statuses(bascule, PROXY, one, other, one, one, other, other, one) == [200, 200, 200, 429, 200, 429, 429]


def test_one_that_is_denied_is_denied_among_others(bascule: Bascule) -> None:
    assert statuses(bascule, PROXY, "192.0.2.3", "192.0.2.66") == [200, 403]


def test_what_it_says_before_the_address_that_the_proxy_saw_changes_nothing(bascule: Bascule) -> None:
    lies = [f"198.51.100.{number}, 192.0.2.4" for number in range(3)]
    assert statuses(bascule, PROXY, *lies) == [200, 200, 429]


def test_nobody_else_is_believed(bascule: Bascule) -> None:
    assert statuses(bascule, "127.0.8.1", "192.0.2.5", "192.0.2.6", "192.0.2.7") == [200, 200, 429]
