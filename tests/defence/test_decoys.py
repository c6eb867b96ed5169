"""Decoys on the wire: a person's form arrives as ever, a program that falls for one is refused and pays for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.defence.test_account import PAGE, ask
from tests.support.clients import Message, Wire, connect, request
from tests.support.origins import Origin, answer, mirror
from tests.support.program import Bascule, wait_for

FORM = b'<html><body><form method="post" action="/buy"><input name="count"></form></body></html>'


def serve(wire: Wire, message: Message) -> bool:
    if message.start[0] == "POST" or message.start[1] != "/":
        return mirror(wire, message)
    wire.send(answer(FORM, "200 OK", "Content-Type: text/html", 'ETag: "a"'))
    return True


def config(origin: Origin) -> dict[str, Any]:
    decoys = {"field": "website_url", "links": ["/members/export"]}
    return {
        "workers": 2,
        "account": {"mode": "block", "forgive": "1/m", "points": {"trap": 40}, "steps": {"proof": 30, "ban": 70}},
        "crawlers": {"mode": "block", "robots": "own"},
        "waf": {"mode": "block", "response": {"decoys": decoys}},
        "sites": {
            "site.test": {"challenge": "auto", "routes": {"/": origin.address}},
            "shadow.test": {"waf": {"mode": "detect"}, "routes": {"/": origin.address}},
        },
    }


@pytest.fixture(autouse=True)
def _answers(origin: Origin) -> None:
    origin.handler = serve


def post(bascule: Bascule, source: str, body: bytes, host: str = "site.test") -> Message:
    with connect(bascule.port, source) as wire:
        wire.send(request("/buy", "POST", host, body, Content_Type="application/x-www-form-urlencoded", **PAGE))
        return wire.response()


def test_a_person(bascule: Bascule, origin: Origin) -> None:
    page = ask(bascule, "127.0.1.1")
    assert b'name="website_url"' in page.body
    assert b'href="/members/export"' in page.body
    assert page.body.index(b"website_url") < page.body.index(b"</form>") < page.body.index(b"/members/export")
    bought = post(bascule, "127.0.1.1", b"count=2&website_url=")
    assert (bought.status, bought.json()["body"]) == (200, "count=2")
    assert (origin.seen[-1]["content-length"], ask(bascule, "127.0.1.1").status) == ("7", 200)


def test_a_program_that_fills_in_everything(bascule: Bascule, origin: Origin) -> None:
    refused = post(bascule, "127.0.2.1", b"count=2&website_url=http%3A%2F%2Fspam.test")
    assert (refused.status, bool(refused["x-bascule-ref"]), origin.seen) == (403, True, [])
    wait_for(lambda: b"data-ticket" in ask(bascule, "127.0.2.1").body, "the rung that the points of a trap lead to")


def test_a_program_that_follows_everything(bascule: Bascule, origin: Origin) -> None:
    assert ask(bascule, "127.0.3.1", "/members/export").status == 403
    assert origin.seen == []
    wait_for(lambda: b"data-ticket" in ask(bascule, "127.0.3.1").body, "the rung")


def test_crawlers_are_told(bascule: Bascule) -> None:
    assert b"Disallow: /members/export\n" in ask(bascule, "127.0.4.1", "/robots.txt").body


def test_detect_changes_nothing(bascule: Bascule, origin: Origin) -> None:
    with connect(bascule.port, "127.0.5.1") as wire:
        wire.send(request("/", host="shadow.test", **PAGE))
        page = wire.response()
    assert (page.body, page["etag"]) == (FORM, '"a"')
    assert post(bascule, "127.0.5.1", b"website_url=x", "shadow.test").status == 200
