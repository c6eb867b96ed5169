"""Request bodies through the running proxy: sizes, codings, and what a Content-Type says of them or not."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import brotli
import pytest

from tests.support.codings import ENCODERS
from tests.support.reflector import origin, read_body
from tests.waf.wire.world import Answer, Guarded, guarded, read_answer, send

RULES = """
SecRule ARGS|XML:/* "@contains evil" "id:100,phase:2,deny,status:403,log,msg:'found'"
"""
LIMIT = 4096
FORM = b"application/x-www-form-urlencoded"
GZIP = b"content-encoding: gzip\r\n"


class Server:
    """An origin that remembers the bodies of the requests that were complete."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.partial = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head.rstrip(b"\r\n").split(b"\r\n")[1:]
            headers = {name.lower(): value.strip() for name, _, value in (f.partition(b":") for f in fields)}
            self.partial.set()
            self.bodies.append(await read_body(reader, headers))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


Test = Callable[[Guarded, Server], Awaitable[None]]


def run(tmp_path: Path, test: Test, engines: str = "crs", **waf: Any) -> None:
    """Run a test with a Bascule before a server."""
    file = tmp_path / "rules.conf"
    file.write_text(RULES)

    async def main() -> None:
        server = Server()
        async with origin(server.serve) as port:
            settings = {"mode": "block", "rules": engines, "directives": [str(file)], "body_limit": LIMIT, **waf}
            with guarded(f"127.0.0.1:{port}", settings) as bascule:
                await test(bascule, server)

    asyncio.run(main())


def post(body: bytes, content_type: bytes = FORM, fields: bytes = b"") -> bytes:
    """A request with a body of known length."""
    kind = b"content-type: %b\r\n" % content_type if content_type else b""
    head = b"POST / HTTP/1.1\r\nhost: x\r\n%b%bcontent-length: %d\r\n\r\n"
    return head % (kind, fields, len(body)) + body


def chunked(body: bytes, size: int = 1000) -> bytes:
    """A request whose body comes in chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % FORM
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def form(attack_at: int, size: int) -> bytes:
    """A form with an attack somewhere in it."""
    lead = (b"a=1234567&" * (attack_at // 10 + 1))[:attack_at]
    return (lead + b"&q=evil&" + b"b=1234567&" * (size // 10))[:size]


async def refused(bascule: Guarded, request: bytes, status: int = 403) -> Answer:
    """Send a request that must be refused with a reference to an event; returns the answer."""
    answer = await send(bascule.address, request)
    assert answer.status == status, answer
    event = await asyncio.to_thread(bascule.event, reference=answer.headers[b"x-bascule-ref"].decode())
    assert event["status"] == status
    return answer


def test_inspect_start_passes_the_rest_and_says_so(tmp_path: Path) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        for request in (post(form(LIMIT + 100, 3 * LIMIT)), chunked(form(LIMIT + 100, 3 * LIMIT))):
            assert (await send(bascule.address, request)).status == 200
        assert server.bodies == [form(LIMIT + 100, 3 * LIMIT)] * 2
        event = await asyncio.to_thread(bascule.event, status=200)
        assert event["notes"] == [f"request body beyond {LIMIT} bytes passed on uninspected"]
        await refused(bascule, post(form(LIMIT - 100, 3 * LIMIT)))
        await refused(bascule, chunked(form(LIMIT - 100, 3 * LIMIT)))
        assert len(server.bodies) == 2

    run(tmp_path, test, large_body="inspect-start")


def test_reject_refuses_a_large_body_whole_or_in_chunks(tmp_path: Path) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        await refused(bascule, post(form(2 * LIMIT, LIMIT + 1)), 413)
        await refused(bascule, chunked(form(2 * LIMIT, LIMIT + 1)), 413)
        assert (await send(bascule.address, post(form(2 * LIMIT, LIMIT)))).status == 200
        assert len(server.bodies) == 1

    run(tmp_path, test, large_body="reject")


@pytest.mark.parametrize("policy", ["reject", "stream"])
def test_detect_refuses_nothing_whatever_the_policy(tmp_path: Path, policy: str) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        body = form(2 * LIMIT, 4 * LIMIT)
        assert (await send(bascule.address, post(body))).status == 200
        assert server.bodies == [body]
        event = await asyncio.to_thread(bascule.event, status=200)
        assert "refused" in event["notes"][0] if policy == "reject" else event["rules"][0]["id"] == 100

    run(tmp_path, test, mode="detect", large_body=policy)


@pytest.mark.parametrize("place", [LIMIT - 4, LIMIT, 2 * LIMIT - 1030, 3 * LIMIT + 7, 8 * LIMIT - 8])
def test_stream_finds_an_attack_anywhere_and_passes_no_byte_of_it(tmp_path: Path, place: int) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        body = form(place, 8 * LIMIT)
        await refused(bascule, post(body))
        answer = await refused(bascule, chunked(body))
        event = bascule.event(reference=answer.headers[b"x-bascule-ref"].decode())
        assert [rule["id"] for rule in event["rules"]] == [100]
        assert server.bodies == []
        clean = form(place, 8 * LIMIT).replace(b"evil", b"good")
        assert (await send(bascule.address, chunked(clean))).status == 200
        assert server.bodies == [clean]

    run(tmp_path, test, large_body="stream")


def test_logic_rules_judge_the_start_and_the_windows_too(tmp_path: Path) -> None:
    attack = b"%27%20union%20select%20password%20from%20users%20--%20"

    async def test(bascule: Guarded, server: Server) -> None:
        for place in (LIMIT - 200, LIMIT - 10, 3 * LIMIT):
            await refused(bascule, post(form(place, 8 * LIMIT).replace(b"evil", attack)))
            assert (await send(bascule.address, post(form(place, 8 * LIMIT)))).status == 200
        shell = b"<?php system($_GET['c']); ?>" + b" " * LIMIT
        head = b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="a.jpg"\r\n\r\n'
        await refused(bascule, post(head + shell + b"\r\n--xyz--\r\n", b"multipart/form-data; boundary=xyz"))

    run(tmp_path, test, engines="logic", large_body="stream", directives=[])


def test_stream_passes_windows_on_before_the_body_ends(tmp_path: Path) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        reader, writer = await asyncio.open_connection(*bascule.address)
        body = form(1 << 20, 4 * LIMIT)
        writer.write(post(body)[: -LIMIT - 100])
        async with asyncio.timeout(30):
            await server.partial.wait()
        writer.write(body[-LIMIT - 100 :])
        assert (await read_answer(reader)).status == 200
        assert server.bodies == [body]
        writer.close()

    run(tmp_path, test, large_body="stream")


@pytest.mark.parametrize("rules", ["crs", "logic"])
def test_body_cut_at_the_limit_is_no_malformed_body(tmp_path: Path, rules: str) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        document = json.dumps({"a": ["text"] * LIMIT}).encode()
        parts = b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * LIMIT + b"\r\n--xyz--\r\n"
        assert (await send(bascule.address, post(document, b"application/json"))).status == 200
        assert (await send(bascule.address, post(parts, b"multipart/form-data; boundary=xyz"))).status == 200
        evil = json.dumps({"q": "evil", "a": ["text"] * LIMIT}).encode()
        await refused(bascule, post(evil, b"application/json"))
        await refused(bascule, post(parts.replace(b"xxxx", b"evil", 1), b"multipart/form-data; boundary=xyz"))
        if rules == "crs":
            await refused(bascule, post(document[:100], b"application/json"), 400)

    run(tmp_path, test, engines=rules)


def test_encoded_bodies_are_judged_decoded_and_bombs_are_bounded(tmp_path: Path) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        for coding, encode in ENCODERS.items():
            field = b"content-encoding: %b\r\n" % coding
            await refused(bascule, post(encode(b"q=evil"), FORM, field))
            assert (await send(bascule.address, post(encode(b"q=good"), FORM, field))).status == 200
            assert server.bodies.pop() == encode(b"q=good")
            if coding in (b"gzip", b"zstd"):
                await refused(bascule, post(encode(b"a=1&") + encode(b"q=evil"), FORM, field))
            bomb = encode(b"q=evil&" + b"a" * (16 << 20))
            await refused(bascule, post(bomb, FORM, field))
        await refused(bascule, post(b"q=good", FORM, b"content-encoding: gzip\r\n"), 400)
        await refused(bascule, post(b"q=good", FORM, b"content-encoding: rot13\r\n"), 400)
        await refused(bascule, post(gzip.compress(b"q=good"), FORM, b"content-encoding: gzip, gzip\r\n"), 400)
        assert server.bodies == []

    run(tmp_path, test)


@pytest.mark.parametrize("policy", ["inspect-start", "reject", "stream"])
def test_body_that_is_large_once_decoded(tmp_path: Path, policy: str) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        bomb = post(gzip.compress(form(1 << 20, 4 * LIMIT)), FORM, GZIP)
        if policy == "reject":
            await refused(bascule, bomb, 413)
            return
        if policy == "stream":
            await refused(bascule, post(gzip.compress(form(3 * LIMIT, 4 * LIMIT)), FORM, GZIP))
            await refused(bascule, post(gzip.compress(b"a" * (100 * LIMIT)), FORM, GZIP), 413)
            await refused(
                bascule, post(gzip.compress(random.randbytes(2 * LIMIT))[:-LIMIT] + b"x" * LIMIT, FORM, GZIP), 400
            )
            assert server.bodies == []
        else:
            await refused(bascule, post(brotli.compress(b"a" * (16 << 20)), FORM, b"content-encoding: br\r\n"), 400)
        assert (await send(bascule.address, bomb)).status == 200
        assert gzip.decompress(server.bodies.pop()) == form(1 << 20, 4 * LIMIT)
        if policy == "stream":
            return
        event = await asyncio.to_thread(bascule.event, status=200)
        assert event["notes"] == [f"request body decoded beyond {LIMIT} bytes passed on uninspected"]

    run(tmp_path, test, large_body=policy)


def test_nothing_hides_behind_a_content_type_or_a_duplicate(tmp_path: Path) -> None:
    async def test(bascule: Guarded, server: Server) -> None:
        document, markup = b'{"a": {"b": "evil"}}', b"<a><b>evil</b></a>"
        for body, kinds in {
            b"q=evil": (FORM, b"", b"text/plain", b"application/octet-stream", b"image/png", FORM + b"; charset=x"),
            document: (b"application/json", b"", FORM, b"text/plain", b"application/xml", b"application/vnd.a+json"),
            markup: (b"application/xml", b"text/xml", b"", FORM, b"application/json", b"image/svg+xml"),
            b"q=good&q=evil": (FORM,),
            b"q=ok&a=ev%69l&q=ok": (FORM,),
        }.items():
            for kind in kinds:
                answer = await send(bascule.address, post(body, kind))
                assert answer.status in (400, 403), (body, kind)
        for target in (b"/?q=ok&q=evil", b"/?q=ok&Q=ev%69l", b"/?%71=evil"):
            await refused(bascule, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)
        assert server.bodies == []

    run(tmp_path, test)


def test_a_body_that_came_while_the_request_waited_for_its_turn(tmp_path: Path) -> None:
    """A rate limit that delays lets the body arrive before the firewall has seen the head."""
    file = tmp_path / "rules.conf"
    file.write_text(RULES)

    async def main() -> None:
        server = Server()
        async with origin(server.serve) as port:
            waf = {"mode": "block", "rules": "crs", "directives": [str(file)], "body_limit": LIMIT}
            with guarded(f"127.0.0.1:{port}", waf, {"limit": "10/s burst 1 per client delay"}) as bascule:
                for body in (b"q=evil", b"q=good&r=" + b"a" * LIMIT, b"q=evil&r=" + b"a" * LIMIT):
                    fields = b"host: x\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (FORM, len(body))
                    answers = [await send(bascule.address, b"POST / HTTP/1.1\r\n" + fields + body) for _ in range(2)]
                    assert {answer.status for answer in answers} == {403 if b"evil" in body else 200}
        assert server.bodies == [b"q=good&r=" + b"a" * LIMIT] * 2

    asyncio.run(main())


def upload(content: bytes, filename: bytes = b"a.png", field: bytes = b"x") -> bytes:
    """A multipart body: a field, a file, a field."""
    head = b'--xyz\r\nContent-Disposition: form-data; name="%b"'
    return (
        head % b"title" + b"\r\n\r\nmine\r\n" + head % b"f" + b'; filename="%b"\r\n\r\n' % filename + content
        + b"\r\n" + head % b"q" + b"\r\n\r\n" + field + b"\r\n--xyz--\r\n"
    )  # fmt: skip


SQL = b"1' union select password from users -- "
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
FILES = {
    b"image/png": PNG + random.Random(1).randbytes(30 * LIMIT),
    b"application/pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</A(" + SQL + b")>>\n--\n" * LIMIT,
    b"application/zip": b"PK\3\4\0\0" + random.Random(2).randbytes(20 * LIMIT) + SQL,
    b"text/csv": b"id;name\n1;O'Neil -- or 1=1\n" * LIMIT,
}
"""Files as people send them; one has what is an attack in a field of a form."""


@pytest.mark.parametrize("engines", ["logic", "crs"])
def test_large_files_pass_and_nothing_hides_behind_them(tmp_path: Path, engines: str) -> None:
    form_type = b"multipart/form-data; boundary=xyz"

    async def test(bascule: Guarded, server: Server) -> None:
        for kind, content in FILES.items():
            for request in (post(content, kind), post(upload(content), form_type)):
                assert (await send(bascule.address, request)).status == 200, kind
        assert len(server.bodies) == 2 * len(FILES)
        attack = SQL + b"evil"
        for kind, body in (
            (form_type, upload(FILES[b"image/png"], field=attack)),
            (form_type, upload(b"a", field=b"word " * LIMIT + attack)),
            (form_type, upload(FILES[b"application/zip"]) + upload(b"a", field=attack)),
            (b"application/json", b'{"a": "%b", "q": "%b"}' % (b"word " * 4 * LIMIT, attack)),
            (b"application/xml", b"<a><b>%b</b><q>%b</q></a>" % (b"word " * 4 * LIMIT, attack)),
            (FORM, b"a=" + b"word+" * 4 * LIMIT + b"&q=" + attack.replace(b" ", b"+")),
            (b"", b"a=" + b"word+" * 4 * LIMIT + b"&q=" + attack.replace(b" ", b"+")),
        ):
            answer = await send(bascule.address, post(body, kind))
            assert answer.status in (400, 403), (kind, body[-80:])
        if engines == "logic":
            shell = b"<?php system($_GET['c']); ?>"
            await refused(bascule, post(FILES[b"image/png"] + shell, b"image/png"))
            await refused(bascule, post(upload(FILES[b"image/png"] + shell), form_type))
        assert len(server.bodies) == 2 * len(FILES)

    directives = {"directives": []} if engines == "logic" else {}
    run(tmp_path, test, engines=engines, **directives)


def test_named_rules_hold_to_the_end_of_a_large_body(tmp_path: Path) -> None:
    def files(*names: bytes) -> bytes:
        part = b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\n\r\n%b\r\n'
        return b"".join(part % (name, PNG + b"\1" * 2 * LIMIT) for name in names) + b"--xyz--\r\n"

    async def test(bascule: Guarded, server: Server) -> None:
        form_type = b"multipart/form-data; boundary=xyz"
        assert (await send(bascule.address, post(files(b"a.png", b"b.png", b"c.png"), form_type))).status == 200
        await refused(bascule, post(files(b"a.png", b"b.png", b"c.exe"), form_type))
        await refused(bascule, post(files(b"a.png", b"b.png", b"c.png", b"d.png"), form_type))
        await refused(bascule, post(upload(FILES[b"image/png"], field=b"our forbidden word"), form_type))
        await refused(bascule, post(b"a=" + b"x" * 3 * LIMIT + b"&q=forbidden", FORM))
        assert len(server.bodies) == 1

    uploads = {"allow": ["png"], "max_files": 3, "match_content": True}
    run(tmp_path, test, engines="logic", directives=[], filters={"uploads": uploads, "words": ["forbidden"]})
