"""A modest flood of requests that cost much to judge: they stay within their budget, and others hardly notice."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Awaitable
from urllib.parse import quote_from_bytes

import pytest

from benchmarks.processes import cpu_clock_ns
from tests.support.reflector import reflector
from tests.support.shared import shared_dir
from tests.waf.wire.world import Answer, guarded, read_answer, send

SIZE = 131000
BUDGET = 0.1
STEP = 0.15
"""Seconds of CPU that a request may be over its budget: one native call on 128 KiB, up to 40 ms, on a slow machine."""
ATTACKERS, ATTACKS = 3, 12
NOTICED = BUDGET / 2
"""Seconds of the worker's CPU that a cheap request seldom waits for: it passes the loop three times, each time behind a
turn of 1 ms or a native call. Behind a request that is judged in one go it waits for more."""
GET = b"GET /shop?item=%d&sort=price HTTP/1.1\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\naccept: text/html\r\n\r\n"


def post(body: bytes, content_type: bytes = b"application/x-www-form-urlencoded") -> bytes:
    fields = b"host: x\r\nuser-agent: Mozilla/5.0\r\naccept: */*\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return b"POST / HTTP/1.1\r\n" + fields % (content_type, len(body)) + body


def worst() -> list[bytes]:
    """Requests of long values, many parameters, deep nesting, and texts that no rule can dismiss early."""
    draw = random.Random(1)
    texts = [b"'", b'"', b"(", b"<", b"%", b"\\", b"1 or ", b"${", b"/**/", b"../", b"<script>", b"select "]
    noise = bytes(draw.choice(b"'\"()<>{}[]\\/;|&$`.,-+*=%!@#^~? abc123\n") for _ in range(SIZE))
    values = [(text * (SIZE // len(text) + 1))[:SIZE] for text in texts] + [noise]
    requests = [post(b"a=" + quote_from_bytes(value).encode()[:SIZE]) for value in values]
    requests += [post(json.dumps({"a": value.decode()}).encode(), b"application/json") for value in values]
    many = b"&".join(b"p%d=%%3Cscript%%3E'+union+select+1--+/etc/passwd" % number for number in range(999))
    deep = b'{"a":' * 60 + b'"1\' or 1=1--"' + b"}" * 60
    nested = json.dumps({"a": [{f"k{n}": f"v<{n}>'\"--"} for n in range(900)]}).encode()
    return [*requests, post(many), post(deep, b"application/json"), post(nested, b"application/json")]


async def cpu_of(worker: int, asking: Awaitable[Answer]) -> float:
    """Return the worker's CPU time, in seconds, until a request is answered: what else the machine does is not in it."""
    began = cpu_clock_ns(worker)
    assert (await asking).status in (200, 403)
    return (cpu_clock_ns(worker) - began) / 1e9


@pytest.mark.parametrize("rules", ["crs", "logic"])
def test_others_hardly_notice(rules: str) -> None:
    async def main() -> None:
        async with reflector() as port:
            waf = {"mode": "block", "rules": rules, "budget": f"{BUDGET}s"}
            if rules == "crs":
                waf["crs"] = str(shared_dir("crs"))
            with guarded(f"127.0.0.1:{port}", waf) as bascule:
                worker = bascule.pid_of("worker")
                costs = {attack: await cpu_of(worker, send(bascule.address, attack)) for attack in worst()}
                assert max(costs.values()) < BUDGET + STEP
                assert any("time budget" in note for event in bascule.events() for note in event["notes"])

                costly = itertools.cycle(attack for attack, cost in costs.items() if cost > NOTICED)
                left = iter(range(ATTACKS))

                async def attacker() -> None:
                    for _ in left:
                        await send(bascule.address, next(costly))

                flood = asyncio.gather(*(attacker() for _ in range(ATTACKERS)))
                reader, writer = await asyncio.open_connection(*bascule.address)
                noticed = 0
                for number in itertools.count():
                    writer.write(GET % number)
                    noticed += await cpu_of(worker, read_answer(reader)) > NOTICED
                    if flood.done():
                        break
                writer.close()
                await flood
                assert noticed <= ATTACKS / 4

    asyncio.run(main())
