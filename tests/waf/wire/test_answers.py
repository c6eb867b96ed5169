"""How the running proxy answers what its rules find, and what reaches the server of a request that was changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.support.reflector import origin
from tests.waf.wire.world import Guarded, guarded, send

ATTACK = b"GET /x?a=1&q=%3Cscript%3Ealert(1)%3C/script%3E HTTP/1.1\r\nhost: x\r\nuser-agent: test\r\n\r\n"
Got = list[bytes]


def run(test: Callable[[Guarded, Got], Awaitable[None]], **waf: Any) -> None:
    """Run a test with a Bascule before an origin that says what it got."""
    got: Got = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            got.append(head.replace(b"\r\n", b"\n") + await reader.readexactly(int(length or 0)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async def main() -> None:
        async with origin(serve) as port:
            with guarded(f"127.0.0.1:{port}", {"mode": "block", **waf}) as bascule:
                await test(bascule, got)

    asyncio.run(main())


def test_answers_by_rule_and_family(tmp_path: Path) -> None:
    page = tmp_path / "sorry.html"
    page.write_text("<p>sorry: {ref}</p>")

    async def test(bascule: Guarded, got: Got) -> None:
        async def ask(target: bytes, method: bytes = b"GET") -> Any:
            return await send(bascule.address, b"%b %b HTTP/1.1\r\nhost: x\r\n\r\n" % (method, target))

        answer = await ask(b"/.git/config")
        assert answer.status == 404
        assert answer.headers[b"x-bascule-ref"]
        answer = await ask(b"/a.bak")
        assert (answer.status, answer.headers[b"location"]) == (302, b"/sorry")
        answer = await ask(b"/", b"PUT")
        assert answer.status == 200
        assert answer.body == b"<p>sorry: %b</p>" % answer.headers[b"x-bascule-ref"]
        assert (await ask(b"/?q=darn")).status == 0
        answer = await send(bascule.address, ATTACK)
        assert answer.status == 200  # only logged
        event = await asyncio.to_thread(bascule.event, status=200, verdict=None)
        assert {rule["id"] // 1000 for rule in event["rules"]} == {802}
        started = time.monotonic()
        assert (await ask(b"/?v=" + b"1" * 101)).status == 403
        assert time.monotonic() - started >= 0.5
        assert len(got) == 1

    run(
        test,
        filters={"methods": ["GET"], "words": ["darn"], "lengths": {"value": 100}},
        answers={
            "hidden-file": 404,
            705001: {"redirect": "/sorry"},
            "request-method": {"page": str(page), "status": 200},
            "input-content": "drop",
            "long-value": {"tarpit": "500ms"},
            "buffer-overflow": "log",
            "xss": "log",
        },
    )


def test_request_is_passed_on_neutralised() -> None:
    async def test(bascule: Guarded, got: Got) -> None:
        assert (await send(bascule.address, ATTACK)).status == 200
        assert got[0].startswith(b"GET /x?a=1&q=%20script%20alert+1+%20+script%20 HTTP/1.1\n")
        event = await asyncio.to_thread(bascule.event, status=200)
        assert any("passed on changed" in note for note in event["notes"])

        body = json.dumps({"comment": "oh darn", "html": "<script>alert(1)</script>"}).encode()
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncookie: a=1; b=<script>alert(1)</script>\r\n"
        head += b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        assert (await send(bascule.address, head + body)).status == 200
        assert b"cookie: a=1; b=_script_alert_1___script_\n" in got[1].lower()
        assert json.loads(got[1].rpartition(b"\n")[2]) == {"comment": "oh ****", "html": " script alert 1   script "}

        path = b"GET /%3Cscript%3Ealert(1)%3C/script%3E HTTP/1.1\r\nhost: x\r\n\r\n"
        assert (await send(bascule.address, path)).status == 403  # a path cannot be changed: it is refused
        assert len(got) == 2

    run(test, filters={"words": ["darn"]}, answers={"xss": "neutralise", "input-content": "mask"})


def test_detect_passes_on_what_was_sent() -> None:
    async def test(bascule: Guarded, got: Got) -> None:
        assert (await send(bascule.address, ATTACK)).status == 200
        assert got[0].startswith(b"GET /x?a=1&q=%3Cscript%3E")
        event = await asyncio.to_thread(bascule.event, status=200)
        assert any("in block mode" in note for note in event["notes"])

    run(test, mode="detect", answers={"xss": "neutralise"})


def test_event_of_a_request_that_cannot_be_made_harmless_says_that_it_was_refused() -> None:
    async def test(bascule: Guarded, got: Got) -> None:
        asked = b"GET /%3Cscript%3Ealert(1)%3C/script%3E HTTP/1.1\r\nhost: x\r\nuser-agent: test\r\n\r\n"
        assert (await send(bascule.address, asked)).status == 403
        event = await asyncio.to_thread(bascule.event, status=403)
        assert event["verdict"]["action"] == "block"
        assert not got

    run(test, answers={"xss": "neutralise"})
