"""WebSockets through the running proxy: a client's text messages are judged, and nothing else waits or changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.server.harness import wait_for
from tests.support.reflector import origin
from tests.waf.wire.world import Guarded, guarded

RULES = """
SecRule ARGS:/^websocket/ "@contains evil" "id:100,phase:2,deny,log,msg:'found'"
SecRule ARGS:websocket.user.name "@streq root" "id:101,phase:2,deny,log,msg:'found'"
"""
LIMIT = 2048
Test = Callable[[Guarded, list[Any]], Awaitable[None]]


def run(tmp_path: Path, test: Test, compression: str | None = "deflate", **waf: Any) -> None:
    """Run a test with a Bascule before a WebSocket server, which notes what it gets and sends it back."""
    file = tmp_path / "rules.conf"
    file.write_text(RULES)
    seen: list[Any] = []

    async def handle(connection: ServerConnection) -> None:
        try:
            while True:
                seen.append(await connection.recv())
                await connection.send(seen[-1])
        except ConnectionClosed:
            seen.append(connection.close_code)

    async def main() -> None:
        async with serve(handle, "127.0.0.1", 0, compression=compression, max_size=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            settings = {"mode": "block", "rules": "crs", "directives": [str(file)], "body_limit": LIMIT, **waf}
            with guarded(f"127.0.0.1:{port}", settings, {"upgrades": ["websocket"]}) as bascule:
                await test(bascule, seen)

    asyncio.run(main())


def client(bascule: Guarded, **options: Any) -> connect:
    host, port = bascule.address
    return connect(f"ws://{host}:{port}/chat?room=1", proxy=None, max_size=None, **options)


async def closed(connection: ClientConnection) -> tuple[int | None, str | None]:
    """Wait for the end; return code and reason of the Close."""
    async with asyncio.timeout(30):
        await connection.wait_closed()
    return connection.close_code, connection.close_reason


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    await asyncio.to_thread(wait_for, condition, "what the server is told")


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_pass_and_a_verdict_closes(tmp_path: Path, compression: str | None) -> None:
    async def test(bascule: Guarded, seen: list[Any]) -> None:
        async with client(bascule, compression=compression) as connection:
            for message in ("hello", "hello " * 300, b"\0binary evil", b"x" * 300_000, '{"user": {"name": "me"}}', ""):
                await connection.send(message)
                assert await connection.recv() == message
            await connection.send(["frag", "ment", "ed"])
            assert await connection.recv() == "fragmented"
            await (await connection.ping())
            count = len(seen)
            await connection.send("this is evil")
            code, reason = await closed(connection)
        assert code == 1008
        event = await asyncio.to_thread(bascule.event, reference=str(reason).removeprefix("refused: "))
        assert event["rules"][0]["id"] == 100
        assert event["rules"][0]["matched"][0]["variable"] == "ARGS:websocket"
        await until(lambda: seen[count:] == [1008])

    run(tmp_path, test, compression=compression)


@pytest.mark.parametrize(
    "message",
    [json.dumps({"user": {"name": "root"}}), ["all is ", "ev", "il"], '["\\u0065vil"]', "x" * (LIMIT - 4) + "evil"],
)
def test_nothing_hides_in_a_message(tmp_path: Path, message: str | list[str]) -> None:
    async def test(bascule: Guarded, seen: list[Any]) -> None:
        async with client(bascule) as connection:
            await connection.send(message)
            assert (await closed(connection))[0] == 1008
        await until(lambda: seen == [1008])

    run(tmp_path, test)


def test_message_that_is_too_large_to_judge(tmp_path: Path) -> None:
    async def test(bascule: Guarded, seen: list[Any]) -> None:
        async with client(bascule) as connection:
            await connection.send("x" * (LIMIT + 1))
            assert (await closed(connection))[0] == 1009
        await until(lambda: seen == [1009])
        event = await asyncio.to_thread(bascule.event, status=101)
        assert event["notes"] == [f"WebSocket: message of more than {LIMIT} bytes"]

    run(tmp_path, test)


def test_malformed_frame(tmp_path: Path) -> None:
    async def test(bascule: Guarded, seen: list[Any]) -> None:
        async with client(bascule) as connection:
            connection.transport.write(Frame(Opcode.TEXT, b"no mask").serialize(mask=False))
            assert (await closed(connection))[0] == 1002
        await until(lambda: seen == [1002])
        event = await asyncio.to_thread(bascule.event, status=101)
        assert event["notes"] == ["WebSocket: frame of a client without a mask"]

    run(tmp_path, test)


def test_detect_changes_nothing(tmp_path: Path) -> None:
    async def test(bascule: Guarded, seen: list[Any]) -> None:
        async with client(bascule) as connection:
            for message in ("evil", "x" * (LIMIT + 1), "evil, after what could not be read"):
                await connection.send(message)
                assert await connection.recv() == message
        event = await asyncio.to_thread(bascule.event, status=101)
        assert [rule["id"] for rule in event["rules"]] == [100]
        assert event["verdict"]["enforced"] is False

    run(tmp_path, test, mode="detect")


def test_switched_off(tmp_path: Path) -> None:
    async def test(bascule: Guarded, seen: list[Any]) -> None:
        async with client(bascule) as connection:
            await connection.send("evil")
            assert await connection.recv() == "evil"
        assert bascule.events() == []

    run(tmp_path, test, websocket=False)


def test_close_waits_for_the_end_of_the_servers_frame(tmp_path: Path) -> None:
    """A Close in the middle of a frame would be read as its payload."""
    file = tmp_path / "rules.conf"
    file.write_text(RULES)
    half = asyncio.Event()
    data = Frame(Opcode.BINARY, b"z" * 1000).serialize(mask=False)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        writer.write(data[:500])
        refused = await reader.readexactly(6)
        assert refused[0] == 0x88  # the server hears of the end at once
        half.set()
        writer.write(data[500:] + data)
        await reader.read()

    async def main() -> None:
        async with origin(handle) as port:
            settings = {"mode": "block", "rules": "crs", "directives": [str(file)]}
            with guarded(f"127.0.0.1:{port}", settings, {"upgrades": ["websocket"]}) as bascule:
                reader, writer = await asyncio.open_connection(*bascule.address)
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                received = await reader.readexactly(500)
                writer.write(Frame(Opcode.TEXT, b"evil").serialize(mask=True))
                async with asyncio.timeout(30):
                    received += await reader.read(-1)
                assert half.is_set()
                assert received[: len(data)] == data
                assert received[len(data) :].startswith(b"\x88")
                writer.close()

    asyncio.run(main())
