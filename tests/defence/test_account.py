"""Accounts of clients on the wire: what fills them, where they lead, what is forgiven; and over workers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.clients import Message, connect, request
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for

PAGE = {"Accept": "text/html", "User_Agent": "Mozilla/5.0"}


def missing(wire: Any, message: Message) -> bool:
    wire.read_body(message)
    wire.send(answer(b"", "404 Not Found" if message.start[1].startswith("/no") else "200 OK"))
    return True


def config(origin: Origin) -> dict[str, Any]:
    origin.handler = missing
    site = {"challenge": "auto", "routes": {"/": [f"127.0.0.1:{origin.port}"]}}
    return {
        "workers": 2,
        "events": {"path": "events.jsonl"},
        "defence": {"allow": ["127.0.9.0/24"]},
        "account": {
            "mode": "block",
            "forgive": "1/m",
            "points": {"not_found": 4, "trap": 30},
            "steps": {"cookie": 18, "proof": 28, "tarpit": 50, "ban": 70},
            "tarpit": "1s",
            "traps": ["/backup.zip"],
        },
        "sites": {"site.test": site},
    }


def ask(bascule: Bascule, source: str, target: str = "/", **fields: str) -> Message:
    with connect(bascule.port, source) as wire:
        wire.send(request(target, **{**PAGE, **fields}))
        return wire.response()


@pytest.fixture(autouse=True)
def _answers(origin: Origin) -> None:
    origin.handler = missing


def rung(message: Message) -> str:
    if message.status == 307:
        return "cookie"
    return "proof" if b"data-ticket" in message.body else str(message.status)


def test_who_looks_for_what_is_not_there_climbs(bascule: Bascule) -> None:
    assert [ask(bascule, "127.0.1.1", "/no").status for _ in range(5)] == [404] * 5
    wait_for(lambda: rung(ask(bascule, "127.0.1.1")) == "cookie", "the first step, at any worker")
    assert [rung(ask(bascule, "127.0.1.1")) for _ in range(6)] == ["cookie"] * 6
    assert ask(bascule, "127.0.1.2").status == 200, "somebody else"


def test_a_trap(bascule: Bascule, origin: Origin) -> None:
    trapped = ask(bascule, "127.0.2.1", "/backup.zip")
    assert (trapped.status, bool(trapped["x-bascule-ref"]), origin.seen) == (404, True, [])
    wait_for(lambda: rung(ask(bascule, "127.0.2.1")) == "proof", "the step")
    ask(bascule, "127.0.2.1", "/backup.zip")
    began = time.monotonic()
    ask(bascule, "127.0.2.1", "/robots.txt")
    assert time.monotonic() - began > 0.9, "the tarpit"
    ask(bascule, "127.0.2.1", "/backup.zip")
    wait_for(lambda: (m := ask(bascule, "127.0.2.1")).status == 403 and m["connection"] == "close", "the ban")


def test_who_is_allowed_has_no_account(bascule: Bascule) -> None:
    for _ in range(8):
        ask(bascule, "127.0.9.1", "/backup.zip")
    assert ask(bascule, "127.0.9.1").status == 200


def test_a_browser_that_it_is_not(bascule: Bascule) -> None:
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
    for _ in range(4):  # 5 points each
        ask(bascule, "127.0.3.1", User_Agent=agent)
    wait_for(lambda: rung(ask(bascule, "127.0.3.1")) == "cookie", "the first step")


def test_detect_asks_nobody(origin: Origin) -> None:
    mine = config(origin)
    with Bascule({**mine, "account": {**mine["account"], "mode": "detect"}}) as bascule:
        statuses = [ask(bascule, "127.0.1.1", "/backup.zip").status for _ in range(4)]
        assert statuses == [200] * 4, "the server's answer"
        assert ask(bascule, "127.0.1.1").status == 200
        told = bascule.folder / "events.jsonl"
        wait_for(lambda: "asked for a trap" in (text := told.read_text()) and "banned: 8" in text, "the events")
