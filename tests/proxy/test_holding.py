"""Requests that nearly came in whole, from many at a time: together they are bounded, and who comes last is served."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import pytest

from bascule.proxy.app import TICK
from tests.support.admin import scrape
from tests.support.clients import Wire, connect
from tests.support.origins import Origin, always, answer
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

SIZE = 60_000
MOST = 1 << 20
COUNT = 60
HEAD = b"GET / HTTP/1.1\r\nHost: site.test\r\n" + b"X: %b\r\n" % (b"x" * 590) * 100
POST = b"POST / HTTP/1.1\r\nHost: site.test\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % SIZE


@pytest.mark.parametrize("held_by", ["head", "request_buffer", "firewall"])
@unless_stalled
def test_requests_of_a_crowd_are_bounded(held_by: str) -> None:
    config: dict[str, Any] = {"workers": 1, "limits": {"held_requests": MOST}}
    if held_by == "firewall":
        config["waf"] = {"mode": "block", "rules": "logic"}
    elif held_by == "request_buffer":
        config["limits"]["request_buffer"] = "64KiB"
    with Origin(always(answer(b"ok"))) as origin, ExitStack() as stack:
        bascule = stack.enter_context(Bascule({**config, "sites": {"site.test": origin.address}}))

        def come(count: int) -> list[Wire]:
            """Let some come who can be told from those before: what counts is in which tick."""
            begun = time.monotonic()
            wait_for(lambda: time.monotonic() > begun + 2 * TICK, "the next tick")
            wires = [stack.enter_context(connect(bascule.port)) for _ in range(count)]
            for wire in wires:
                wire.send(HEAD if held_by == "head" else POST + b"x" * (SIZE - 1))
            return wires

        (first,), _, last = come(1), come(COUNT), come(5)
        least = COUNT + 6 - (MOST // SIZE + 1)
        wait_for(lambda: scrape(bascule, "bascule_causes_total", 'cause="shed"') >= least, "the oldest to go")
        assert first.response().status == 503
        for wire in last:
            wire.send(b"\r\n" if held_by == "head" else b"x")
            assert wire.response().status == 200
        assert scrape(bascule, "bascule_causes_total", 'cause="shed"') <= COUNT + 1
