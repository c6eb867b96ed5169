"""The connection to a server by itself: what it tells its user, and when it may be kept."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from bascule.config.pools import Pool, Server
from bascule.http.h1.head import ResponseParser
from bascule.http.message import ResponseHead
from bascule.telemetry import causes
from bascule.upstream.connection import MAX_HEAD, OriginConnection
from bascule.upstream.connector import Connector
from bascule.upstream.server import ServerState

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Transport:
    """Remembers what was done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.done.append(name)


class User:
    """An exchange that notes what it is told."""

    method = b"GET"

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_informational(self, head: ResponseHead) -> None:
        self.told.append(head.status)

    def on_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        self.told.append((head.status, content, complete))

    def on_content(self, content: bytes, complete: bool) -> None:
        self.told.append((content, complete))

    def on_switch(self, head: ResponseHead, rest: bytes) -> None:
        self.told.append(("switch", rest))

    def on_tunnel_data(self, data: bytes) -> None:
        self.told.append(("data", data))

    def on_tunnel_eof(self) -> None:
        self.told.append("eof")

    def on_origin_fault(self, cause: str) -> None:
        self.told.append(cause)

    def on_origin_lost(self) -> None:
        self.told.append("lost")

    def on_origin_blocked(self, blocked: bool) -> None:
        self.told.append(("blocked", blocked))


class World:
    def __init__(self, **config: Any) -> None:
        pool = Pool(**config)
        self.loop = asyncio.new_event_loop()
        self.connector = Connector(pool, ResponseParser(), self.loop)
        self.loop.close()
        self.server: ServerState = ServerState(pool, Server.model_validate("127.0.0.1:1"), 0)
        self.connection = self.open()
        self.user = cast(User, self.connection.user)

    def open(self) -> OriginConnection:
        connection = OriginConnection(self.connector, self.server)
        connection.connection_made(cast(asyncio.BaseTransport, Transport()))
        connection.user = User()
        return connection

    def feed(self, *pieces: bytes) -> list[Any]:
        for piece in pieces:
            self.connection.data_received(piece)
        return self.user.told

    def kept(self) -> bool:
        """Whether the connection is used again after a release."""
        self.connection.release(0.0)
        return self.connector.kept(self.server, 0.0) is self.connection


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"

RESPONSES: list[tuple[list[bytes], list[Any], bool]] = [
    ([LENGTH + b"abc"], [(200, b"abc", True)], True),
    ([LENGTH, b"a", b"bc"], [(200, b"", False), (b"a", False), (b"bc", True)], True),
    ([LENGTH + b"abcd"], [(200, b"abc", True)], False),
    ([LENGTH[:10], LENGTH[10:], b"abc"], [(200, b"", False), (b"abc", True)], True),
    ([b"HTTP/1.1 204 x\r\n\r\n"], [(204, b"", True)], True),
    ([b"HTTP/1.1 204 x\r\n\r\nx"], [(204, b"", True)], False),
    ([CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"], [(200, b"abc", True)], True),
    ([CHUNKED, b"3\r\nabc\r\n", b"0\r\n\r\n"], [(200, b"", False), (b"abc", False), (b"", True)], True),
    ([CHUNKED + b"0\r\n\r\nx"], [(200, b"", True)], False),
    ([b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\n\r\n" + LENGTH + b"abc"], [100, 103, (200, b"abc", True)], True),
    ([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"], [(200, b"", True)], False),
    ([b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"], [(200, b"", True)], False),
    ([b"nonsense\r\n\r\n"], [causes.ORIGIN_PROTOCOL_ERROR], False),
    ([CHUNKED + b"x\r\n"], [causes.ORIGIN_PROTOCOL_ERROR], False),
    ([CHUNKED, b"x\r\n"], [(200, b"", False), causes.ORIGIN_PROTOCOL_ERROR], False),
    ([b"x" * (MAX_HEAD + 1)], [causes.ORIGIN_HEADER_TOO_LARGE], False),
]


@pytest.mark.parametrize(("pieces", "told", "kept"), RESPONSES)
def test_responses(pieces: list[bytes], told: list[Any], kept: bool) -> None:
    world = World()
    assert world.feed(*pieces) == told
    assert world.kept() is kept


def test_a_body_that_ends_with_the_connection() -> None:
    world = World()
    world.feed(b"HTTP/1.1 200 OK\r\n\r\nabc", b"d")
    assert world.connection.eof_received() is False
    assert world.user.told == [(200, b"abc", False), (b"d", False), (b"", True)]
    assert not world.kept()


def test_a_body_that_should_end_with_the_connection_is_not_whole_after_a_reset() -> None:
    world = World()
    world.feed(b"HTTP/1.1 200 OK\r\n\r\nabc")
    world.connection.connection_lost(ConnectionResetError())
    assert world.user.told == [(200, b"abc", False), "lost"]


@pytest.mark.parametrize("begun", [b"", LENGTH[:9], LENGTH + b"a", CHUNKED + b"3\r\n"])
def test_a_loss_before_the_end(begun: bytes) -> None:
    world = World()
    if begun:
        world.feed(begun)
    assert world.connection.eof_received() is False
    world.connection.connection_lost(None)
    assert world.user.told[-1] == "lost"


def test_a_tunnel() -> None:
    world = World()
    assert world.feed(b"HTTP/1.1 101 x\r\n\r\nearly", b"late") == [("switch", b"early"), ("data", b"late")]
    assert world.connection.eof_received() is True
    assert world.user.told[-1] == "eof"
    world.connection.release(0.0)
    assert cast(Any, world.connection.transport).done[-1] == "close"


def test_a_server_that_speaks_unasked_is_left() -> None:
    world = World()
    world.feed(LENGTH + b"abc")
    world.connection.release(0.0)
    world.connection.data_received(b"HTTP/1.1 408 x\r\n\r\n")
    assert world.connector.kept(world.server, 0.0) is None
    assert cast(Any, world.connection.transport).done[-1] == "abort"


def test_a_kept_connection_that_the_server_closes_is_forgotten() -> None:
    world = World()
    world.feed(LENGTH + b"abc")
    world.connection.release(0.0)
    world.connection.eof_received()
    world.connection.connection_lost(None)
    assert world.connector.kept(world.server, 0.0) is None
    assert world.server.idle == []


def test_kept_connections_are_bounded_and_age() -> None:
    world = World(keep_alive=2, keep_alive_idle=10)
    connections = [world.connection, world.open(), world.open()]
    for connection in connections:
        connection.data_received(LENGTH + b"abc")
        connection.release(0.0)
    assert world.server.idle == connections[:2]
    assert cast(Any, connections[2].transport).done[-1] == "abort"
    world.connector.prune([world.server], 5.0)
    assert len(world.server.idle) == 2
    assert world.connector.kept(world.server, 11.0) is None
    assert world.server.idle == []


def test_connections_with_a_proxy_header_are_not_kept() -> None:
    world = World(proxy_protocol="v1")
    world.feed(LENGTH + b"abc")
    assert not world.kept()


def test_back_pressure_reaches_the_user() -> None:
    world = World()
    world.connection.pause_writing()
    world.connection.resume_writing()
    assert world.user.told == [("blocked", True), ("blocked", False)]
