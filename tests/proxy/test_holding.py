"""Bodies that nearly came in whole, from many at a time: together they are bounded, and who comes last is served."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.admin import scrape
from tests.support.clients import connect
from tests.support.origins import Origin, always, answer
from tests.support.program import Bascule, wait_for

SIZE = 60_000
MOST = 1 << 20
COUNT = 60
POST = b"POST / HTTP/1.1\r\nHost: site.test\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % SIZE


@pytest.mark.parametrize("held_by", ["request_buffer", "firewall"])
def test_bodies_of_a_crowd_are_bounded(held_by: str) -> None:
    config: dict[str, Any] = {"workers": 1, "limits": {"held_bodies": MOST}}
    if held_by == "firewall":
        config["waf"] = {"mode": "block", "rules": "logic"}
    else:
        config["limits"]["request_buffer"] = "64KiB"
    with Origin(always(answer(b"ok"))) as origin, ExitStack() as stack:
        bascule = stack.enter_context(Bascule({**config, "sites": {"site.test": origin.address}}))
        wires = []
        for _ in range(COUNT):
            wires.append(stack.enter_context(connect(bascule.port)))
            wires[-1].send(POST + b"x" * (SIZE - 1))
        most = MOST // SIZE + 1
        wait_for(lambda: scrape(bascule, "bascule_causes_total", 'cause="shed"') >= COUNT - most, "the oldest to go")
        assert wires[0].response().status == 503
        for wire in wires[-5:]:
            wire.send(b"x")
            assert wire.response().status == 200
        assert scrape(bascule, "bascule_causes_total", 'cause="shed"') <= COUNT - 5
