"""Hidden fields of forms, signed and checked by the running proxy."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Any

import pytest

from tests.support.reflector import origin
from tests.waf.wire.world import Guarded, guarded, send

PAGE = b"<form method=post><input type=hidden name=price value=100><input name=count></form>"
TOKEN = re.compile(rb'name="_bascule" value="([\w-]+)"')
FORM = b"application/x-www-form-urlencoded"


def run(test: Any, mode: str = "block") -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            got.append(head.partition(b"\r\n")[0] + b"\n" + await reader.readexactly(length))
            coded = head.startswith(b"GET /gz")
            body = gzip.compress(PAGE) if coded else PAGE
            fields = b"content-encoding: gzip\r\n" if coded else b""
            writer.write(
                b'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\netag: "a"\r\n%bcontent-length: %d\r\n\r\n%b'
                % (fields, len(body), body)
            )

    async def main() -> None:
        async with origin(serve) as port:
            response = {"forms": {"names": ["price"], "secret": "a-secret-of-32-characters-or-more"}}
            with guarded(f"127.0.0.1:{port}", {"mode": mode, "response": response}) as bascule:
                await test(bascule, got)

    asyncio.run(main())


async def post(bascule: Guarded, body: bytes, kind: bytes = FORM, target: bytes = b"/buy") -> Any:
    head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return await send(bascule.address, head % (target, kind, len(body)) + body)


def test_form_comes_back_as_the_page_gave_it() -> None:
    async def test(bascule: Guarded, got: list[bytes]) -> None:
        page = await send(bascule.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert TOKEN.sub(b"", page.body).replace(b'<input type="hidden" >', b"") == PAGE
        assert b"etag" not in page.headers
        token = TOKEN.findall(page.body)[0]
        coded = await send(bascule.address, b"GET /gz HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n")
        assert TOKEN.findall(coded.body)

        assert (await post(bascule, b"price=100&count=2&_bascule=" + token)).status == 200
        assert got[-1] == b"POST /buy HTTP/1.1\nprice=100&count=2"
        parts = b"".join(
            b'--q\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % pair
            for pair in ((b"price", b"100"), (b"_bascule", token))
        )
        assert (await post(bascule, parts + b"--q--\r\n", b"multipart/form-data; boundary=q")).status == 200
        assert b"_bascule" not in got[-1]
        target = b"/buy?price=100&_bascule=" + token
        assert (await send(bascule.address, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)).status == 200
        assert got[-1] == b"GET /buy?price=100 HTTP/1.1\n"
        assert (await post(bascule, b"count=2")).status == 200

        before = len(got)
        for body, kind in (
            (b"price=1&count=2&_bascule=" + token, FORM),
            (b"price=100&count=2", FORM),
            (b'{"order": {"price": 1}}', b"application/json"),
        ):
            answer = await post(bascule, body, kind)
            assert answer.status == 403
        event = await asyncio.to_thread(bascule.event, reference=answer.headers[b"x-bascule-ref"].decode())
        assert [rule["id"] for rule in event["rules"]] == [710002]
        assert (await post(bascule, b"", target=b"/buy?price=1")).status == 403
        assert len(got) == before

    run(test)


@pytest.mark.parametrize("target", [b"/", b"/gz"])
def test_detect_changes_nothing(target: bytes) -> None:
    async def test(bascule: Guarded, got: list[bytes]) -> None:
        page = await send(bascule.address, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)
        assert page.body == (gzip.compress(PAGE) if target == b"/gz" else PAGE)
        assert page.headers[b"etag"] == b'"a"'
        assert (await post(bascule, b"price=1")).status == 200
        event = await asyncio.to_thread(bascule.event, method="POST")
        assert [rule["id"] for rule in event["rules"]] == [710002]

    run(test, mode="detect")
