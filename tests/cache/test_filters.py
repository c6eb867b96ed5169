"""Responses that the firewall changes: what is stored is what the server said, what clients get is made for each."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cache.test_serving import counted, gated
from tests.support.clients import ask, connect, request
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for

CARD = b"4111111111111111"
FORM = b'<form method="post"><input type="hidden" name="price" value="10"><input name="n"></form>'
SECRET = "a-secret-of-32-characters-or-more"


def config(origin: Origin) -> dict[str, Any]:
    response = {
        "mask": ["card"],
        "forms": {"names": ["price"], "secret": SECRET},
        "cookies": {"secret": SECRET},
    }
    site = {"cache": True, "waf": {"mode": "block", "response": response}, "routes": {"/": origin.address}}
    return {"sites": {"site.test": site}, "events": {"path": "off"}}


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[int, Origin]]:
    with Origin() as origin, Bascule(config(origin)) as bascule:
        yield bascule.port, origin


def test_a_hit_is_masked_as_a_miss_is(world: tuple[int, Origin]) -> None:
    port, origin = world
    origin.handler = counted("Cache-Control: max-age=60", "Content-Type: text/plain", body=b"card %b." % CARD)
    asked = len(origin.seen)
    bodies = {ask(port, "/card").body for _ in range(3)}
    assert len(bodies) == 1
    assert CARD not in bodies.pop()
    for span in ("bytes=0-10", "bytes=8-", "bytes=-8"):
        found = ask(port, "/card", Range=span)
        assert (found.status, CARD[:12] in found.body) == (200, False)  # in parts it would not be found
    assert len(origin.seen) == asked + 1


@pytest.mark.parametrize("parts", [1, 2])
def test_forms_are_signed_for_each(world: tuple[int, Origin], parts: int) -> None:
    port, origin = world
    fields = ("Cache-Control: max-age=60", "Content-Type: text/html", 'ETag: "v"')
    gate = threading.Event()
    origin.handler = counted(*fields, body=FORM) if parts == 1 else gated(gate, *fields, body=FORM)
    with connect(port) as wire:
        wire.send(request(f"/form{parts}"))
        wait_for(lambda: any(f"/form{parts}" in message.start for message in origin.seen), "the request")
        gate.set()
        pages = [wire.response(), *(ask(port, f"/form{parts}") for _ in range(2))]
    for page in pages:
        assert re.search(rb'name="_bascule" value="[-\w]{20,}"', page.body), page.body
        assert page["etag"] is None
    assert str(pages[-1]["cache-status"]).startswith("Bascule; hit")


def test_protected_cookies_are_not_kept(world: tuple[int, Origin]) -> None:
    port, origin = world
    origin.handler = counted("Cache-Control: max-age=60", "Set-Cookie: id=1")
    assert [ask(port, "/cookie").body for _ in range(2)] == [b"answer 1", b"answer 2"]


def test_attacks_are_refused_before_the_cache(world: tuple[int, Origin]) -> None:
    port, origin = world
    origin.handler = counted("Cache-Control: max-age=60")
    assert ask(port, "/q").status == 200
    assert ask(port, "/q?id=1%27%20OR%20%271%27=%271%27%20--%20").status == 403
