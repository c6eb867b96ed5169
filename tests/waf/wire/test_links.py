"""Links of pages and redirects, signed and checked by the running proxy."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tests.support.reflector import origin
from tests.waf.wire.world import Guarded, guarded, send

PAGE = b'<a href="view?id=5&amp;tab=1">order</a>'
LINK = re.compile(rb"(_bascule_link=[\w-]+)")


def run(test: Any, mode: str = "block") -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            got.append(head.partition(b"\r\n")[0])
            if head.startswith(b"GET /orders/new"):
                writer.write(b"HTTP/1.1 303 See Other\r\nlocation: /orders/view?id=5\r\ncontent-length: 0\r\n\r\n")
            else:
                writer.write(
                    b'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\netag: "a"\r\ncontent-length: %d\r\n\r\n%b'
                    % (len(PAGE), PAGE)
                )

    async def main() -> None:
        async with origin(serve) as port:
            links = {"names": ["id"], "paths": ["/orders/"], "secret": "a-secret-of-32-characters-or-more"}
            with guarded(f"127.0.0.1:{port}", {"mode": mode, "response": {"links": links}}) as bascule:
                await test(bascule, got)

    asyncio.run(main())


async def get(bascule: Guarded, target: bytes) -> Any:
    return await send(bascule.address, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)


def test_links_come_back_as_pages_and_redirects_gave_them() -> None:
    async def test(bascule: Guarded, got: list[bytes]) -> None:
        page = await get(bascule, b"/orders/list")
        mac = LINK.findall(page.body)[0]
        assert page.body == PAGE.replace(b'">', b'&amp;%b">' % mac)
        assert page.headers[b"etag"] == b'W/"a"'
        assert (await get(bascule, b"/orders/view?id=5&tab=2&" + mac)).status == 200
        assert got[-1] == b"GET /orders/view?id=5&tab=2 HTTP/1.1"
        sent = (await get(bascule, b"/orders/new")).headers[b"location"]
        assert sent == b"/orders/view?id=5&" + mac
        assert (await get(bascule, b"/else?id=7")).status == 200

        before = len(got)
        answer = await get(bascule, b"/orders/view?id=6&" + mac)
        assert answer.status == 403
        event = await asyncio.to_thread(bascule.event, reference=answer.headers[b"x-bascule-ref"].decode())
        assert [rule["id"] for rule in event["rules"]] == [710003]
        assert (await get(bascule, b"/orders/view?id=5")).status == 403
        assert len(got) == before

    run(test)


def test_detect_changes_nothing() -> None:
    async def test(bascule: Guarded, got: list[bytes]) -> None:
        assert (await get(bascule, b"/orders/list")).body == PAGE
        assert (await get(bascule, b"/orders/new")).headers[b"location"] == b"/orders/view?id=5"
        assert (await get(bascule, b"/orders/view?id=5")).status == 200
        event = await asyncio.to_thread(bascule.event, target="/orders/view?id=5")
        assert [rule["id"] for rule in event["rules"]] == [710003]

    run(test, mode="detect")
