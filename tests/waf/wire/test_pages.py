"""Pages watched for defacement by the running proxy, with copies that `bascule pages keep` made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from bascule.cli.main import app
from bascule.config.response import PageWatch
from bascule.waf.response.pages import Copy, PageError, Pages, write
from tests.support.reflector import origin
from tests.waf.wire.world import Guarded, guarded, send

GOOD = b"<title>Shop</title><meta csrf='%d'><p>card 4111111111111111</p>"
Served = dict[bytes, bytes]


def keep(folder: Path, port: int, watch: dict[str, Any]) -> Result:
    """Run `bascule pages keep` on a configuration."""
    file = folder / "c.yaml"
    waf = {"mode": "block", "response": {"pages": watch}}
    with file.open("w") as stream:
        YAML().dump(
            {"listen": "127.0.0.1:0", "sites": {"shop.example": {"waf": waf, "routes": {"/": [f"127.0.0.1:{port}"]}}}},
            stream,
        )
    return CliRunner().invoke(app, ["pages", "keep", str(file)])


def run(
    folder: Path, test: Callable[[Guarded, Served], Awaitable[None]], response: dict[str, Any], **watch: Any
) -> None:
    """Keep the pages ``/`` and ``/b`` of an origin, then run a test with a Bascule before it."""
    served = {b"/": GOOD, b"/b": b"fine", b"/other": b"x"}
    count = iter(range(1000))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].partition(b"?")[0]
            body = served[path] % next(count) if b"%d" in served[path] else served[path]
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            )

    async def main() -> None:
        pages = {"paths": ["/", "/b"], "copies": str(folder / "copies"), "ignore": ["csrf='[0-9]+'"], **watch}
        async with origin(serve) as port:
            done = await asyncio.to_thread(keep, folder, port, pages)
            assert done.exit_code == 0, done.output
            assert "2 pages kept" in done.output
            with guarded(f"127.0.0.1:{port}", {"mode": "block", "response": {**response, "pages": pages}}) as bascule:
                await test(bascule, served)

    asyncio.run(main())


async def ask(bascule: Guarded, target: bytes) -> Any:
    return await send(bascule.address, b"GET %b HTTP/1.1\r\nhost: shop.example\r\n\r\n" % target)


def test_defaced_page_is_told(tmp_path: Path) -> None:
    async def test(bascule: Guarded, served: Served) -> None:
        for target in (b"/", b"/?a=1", b"/b"):
            assert (await ask(bascule, target)).status == 200
        served[b"/b"] = served[b"/other"] = b"hacked"
        assert (await ask(bascule, b"/b")).body == b"hacked"
        assert (await ask(bascule, b"/other")).body == b"hacked"
        event = await asyncio.to_thread(bascule.event, target="/b")
        assert [rule["id"] for rule in event["rules"]] == [720001]
        assert [event["target"] for event in bascule.events()] == ["/b"]

    run(tmp_path, test, {})


def test_copy_is_served_in_its_place(tmp_path: Path) -> None:
    async def test(bascule: Guarded, served: Served) -> None:
        served[b"/"] = b"hacked"
        answer = await ask(bascule, b"/")
        assert answer.status == 200
        assert answer.headers[b"content-type"] == b"text/html"
        assert answer.body.startswith(b"<title>Shop</title>")
        assert b"card ************1111" in answer.body  # the mask holds for copies too
        assert answer.headers[b"x-bascule-ref"]

    run(tmp_path, test, {"mask": ["card"]}, restore=True)


def test_copies_must_be_there(tmp_path: Path) -> None:
    watch = PageWatch(paths=("/", "/b"), copies=str(tmp_path))
    write(watch, Copy("/", "text/html", "2030-01-01"), b"content")
    with pytest.raises(PageError, match=r"there is no copy of /b .*bascule pages keep"):
        Pages(watch)
    write(watch, Copy("/b", "text/html", "2030-01-01"), b"content")
    assert Pages(watch).by_path[b"/b"].content == b"content"
    next(tmp_path.glob("*.page")).write_bytes(b"nonsense")
    with pytest.raises(PageError, match="cannot be read"):
        Pages(watch)


def test_what_is_no_good_page_is_not_kept(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Oh\r\ncontent-length: 0\r\n\r\n")

    async def main() -> None:
        async with origin(serve) as port:
            done = await asyncio.to_thread(keep, tmp_path, port, {"paths": ["/"], "copies": str(tmp_path / "c")})
        assert done.exit_code == 1
        assert "answers 503 for /: there is no good page to keep" in done.output

    asyncio.run(main())
