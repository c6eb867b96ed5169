"""Upgraded connections: WebSocket with real peers, plain tunnels, both half-closes; and Server-Sent Events."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import websockets.asyncio.server
from websockets.sync.client import connect as websocket

from tests.support.clients import EndedError, Message, Wire, connect, request
from tests.support.origins import Origin, answer, mirror
from tests.support.program import Bascule, wait_for


class EchoServer:
    """A WebSocket server that echoes, in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._started: queue.Queue[int] = queue.Queue()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)
        self._thread.start()
        self.port = self._started.get(timeout=20)

    async def _run(self) -> None:
        self._over = asyncio.Event()

        async def echo(connection: websockets.asyncio.server.ServerConnection) -> None:
            async for message in connection:
                await connection.send(message)

        async with websockets.asyncio.server.serve(echo, "127.0.0.1", 0, max_size=1 << 26) as server:
            self._started.put(next(iter(server.sockets)).getsockname()[1])
            await self._over.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    server = EchoServer()
    yield server.port
    server.stop()


def config(origin: Origin) -> dict[str, Any]:
    to = {"servers": [origin.address], "retries": {"attempts": 0}}
    return {
        "sites": {
            "site.test": {"routes": {"/": to, "/none": {**to, "upgrades": []}, "/any": {**to, "upgrades": ["*"]}}},
            "short.test": {"timeouts": {"response_idle": 0.6}, "routes": {"/": to}},
        }
    }


UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "eA=="}
SWITCH = (
    b"HTTP/1.1 101 Whatever\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"
    b"Server: nginx\r\nX-Powered-By: y\r\n\r\n"
)


def relay(echo_port: int) -> Any:
    """A handler that hands the connection to the WebSocket server."""

    def handle(wire: Wire, message: Message) -> bool:
        with connect(echo_port) as other:
            other.send(message.raw)

            def back() -> None:
                try:
                    while data := other.sock.recv(65536):
                        wire.send(data)
                    wire.end()
                except OSError:
                    return

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            try:
                while data := wire.sock.recv(65536):
                    other.send(data)
            except OSError:
                pass
            return False

    return handle


@pytest.mark.parametrize("size", [1, 125, 70_000, 8_000_000])
def test_websocket(origin: Origin, port: int, echo_port: int, size: int) -> None:
    origin.handler = relay(echo_port)
    with websocket("ws://site.test/chat", sock=connect(port).sock, max_size=1 << 26) as client:
        for kind in ("x" * size, b"\0" * size):
            client.send(kind)
            assert client.recv(timeout=20) == kind
    assert origin.seen[-1]["upgrade"] == "websocket"
    assert origin.seen[-1]["connection"] == "upgrade"


def tunnel(port: int, target: str = "/", host: str = "site.test", **fields: str) -> Wire:
    wire = connect(port)
    wire.send(request(target, host=host, **{**UPGRADE, **fields}))
    return wire


def test_bytes_pass_both_ways_also_those_that_came_early(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(SWITCH + b"at once")
        assert wire.exactly(5) == b"early"
        wire.send(wire.exactly(4))
        return False

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request(**UPGRADE) + b"early")
        head = wire.head()
        assert (head.status, head["upgrade"], head["sec-websocket-accept"]) == (101, "websocket", "x")
        assert not {"server", "x-powered-by"} & {name for name, _ in head.fields}
        assert wire.exactly(7) == b"at once"
        wire.send(b"late")
        assert wire.exactly(4) == b"late"
        assert wire.at_end()


def test_the_client_may_end_first(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(SWITCH)
        wire.send(b"got " + wire.rest())
        return False

    origin.handler = handle
    with tunnel(port) as wire:
        assert wire.head().status == 101
        wire.send(b"all")
        wire.end()
        assert wire.rest() == b"got all"


def test_the_server_may_end_first(origin: Origin, port: int) -> None:
    got: queue.Queue[bytes] = queue.Queue()

    def handle(wire: Wire, message: Message) -> bool:
        wire.send(SWITCH + b"all")
        wire.end()
        got.put(wire.rest())
        return False

    origin.handler = handle
    with tunnel(port) as wire:
        assert wire.head().status == 101
        assert wire.rest() == b"all"
        wire.send(b"x" * 1_000_000)
        wire.end()
        assert got.get(timeout=20) == b"x" * 1_000_000


def test_both_ends_end_and_nothing_stays(origin: Origin, port: int, bascule: Bascule) -> None:
    before = bascule.sockets()
    test_the_server_may_end_first(origin, port)
    test_the_client_may_end_first(origin, port)
    wait_for(lambda: bascule.sockets() <= before, "the tunnels to be gone")


def test_a_silent_tunnel_is_ended(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(SWITCH)
        return wire.at_end() and False

    origin.handler = handle
    with tunnel(port, host="short.test") as wire:
        assert wire.head().status == 101
        assert wire.at_end()


def test_a_server_may_refuse(origin: Origin, port: int) -> None:
    origin.handler = lambda wire, message: wire.send(answer(b"no", "403 Forbidden")) or True
    with tunnel(port) as wire:
        assert wire.response().body == b"no"
        wire.send(request())
        assert wire.response().status == 403


@pytest.mark.parametrize(
    ("target", "fields", "passed"),
    [
        ("/", {}, True),
        ("/none", {}, False),
        ("/", {"Upgrade": "h2c"}, False),
        ("/any", {"Upgrade": "h2c"}, True),
        ("/", {"Connection": "close"}, False),
    ],
)
def test_only_upgrades_that_the_route_allows_are_asked_for(
    origin: Origin, port: int, target: str, fields: dict[str, str], passed: bool
) -> None:
    with tunnel(port, target, **fields) as wire:
        told = dict(wire.response().json()["fields"])
        assert ("upgrade" in told) is passed
        assert ("connection" in told) is passed


def test_http_1_0_cannot_upgrade(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request(version="HTTP/1.0", **UPGRADE))
        assert "upgrade" not in dict(wire.response().json()["fields"])


def test_a_switch_that_nobody_asked_for_is_a_fault(origin: Origin, port: int) -> None:
    origin.handler = lambda wire, message: wire.send(SWITCH + b"HTTP/1.1 200 OK\r\n\r\nsmuggled") or True
    with tunnel(port, "/none") as wire:
        response = wire.response()
        assert response.status == 502
        assert b"smuggled" not in response.body
    with connect(port) as wire:
        wire.send(request())
        assert wire.response().status == 502
    origin.handler = mirror


def test_events_arrive_one_by_one(origin: Origin, port: int) -> None:
    """Each event is sent only after the client has the one before: nothing may be held back."""
    go: queue.Queue[None] = queue.Queue()

    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(5):
            event = b"data: %d\n\n" % number
            wire.send(b"%x\r\n%b\r\n" % (len(event), event))
            go.get(timeout=20)
        wire.send(b"0\r\n\r\n")
        return True

    origin.handler = handle
    with connect(port) as wire:
        for _ in range(2):
            wire.send(request(Accept="text/event-stream"))
            assert wire.head()["content-type"] == "text/event-stream"
            for number in range(5):
                assert wire.chunk() == b"data: %d\n\n" % number
                go.put(None)
            assert wire.chunk() == b""
            assert wire.exactly(2) == b"\r\n"


def test_a_stream_that_its_client_leaves_ends_at_the_server(origin: Origin, port: int) -> None:
    left: queue.Queue[bool] = queue.Queue()

    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                wire.send(b"data: x\n\n")
                wire.sock.settimeout(0.05)
                try:
                    if not wire.more():
                        break
                except TimeoutError:
                    continue
        except (OSError, EndedError):
            pass
        left.put(True)
        return False

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request())
        assert wire.head().status == 200
    assert left.get(timeout=20)


def test_a_body_and_its_response_may_flow_at_once(origin: Origin, port: int) -> None:
    """Each piece of the response answers one of the request, as gRPC-like streams do."""

    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while piece := wire.chunk():
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        wire.exactly(2)
        wire.send(b"0\r\n\r\n")
        return True

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request("/", "POST", Transfer_Encoding="chunked") + b"1\r\na\r\n")
        assert wire.head().status == 200
        for piece in (b"a", b"b", b"c"):
            assert wire.chunk() == piece
            wire.send(b"0\r\n\r\n" if piece == b"c" else b"1\r\n%c\r\n" % (piece[0] + 1))
        assert wire.chunk() == b""
