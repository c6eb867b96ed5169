"""Cookies of a server, signed and encrypted, through the running proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.reflector import origin
from tests.waf.wire.world import Guarded, guarded, send

SECRET = "a-secret-of-32-characters-or-more"


def run(test: Callable[[Guarded, list[bytes]], Awaitable[None]], guard: dict[str, Any], **waf: Any) -> None:
    """Run a test with a Bascule before an origin that sets two cookies; what it was sent is noted."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            got.append(head.lower().partition(b"cookie: ")[2].partition(b"\r\n")[0])
            writer.write(
                b"HTTP/1.1 200 OK\r\nset-cookie: session=abc; Path=/\r\nset-cookie: _js=1\r\ncontent-length: 0\r\n\r\n"
            )

    async def main() -> None:
        async with origin(serve) as port:
            response = {"cookies": {"secret": SECRET, "leave": ["_*"], **guard}}
            with guarded(f"127.0.0.1:{port}", {"mode": "block", "response": response, **waf}) as bascule:
                await test(bascule, got)

    asyncio.run(main())


async def ask(bascule: Guarded, cookie: bytes = b"") -> tuple[int, bytes, str]:
    """Return status, the session cookie that was set, and the reference of a refusal."""
    field = b"cookie: %b\r\n" % cookie if cookie else b""
    reader, writer = await asyncio.open_connection(*bascule.address)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % field)
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    fields = [line.partition(b": ")[::2] for line in head.split(b"\r\n")[1:]]
    session = next((v.partition(b";")[0] for n, v in fields if n == b"set-cookie" and v.startswith(b"session=")), b"")
    assert not session or (b"set-cookie", b"_js=1") in fields
    return int(head.split(b" ")[1]), session, next((v.decode() for n, v in fields if n == b"x-bascule-ref"), "")


@pytest.mark.parametrize("protect", ["sign", "encrypt"])
def test_cookie_comes_back_to_the_server_as_it_was_set(protect: str) -> None:
    async def test(bascule: Guarded, got: list[bytes]) -> None:
        _, session, _ = await ask(bascule)
        assert session not in (b"", b"session=abc")
        assert (b"abc" in session) == (protect == "sign")
        assert (await ask(bascule, session + b"; _js=2"))[0] == 200
        assert got[-1] == b"session=abc; _js=2"

        status, _, reference = await ask(bascule, session[:-1] + (b"A" if session[-1:] != b"A" else b"B"))
        assert status == 403
        event = await asyncio.to_thread(bascule.event, reference=reference)
        assert [rule["id"] for rule in event["rules"]] == [702001]
        assert event["rules"][0]["matched"][0]["variable"] == "REQUEST_COOKIES:session"

        assert (await ask(bascule, b"session=abc; _js=2"))[0] == 200
        assert got[-1] == b"_js=2"
        event = await asyncio.to_thread(bascule.event, status=200)
        assert [rule["id"] for rule in event["rules"]] == [702002]
        assert len(got) == 3

    run(test, {"protect": protect})


def test_detect_protects_nothing_new_and_accepts_what_is_protected() -> None:
    sealed: list[bytes] = []

    async def block(bascule: Guarded, got: list[bytes]) -> None:
        sealed.append((await ask(bascule))[1])

    async def detect(bascule: Guarded, got: list[bytes]) -> None:
        assert (await ask(bascule))[1] == b"session=abc"
        await ask(bascule, sealed[0])
        assert got[-1] == b"session=abc"
        await ask(bascule, sealed[0] + b"x")
        assert got[-1] == sealed[0].lower() + b"x"

    run(block, {})
    run(detect, {}, mode="detect")


def test_a_cookie_from_before_can_be_refused() -> None:
    async def test(bascule: Guarded, got: list[bytes]) -> None:
        assert (await ask(bascule, b"session=abc"))[0] == 403
        answer = await send(bascule.address, b"GET / HTTP/1.1\r\nhost: x\r\ncookie: session=\r\n\r\n")
        assert answer.status == 200

    run(test, {}, answers={"cookie-unprotected": "block"})
