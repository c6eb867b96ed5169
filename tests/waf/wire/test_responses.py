"""Responses through the running proxy: leaks are stopped within a bounded window, and streams never wait."""

from __future__ import annotations

import asyncio
import base64
import gzip
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import brotli
import pytest

from bascule.proxy.divided import CHEAP
from benchmarks.hotpath import Bench, Swallow
from benchmarks.processes import cpu_clock_ns
from tests.support.codings import zstd
from tests.support.pace import RUNS
from tests.support.reflector import origin, read_request, reflector
from tests.support.shared import shared_dir
from tests.waf.engine.world import waf as firewall
from tests.waf.wire.world import Guarded, guarded, send

RULES = """
SecRule RESPONSE_BODY "@contains secret plan" "id:200,phase:4,deny,status:403,log,msg:'leak'"
SecRule RESPONSE_HEADERS:x-debug "@rx ." "id:201,phase:3,deny,status:403,log,msg:'debug'"
"""
HTML = b"content-type: text/html\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(tmp_path: Path, serve: Serve, test: Callable[[Guarded], Awaitable[None]], **waf: Any) -> None:
    """Run a test with a Bascule before an origin."""
    file = tmp_path / "rules.conf"
    file.write_text(RULES)

    async def main() -> None:
        async with origin(serve) as port:
            with guarded(
                f"127.0.0.1:{port}", {"mode": "block", "rules": "crs", "directives": [str(file)], **waf}
            ) as bascule:
                await test(bascule)

    asyncio.run(main())


def answers(*pages: bytes) -> Serve:
    """An origin that gives these responses, one a request, over and over."""
    count = iter(range(1 << 20))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(pages[next(count) % len(pages)])
            await writer.drain()

    return serve


def page(body: bytes, fields: bytes = HTML) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (fields, len(body), body)


def chunked(body: bytes, fields: bytes = HTML) -> bytes:
    pieces = (body[start : start + 50] for start in range(0, len(body), 50))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\n%btransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (fields, chunks)


LEAK = b"<p>" + b"lorem ipsum " * 40 + b"the secret plan</p>"


LEAKS = {
    b"/length": page(LEAK),
    b"/chunked": chunked(LEAK),
    b"/until-close": b"HTTP/1.0 200 OK\r\n" + HTML + b"\r\n" + LEAK,
    b"/gzip": page(gzip.compress(LEAK), HTML + b"content-encoding: gzip\r\n"),
    b"/deflate": page(zlib.compress(LEAK), HTML + b"content-encoding: deflate\r\n"),
    b"/br": page(brotli.compress(LEAK), HTML + b"content-encoding: br\r\n"),
    b"/zstd": chunked(zstd(LEAK), HTML + b"content-encoding: zstd\r\n"),
    b"/gzip-br": page(brotli.compress(gzip.compress(LEAK)), HTML + b"content-encoding: gzip, br\r\n"),
    b"/bomb": page(gzip.compress(LEAK + b"\0" * (32 << 20)), HTML + b"content-encoding: gzip\r\n"),
    b"/empty": page(b"", HTML + b"x-debug: 1\r\n"),
    b"/head": page(b"fine", HTML + b"x-debug: 1\r\n"),
}


def test_leaks_are_masked_by_error_pages(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, target, _ = await read_request(reader)
        writer.write(LEAKS[target])
        await writer.drain()

    async def test(bascule: Guarded) -> None:
        for target in LEAKS:
            answer = await send(bascule.address, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)
            assert answer.status == 403, target
            assert b"secret" not in answer.body, target
            assert b"x-debug" not in answer.headers, target
            reference = answer.headers[b"x-bascule-ref"].decode()
            assert reference.encode() in answer.body, target
            event = await asyncio.to_thread(bascule.event, reference=reference)
            assert event["rules"][0]["id"] in (200, 201), target
            assert event["verdict"]["enforced"] is True, target

    run(tmp_path, serve, test)


def test_what_is_not_a_leak_arrives_as_it_was_sent(tmp_path: Path) -> None:
    fine = gzip.compress(b"<p>fine</p>")
    odd = b"not gzip at all"
    large = b"<p>" + b"x" * (2 << 20) + b"</p>"
    image = b"\x89PNG the secret plan"
    pages = [
        page(fine, HTML + b"content-encoding: gzip\r\n"),
        page(odd, HTML + b"content-encoding: gzip\r\n"),
        page(large),
        page(image, b"content-type: image/png\r\n"),
    ]

    async def test(bascule: Guarded) -> None:
        for body in (fine, odd, large, image):
            answer = await send(bascule.address, GET)
            assert answer.status == 200
            assert answer.body == body
        head = await send(bascule.address, b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert head.status == 200

    run(tmp_path, answers(*pages), test)


def test_detect_changes_no_response(tmp_path: Path) -> None:
    async def test(bascule: Guarded) -> None:
        answer = await send(bascule.address, GET)
        assert (answer.status, answer.body) == (200, LEAK)
        event = await asyncio.to_thread(bascule.event, status=200)
        assert [rule["id"] for rule in event["rules"]] == [200]

    run(tmp_path, answers(page(LEAK)), test, mode="detect")


@pytest.mark.parametrize(("kind", "first"), [(b"text/event-stream", b"data: 1\n\n"), (b"text/html", b"<p>slow")])
def test_stream_does_not_wait(tmp_path: Path, kind: bytes, first: bytes) -> None:
    """The server says the next thing only once the client has heard the last: whoever holds it would wait for ever."""
    heard = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n\r\n%b" % (kind, first))
        for _ in range(3):
            await heard.wait()
            heard.clear()
            writer.write(b"data: next\n\n")

    async def test(bascule: Guarded) -> None:
        reader, writer = await asyncio.open_connection(*bascule.address)
        writer.write(b"GET / HTTP/1.0\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(30):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(first)) == first
            for _ in range(3):
                heard.set()
                assert await reader.readuntil(b"\n\n") == b"data: next\n\n"
        writer.close()

    run(tmp_path, serve, test)


def test_core_rule_set_stops_leaks() -> None:
    """Rules 950 to 956 through 959, at paranoia level 1."""
    leaks = {
        951230: "<b>Warning</b>: You have an error in your SQL syntax; check the manual that corresponds to your MySQL",
        953120: "<?php $password = $_POST['x']; echo 1; ?>",
        954100: r"Cannot open c:\inetpub\wwwroot\shop\web.config",
    }

    async def main() -> None:
        async with reflector() as port:
            with guarded(f"127.0.0.1:{port}", {"mode": "block", "crs": str(shared_dir("crs"))}) as bascule:
                for rule, text in leaks.items():
                    answer = await send(bascule.address, _reflected(text))
                    assert answer.status == 403
                    assert text.encode() not in answer.body
                    event = bascule.event(reference=answer.headers[b"x-bascule-ref"].decode())
                    assert rule in [fired["id"] for fired in event["rules"]]
                assert (await send(bascule.address, _reflected("all is well"))).status == 200

    asyncio.run(main())


def _reflected(text: str) -> bytes:
    """A request that only asks for a response: what it holds must not be refused on its way in."""
    encoded = base64.b64encode(text.encode()).decode()
    body = f'{{"headers": {{"content-type": "text/html"}}, "encodedBody": "{encoded}"}}'.encode()
    head = (
        b"POST /reflect HTTP/1.1\r\nhost: localhost\r\nuser-agent: test\r\naccept: */*\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    return head % len(body) + body


COSTLY = "\n".join(
    f'SecRule RESPONSE_BODY "!@contains word{number}" "id:{300 + number},phase:4,pass,nolog,setvar:tx.n=+1,'
    't:urlDecodeUni,t:htmlEntityDecode,t:jsDecode,t:cssDecode"'
    for number in range(20)
)
"""Rules that nothing can dismiss."""


def test_others_are_answered_while_a_long_response_is_judged(tmp_path: Path) -> None:
    long = b"<p class=a>%41&amp;\\x41 word 7</p>" * 3000
    pages = {
        b"/plain": page(long),
        b"/gzip": page(gzip.compress(long), HTML + b"content-encoding: gzip\r\n"),
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, target, _ = await read_request(reader)
            writer.write(pages.get(target, page(b"short")))
            await writer.drain()

    async def test(bascule: Guarded) -> None:
        worker = await asyncio.to_thread(bascule.pid_of, "worker")
        for target, sent in pages.items():
            times: list[int] = []
            for _ in range(RUNS):  # the worker goes on while the client, that is this test, has to wait for a core
                start = cpu_clock_ns(worker)
                asked = asyncio.create_task(send(bascule.address, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target))
                times.clear()
                while not asked.done():
                    began = cpu_clock_ns(worker)
                    assert (await send(bascule.address, GET)).body == b"short"
                    times.append(cpu_clock_ns(worker) - began)
                assert sent.endswith((await asked).body)
                if max(times) < (cpu_clock_ns(worker) - start) / 3:
                    break
            else:
                pytest.fail(f"others wait for all of {target!r}: {times}")

    (tmp_path / "costly.conf").write_text(COSTLY)
    files = [str(tmp_path / "rules.conf"), str(tmp_path / "costly.conf")]
    run(tmp_path, serve, test, directives=files, budget="60s")


def test_a_long_response_that_comes_at_once_waits_for_its_turn_too(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(Swallow, "write", lambda self, data: written.append(bytes(data)))
    rules = "SecRuleEngine On\nSecResponseBodyAccess On\nSecResponseBodyMimeType text/html\n" + RULES
    long = b"z" * (CHEAP + 1)

    def passed() -> bytes:
        return b"".join(written[1:]).partition(b"\r\n\r\n")[2]  # what was written first went to the server

    async def scene() -> None:
        bench = Bench()
        (route,) = bench.app.routes.values()
        route.waf = firewall(rules)
        jobs = bench.turns.jobs

        def answer(content: bytes, length: bytes = b"content-length: %d\r\n") -> None:
            written.clear()
            bench.client.data_received(GET)
            framing = length % len(content) if length else b""
            bench.origin.data_received(b"HTTP/1.1 200 OK\r\n" + HTML + framing + b"\r\n" + content)

        answer(b"short")
        assert (passed(), len(jobs)) == (b"short", 0)
        answer(long)
        assert (passed(), len(jobs)) == (b"", 1)
        bench.turns.work()
        assert passed() == long
        answer(long * 200, b"")
        assert (passed(), len(jobs)) == (b"", 1)
        bench.origin.connection_lost(None)
        assert len(jobs) == 1, "a server that closes meanwhile ends it, once"
        bench.turns.work()
        assert passed().count(b"z") == len(long) * 200

    asyncio.run(scene())


def test_a_long_response_of_a_server_that_closes_is_whole(tmp_path: Path) -> None:
    long = b"<p>word</p>" * 20000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(page(long, HTML + b"connection: close\r\n"))
        await writer.drain()

    async def test(bascule: Guarded) -> None:
        for _ in range(5):
            assert (await send(bascule.address, GET)).body == long

    run(tmp_path, serve, test)


def test_a_leak_tells_of_a_request_that_had_passed_at_a_glance(tmp_path: Path) -> None:
    error = b'Traceback (most recent call last):\n  File "a.py"'
    leak = b"HTTP/1.1 500 Oops\r\n%bcontent-length: %d\r\n\r\n%b" % (HTML, len(error), error)

    async def test(bascule: Guarded) -> None:
        post = (
            b"POST /order?n=1 HTTP/1.1\r\nhost: x\r\nuser-agent: y\r\ncookie: a=b\r\ncontent-length: 7\r\n\r\nc=d&e=f"
        )
        answer = await send(bascule.address, post)
        assert answer.status == 500
        assert b"Traceback" not in answer.body
        event = bascule.event(target="/order?n=1")
        assert event["method"] == "POST"
        assert event["body_bytes"] == 7
        assert {name for name, _ in event["headers"]} >= {"user-agent", "cookie"}

    run(tmp_path, answers(leak), test, rules="logic", directives=[])


def test_an_exclusion_of_a_rule_for_responses_holds_where_the_request_passed_at_a_glance(tmp_path: Path) -> None:
    error = b'Traceback (most recent call last):\n  File "a.py"'
    leak = b"HTTP/1.1 500 Oops\r\n%bcontent-length: %d\r\n\r\n%b" % (HTML, len(error), error)
    excluded = {"rules": ["704001"], "path": "/debug", "owner": "ann", "reason": "for developers"}

    async def test(bascule: Guarded) -> None:
        for target, shown in ((b"/debug/a", True), (b"/shop", False)):
            answer = await send(bascule.address, b"GET %b HTTP/1.1\r\nhost: x\r\nuser-agent: y\r\n\r\n" % target)
            assert (b"Traceback" in answer.body) is shown, target

    run(tmp_path, answers(leak), test, rules="logic", directives=[], exclusions=[excluded])


def test_rules_for_responses_know_the_request_that_had_passed_at_a_glance(tmp_path: Path) -> None:
    file = tmp_path / "chained.conf"
    file.write_text(
        'SecRule RESPONSE_BODY "@contains secret plan" "id:210,phase:4,deny,status:403,log,chain"\n'
        'SecRule ARGS_POST:c "@streq d" "chain"\nSecRule ARGS_GET:n "@streq 1" "t:none"\n'
    )

    async def test(bascule: Guarded) -> None:
        for target, body, status in ((b"/?n=1", b"c=d", 403), (b"/?n=1", b"c=e", 200), (b"/?n=2", b"c=d", 200)):
            fields = b"host: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
            head = b"POST %b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n" % (target, fields, len(body))
            assert (await send(bascule.address, head + body)).status == status, (target, body)
        event = bascule.event(target="/?n=1")
        assert event["body_bytes"] == 3
        assert [fired["id"] for fired in event["rules"]] == [210]

    run(tmp_path, answers(page(LEAK)), test, directives=[str(file)])
