"""Responses masked and errors cloaked by the running proxy, however they are framed, coded and cut into pieces."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import brotli
import pytest

from tests.support.programs import require_program
from tests.support.reflector import origin
from tests.waf.wire.world import Guarded, guarded, send

GET = b"GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip, br\r\nrange: bytes=5-9\r\nif-range: x\r\n\r\n"
HTML = b"content-type: text/html\r\n"
PAGE = b"<p>lorem ipsum</p>" * 40 + b"<p>4111 1111 1111 1111</p>"
MASKED = PAGE.replace(b"4111 1111 1111 1111", b"**** **** **** 1111")
TRACE = b"<pre>Traceback (most recent call last):\n  File x</pre>"
Answers = dict[bytes, list[bytes]]


def run(pages: Answers, test: Callable[[Guarded, list[bytes]], Awaitable[None]], **waf: Any) -> None:
    """Run a test with a Bascule before an origin that gives the answer of a path piece by piece."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head)
            for piece in pages[head.split(b" ")[1]]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if pages[head.split(b" ")[1]][0][:8] == b"HTTP/1.0":
                return

    async def main() -> None:
        async with origin(serve) as port:
            with guarded(f"127.0.0.1:{port}", {"mode": "block", "response": {"mask": ["card"]}, **waf}) as bascule:
                await test(bascule, asked)

    asyncio.run(main())


def page(body: bytes, fields: bytes = HTML, status: bytes = b"200 OK") -> list[bytes]:
    return [b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n" % (status, fields, len(body)), body]


def chunked(body: bytes, size: int, fields: bytes = HTML) -> list[bytes]:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    head = b"HTTP/1.1 200 OK\r\n%btransfer-encoding: chunked\r\n\r\n" % fields
    return [head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


@pytest.mark.parametrize(
    "answer",
    [
        page(PAGE),
        chunked(PAGE, 7),
        chunked(PAGE, 300),
        page(gzip.compress(PAGE), HTML + b"content-encoding: gzip\r\n"),
        chunked(brotli.compress(PAGE), 5, HTML + b"content-encoding: br\r\n"),
        page(PAGE, b"content-type: application/octet-stream\r\ncontent-disposition: attachment; filename=\"a.csv\"\r\n"),
        [b"HTTP/1.0 200 OK\r\n" + HTML + b"\r\n", PAGE],
    ],
    ids=["length", "chunks-of-7", "chunks-of-300", "gzip", "br", "text-file", "until-close"],
)  # fmt: skip
def test_card_is_masked(answer: list[bytes]) -> None:
    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        got = await send(bascule.address, GET)
        assert (got.status, got.body) == (200, MASKED)
        assert b"content-encoding" not in got.headers
        fields = asked[0].lower()
        assert b"accept-encoding: identity\r\n" in fields
        assert fields.count(b"accept-encoding") == 1
        assert b"range:" not in fields
        event = await asyncio.to_thread(bascule.event, status=200)
        assert [rule["id"] for rule in event["rules"]] == [712001]
        assert event["rules"][0]["matched"][0]["value"] == "card 1"

    run({b"/": answer}, test)


def test_framing_and_validators_stay_right() -> None:
    fields = HTML + b'etag: "abc"\r\naccept-ranges: bytes\r\n'
    head = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n" % (fields, len(PAGE))
    image = b"\x89PNG 4111111111111111"
    answers = {
        b"/": page(PAGE, fields),
        b"/head": [head],
        b"/image": page(image, b'content-type: image/png\r\netag: "abc"\r\n'),
        b"/same": [b'HTTP/1.1 304 Not Modified\r\netag: "abc"\r\n\r\n'],
        b"/bad": page(b"not gzip", HTML + b"content-encoding: gzip\r\n"),
        b"/words": page(b"the Secret plan"),
    }

    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        got = await send(bascule.address, GET)
        assert got.body == MASKED
        assert int(got.headers[b"content-length"]) == len(PAGE)
        assert got.headers[b"etag"] == b'W/"abc"'
        assert b"accept-ranges" not in got.headers
        got = await send(bascule.address, b"HEAD /head HTTP/1.1\r\nhost: x\r\n\r\n")
        assert int(got.headers[b"content-length"]) == len(PAGE)
        got = await send(bascule.address, b"GET /image HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (got.body, got.headers[b"etag"]) == (image, b'"abc"')
        assert (await send(bascule.address, b"GET /same HTTP/1.1\r\nhost: x\r\n\r\n")).status == 304
        assert (await send(bascule.address, b"GET /words HTTP/1.1\r\nhost: x\r\n\r\n")).body == b"the ****** plan"
        got = await send(bascule.address, b"GET /bad HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (got.status, got.body) in ((0, b""), (200, b""))  # cut before the head or, if that came alone, after it

    run(answers, test, response={"mask": ["card"], "words": ["secret"]})


def test_detect_changes_nothing() -> None:
    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        got = await send(bascule.address, GET)
        assert got.body == PAGE
        assert b"accept-encoding: gzip, br\r\n" in asked[0].lower()
        assert b"range: bytes=5-9" in asked[0].lower()
        event = await asyncio.to_thread(bascule.event, status=200)
        assert [rule["id"] for rule in event["rules"]] == [712001]
        assert (await send(bascule.address, b"GET /error HTTP/1.1\r\nhost: x\r\n\r\n")).body == TRACE

    run({b"/": page(PAGE), b"/error": page(TRACE, status=b"500 Oh")}, test, mode="detect")


@pytest.mark.parametrize(("kind", "first"), [(b"text/event-stream", b"data: 1\n\n"), (b"text/html", b"Loading 4111")])
def test_stream_goes_on(kind: bytes, first: bytes) -> None:
    """The server says the next thing only once the client has heard the last."""
    heard = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n\r\n%b" % (kind, first))
        await heard.wait()
        writer.write(b"data: 4111111111111111\n\n")

    async def main() -> None:
        async with origin(serve) as port:
            with guarded(f"127.0.0.1:{port}", {"mode": "block", "response": {"mask": ["card"]}}) as bascule:
                reader, writer = await asyncio.open_connection(*bascule.address)
                writer.write(b"GET / HTTP/1.0\r\nhost: x\r\n\r\n")
                async with asyncio.timeout(30):
                    await reader.readuntil(b"\r\n\r\n")
                    assert await reader.readexactly(len(first)) == first
                    heard.set()
                    assert await reader.readuntil(b"\n\n") == b"data: ************1111\n\n"
                writer.close()

    asyncio.run(main())


def test_errors_are_cloaked() -> None:
    answers = {
        b"/trace": page(TRACE, status=b"500 Internal Server Error"),
        b"/plain": page(b"<p>sorry</p>", status=b"500 Internal Server Error"),
        b"/article": page(TRACE),
        b"/gone": page(TRACE, status=b"404 Not Found"),
    }

    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        async def ask(target: bytes) -> Any:
            return await send(bascule.address, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)

        got = await ask(b"/trace")
        assert got.status == 500
        assert b"Traceback" not in got.body
        event = await asyncio.to_thread(bascule.event, reference=got.headers[b"x-bascule-ref"].decode())
        assert [rule["id"] for rule in event["rules"]] == [704001]
        assert (await ask(b"/plain")).body == b"<p>sorry</p>"
        assert (await ask(b"/article")).body == TRACE
        assert (await ask(b"/gone")).body == TRACE

    run(answers, test, response={})


def test_answer_of_a_leak_is_configured() -> None:
    answers = {b"/list": page(b"<title>Index of /</title>"), b"/trace": page(TRACE)}

    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        assert (await send(bascule.address, b"GET /list HTTP/1.1\r\nhost: x\r\n\r\n")).status == 404
        assert (await send(bascule.address, b"GET /trace HTTP/1.1\r\nhost: x\r\n\r\n")).body == TRACE

    run(answers, test, response={"cloak": "all"}, answers={"directory-listing": 404, "stack-trace": "log"})


def test_answer_with_a_number_is_refused_where_the_answer_is_to_block() -> None:
    pages = {
        b"/": chunked(gzip.compress(PAGE), 7, HTML + b"content-encoding: gzip\r\n"),
        b"/fine": page(b"<p>fine</p>"),
    }

    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        refused = await send(bascule.address, GET)
        assert refused.status == 403
        assert b"1111" not in refused.body
        event = await asyncio.to_thread(bascule.event, status=403)
        assert [rule["id"] for rule in event["rules"]] == [712001]
        assert "4111" not in str(event)
        assert (await send(bascule.address, GET.replace(b"/ ", b"/fine ", 1))).body == b"<p>fine</p>"

    run(pages, test, answers={"privacy-output": "block"})


def test_answer_with_a_number_is_only_told_where_the_answer_is_to_log() -> None:
    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        answer = await send(bascule.address, GET)
        assert (answer.status, answer.body) == (200, PAGE)
        event = await asyncio.to_thread(bascule.event, status=200)
        assert [rule["id"] for rule in event["rules"]] == [712001]

    run({b"/": page(PAGE)}, test, answers={"identifier-in-output": "log"})


WIDE = b"content-type: text/html; charset=utf-16\r\n"
CODECS = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def wide(text: bytes, codec: str) -> bytes:
    return (MARK + text.decode()).encode(codec)


async def curl(bascule: Guarded, path: str) -> bytes:
    command = [require_program("curl"), "-sS", "--noproxy", "*", "--max-time", "20", "-w", "%{http_code}"]
    url = "http://{}:{}{}".format(*bascule.address, path)
    return (await asyncio.to_thread(subprocess.run, [*command, url], capture_output=True, check=True)).stdout


@pytest.mark.parametrize("codec", CODECS)
def test_card_in_utf_16_and_utf_32_is_masked(codec: str) -> None:
    sent, masked = wide(PAGE, codec), wide(MASKED, codec) + b"200"
    json = b'{"card": 4111111111111111, "b": "4111111111111111"}'
    kind = b"content-type: application/json\r\n"
    answers = {
        b"/": page(sent, HTML),
        b"/declared": page(sent, WIDE),
        b"/ones": chunked(sent, 1, HTML),
        b"/sevens": chunked(sent, 7, HTML),
        b"/gzip": chunked(gzip.compress(sent), 5, HTML + b"content-encoding: gzip\r\n"),
        b"/json": chunked(json.decode().encode(codec), 3, kind),
    }

    async def test(bascule: Guarded, asked: list[bytes]) -> None:
        for path in ("/", "/declared", "/ones", "/sevens", "/gzip"):
            assert await curl(bascule, path) == masked, path
        answer = await curl(bascule, "/json")
        assert answer[:-3].decode(codec) == '{"card": 1111111111111111, "b": "************1111"}'

    run(answers, test)


def test_utf_16_is_cloaked_blocked_and_signed_as_all_else() -> None:
    form = b"<html><form method=post><input type=hidden name=price value=5></form><p>4111111111111111</p></html>"
    answers = {
        b"/trace": page(wide(TRACE, "utf-16-le"), status=b"500 Internal Server Error"),
        b"/form": chunked(wide(form, "utf-16-le"), 3, HTML),
    }

    async def signed(bascule: Guarded, asked: list[bytes]) -> None:
        got = (await curl(bascule, "/form")).removesuffix(b"200").decode("utf-16")
        assert "<p>************1111</p></html>" in got
        assert '<input type="hidden" name="_bascule"' in got
        got = (await curl(bascule, "/trace")).decode("utf-8")
        assert got.endswith("500")
        assert "Traceback" not in got

    async def refused(bascule: Guarded, asked: list[bytes]) -> None:
        assert (await curl(bascule, "/form"))[-3:] == b"403"

    run(answers, signed, response={"mask": ["card"], "forms": {"names": ["price"], "secret": "x" * 32}})
    run(answers, refused, answers={"privacy-output": "block"})
