"""Numbers in requests masked by the running proxy: what curl sends, whole, in chunks and in pieces, and what arrives."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import zlib
from collections.abc import Awaitable, Callable
from xml.etree import ElementTree

import pytest

from tests.support.programs import require_program
from tests.support.reflector import origin, read_body
from tests.waf.wire.world import Guarded, guarded, read_answer

CARD, STARRED, ONES = "4111111111111111", "************1111", "1111111111111111"
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
CSV = "name,card\r\n" + "Jane,4111111111111111\r\n" * 300
XML = f"<order card='{CARD}'><!-- x --><note>pay with &#52;111111111111111 &amp; go</note></order>"
JSON = json.dumps({"a": CARD, "b": 4111111111111111, "c": [1.5, "fine"], "d": json.dumps({"card": 4111111111111111})})
PART = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n%b\r\n--x--\r\n'
GZIP = {"content-encoding": "gzip"}
CASES: dict[str, tuple[str, dict[str, str], bytes, bytes]] = {
    "form": ("application/x-www-form-urlencoded", {}, f"a=1&c={CARD}".encode(), f"a=1&c={STARRED}".encode()),
    "json": ("application/json", {}, JSON.encode(),
             JSON.replace("4111111111111111", ONES).replace(f'"{ONES}"', f'"{STARRED}"').encode()),
    "text": ("text/plain", {}, f"card {CARD} it is".encode(), f"card {STARRED} it is".encode()),
    "csv": ("text/csv", {}, CSV.encode(), CSV.replace(CARD, STARRED).encode()),
    "xml": ("application/xml", {}, XML.encode(), XML.replace(CARD, STARRED).replace("&#52;11111111111", "&#42;***********").encode()),
    "utf-16": ("text/csv", {}, (MARK + CSV).encode("utf-16-le"), (MARK + CSV.replace(CARD, STARRED)).encode("utf-16-le")),
    "utf-16 json": ("application/json; charset=utf-16be", {}, f'{{"c": {CARD}}}'.encode("utf-16-be"),
                    f'{{"c": {ONES}}}'.encode("utf-16-be")),
    "upload": ("multipart/form-data; boundary=x", {}, PART % CSV.encode(), PART % CSV.replace(CARD, STARRED).encode()),
    "upload in utf-16": ("multipart/form-data; boundary=x", {}, PART % (MARK + CSV).encode("utf-16-be"),
                         PART % (MARK + CSV.replace(CARD, STARRED)).encode("utf-16-be")),
    "gzip": ("application/json", GZIP, gzip.compress(f'{{"c": {CARD}}}'.encode() + b" " * 2000), f'{{"c": {ONES}}}'.encode() + b" " * 2000),
    "deflate": ("text/csv", {"content-encoding": "deflate", "content-md5": "x"}, zlib.compress(CSV.encode()),
                CSV.replace(CARD, STARRED).encode()),
}  # fmt: skip
Got = list[tuple[dict[bytes, bytes], bytes]]


def run(test: Callable[[Guarded, Got], Awaitable[None]], **answers: str) -> None:
    """Run a test with a Bascule that masks, before an origin that remembers what it got."""
    got: Got = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.rstrip(b"\r\n").split(b"\r\n")[1:]
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            got.append((fields, await read_body(reader, fields)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async def main() -> None:
        waf = {"mode": "block", "filters": {"identifiers": ["card"]}, "answers": answers, "body_limit": "16KiB"}
        async with origin(serve) as port:
            with guarded(f"127.0.0.1:{port}", waf) as bascule:
                await test(bascule, got)

    asyncio.run(main())


async def curl(bascule: Guarded, kind: str, fields: dict[str, str], body: bytes, *options: str) -> int:
    """Post a body with curl; returns the status."""
    command = [require_program("curl"), "-sS", "--noproxy", "*", "--max-time", "20", "-o", "-", "-w", "%{http_code}"]
    command += ["--data-binary", "@-", *options]
    for name, value in {"content-type": kind, **fields}.items():
        command += ["-H", f"{name}: {value}"]
    url = "http://{}:{}/".format(*bascule.address)
    done = await asyncio.to_thread(subprocess.run, [*command, url], input=body, capture_output=True, check=True)
    return int(done.stdout[-3:])


async def pieces(bascule: Guarded, kind: str, fields: dict[str, str], body: bytes, size: int = 97) -> int:
    """Post a body in pieces that arrive one by one; returns the status."""
    reader, writer = await asyncio.open_connection(*bascule.address)
    lines = [f"{name}: {value}\r\n" for name, value in {"content-type": kind, **fields}.items()]
    writer.write(f"POST / HTTP/1.1\r\nhost: x\r\n{''.join(lines)}content-length: {len(body)}\r\n\r\n".encode())
    for at in range(0, len(body), size):
        writer.write(body[at : at + size])
        await writer.drain()
        await asyncio.sleep(0)
    answer = await read_answer(reader)
    writer.close()
    return answer.status


def test_numbers_are_masked_in_whatever_form_they_come() -> None:
    async def test(bascule: Guarded, got: Got) -> None:
        for name, (kind, fields, body, expected) in CASES.items():
            assert await curl(bascule, kind, fields, body) == 200, name
            assert await curl(bascule, kind, fields, body, "-H", "transfer-encoding: chunked") == 200, name
            assert await pieces(bascule, kind, fields, body) == 200, name
            for head, arrived in got:
                assert arrived == expected, name
                assert int(head.get(b"content-length", len(arrived))) == len(arrived), name
                assert b"content-encoding" not in head, name
                assert b"content-md5" not in head, name
            assert len(got) == 3, name
            got.clear()

    json.loads(CASES["json"][3])
    ElementTree.fromstring(CASES["xml"][3])
    run(test, **{"privacy-input": "mask", "privacy-file": "mask"})


def test_what_is_not_masked_is_refused_and_what_has_none_arrives_as_it_was() -> None:
    fine = gzip.compress(CSV.replace(CARD, "4111111111111112").encode())
    large = gzip.compress(CSV.encode() * 10)

    async def test(bascule: Guarded, got: Got) -> None:
        assert await curl(bascule, "text/csv", GZIP, fine) == 200
        assert [(head[b"content-encoding"], body) for head, body in got] == [(b"gzip", fine)]
        assert await curl(bascule, "text/csv", {}, CSV.encode()) == 403
        event = await asyncio.to_thread(bascule.event, status=403)
        assert [rule["id"] for rule in event["rules"]] == [713001]
        assert CARD not in json.dumps(event)
        assert await curl(bascule, "application/json", GZIP, large) == 403  # of which only the start is here
        assert len(got) == 1

    run(test, **{"privacy-input": "mask"})


@pytest.mark.parametrize("answer", ["block", "log"])
def test_other_answers(answer: str) -> None:
    async def test(bascule: Guarded, got: Got) -> None:
        for name, (kind, fields, body, _) in CASES.items():
            assert await curl(bascule, kind, fields, body) == (403 if answer == "block" else 200), name
            if answer == "log":
                assert got.pop()[1] == body, name

    run(test, **{"privacy-input": answer, "privacy-file": answer})
