"""One HTTP/1.1 connection to a server, and the kept ones that can be used again.

`OriginConnection` reads responses for the exchange that holds it (its *user*) and knows when it may be kept.
`Connector` hands out a kept connection or opens one.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import Any, Protocol, cast

from bascule.config.pools import Pool
from bascule.http.errors import HttpError
from bascule.http.fields import Field, FieldParser
from bascule.http.h1.body import Body, ChunkedBody, LengthBody, UntilClose
from bascule.http.h1.head import HEAD_END, ResponseParser
from bascule.http.message import NO_LENGTH, ResponseHead
from bascule.http.proxy_protocol import Endpoint, encode_v1, encode_v2
from bascule.telemetry import causes
from bascule.tls.client import origin_context
from bascule.upstream.server import ServerState

MAX_HEAD = 262144
"""Bytes of a response head; servers are trusted more than clients, but not without a bound."""
WRITE_HIGH = 262144
LAST_WORDS = 262144
"""Bytes of an answer that are still read when the connection breaks under an upload."""
_NONE: list[Field] = []


class OriginUser(Protocol):
    """What an exchange offers to the connection that serves it."""

    @property
    def method(self) -> bytes:
        """Method of the request sent: it decides whether a response has a body."""

    def on_informational(self, head: ResponseHead) -> None:
        """A 1xx response other than 101."""

    def on_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """The head of the final response, with the content that came along."""

    def on_content(self, content: bytes, complete: bool) -> None:
        """More content."""

    def on_switch(self, head: ResponseHead, rest: bytes) -> None:
        """101: from here on the connection is a tunnel."""

    def on_tunnel_data(self, data: bytes) -> None:
        """Bytes of a tunnel."""

    def on_tunnel_eof(self) -> None:
        """The server ended its direction of a tunnel."""

    def on_origin_fault(self, cause: str) -> None:
        """The response cannot be understood."""

    def on_origin_lost(self) -> None:
        """The connection ended before the response did."""

    def on_origin_blocked(self, blocked: bool) -> None:
        """Whether the connection takes no more of the request for now (back-pressure)."""


class Peer(Protocol):
    """What a connection leads to: a server of a pool, or the destination of a forward proxy's client."""

    name: str
    secure: bool
    idle: list[Any]
    """Kept connections."""


class Keeper(Protocol):
    """Keeps the connections that can be used again."""

    responses: ResponseParser
    fields: FieldParser

    def keep(self, connection: OriginConnection) -> None:
        """Keep a connection for the next request, or close it."""

    def forget(self, connection: OriginConnection) -> None:
        """Keep a connection no more."""


class OriginConnection(asyncio.Protocol):
    """See the module."""

    __slots__ = (
        "_body",
        "_buffer",
        "_connector",
        "_fields",
        "_spare",
        "_tunnel",
        "closed",
        "fresh",
        "idle_since",
        "keep",
        "server",
        "trailers",
        "transport",
        "user",
    )

    def __init__(self, connector: Keeper, server: Peer) -> None:
        self._connector = connector
        self.server = server
        self.user: OriginUser | None = None
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._body: Body | None = None
        self._buffer = b""
        self._tunnel = False
        self._spare = -1
        self.fresh = True
        """No request was answered on it yet: a loss is then not a stale kept connection."""
        self.keep = False
        self.closed = False
        self.idle_since = 0.0
        self.trailers = _NONE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH)

    def write(self, data: bytes) -> None:
        """Send more of a request body.

        A server may answer and close while the body still comes; the write that then fails would take its answer along.
        A second descriptor keeps that readable (see `connection_lost`).
        """
        if self._spare < 0 and not (self.closed or self._tunnel or self.server.secure):
            self._spare = os.dup(self.transport.get_extra_info("socket").fileno())
        self.transport.write(data)

    def tunnel(self, user: OriginUser) -> None:
        """Pass on bytes as they come: no request is sent on this connection, and no response awaited."""
        self.user = user
        self._tunnel = True

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        user = self.user
        if user is None:
            self.close()  # a server has nothing to say unasked (RFC 9112 9.2)
        elif self._body is not None:
            self._content(user, data)
        elif self._tunnel:
            user.on_tunnel_data(data)
        else:
            self._head(user, data)

    def _head(self, user: OriginUser, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            end = data.find(HEAD_END)
            if end < 0:
                if len(data) > MAX_HEAD:
                    self._fault(user, causes.ORIGIN_HEADER_TOO_LARGE)
                else:
                    self._buffer = data
                return
            try:
                head = self._connector.responses.parse(data[: end + 2], user.method)
            except HttpError as error:
                self._fault(user, error.cause)
                return
            data = data[end + 4 :]
            if head.status >= 200:
                break
            if head.status == 101:
                self._tunnel = True
                self.keep = False
                user.on_switch(head, data)
                return
            user.on_informational(head)
            if not data or self.user is not user:
                return
        self.keep = head.keep_alive
        length = head.length
        if length == 0:
            if data:
                self.keep = False  # bytes that no request asked for
            user.on_response(head, b"", True)
        elif length == len(data):
            user.on_response(head, data, True)
        else:
            self._begin_body(user, head, data)

    def _begin_body(self, user: OriginUser, head: ResponseHead, data: bytes) -> None:
        if head.chunked:
            self._body = ChunkedBody(self._connector.fields)
        elif head.length == NO_LENGTH:
            self._body = UntilClose()
        else:
            self._body = LengthBody(head.length)
        try:
            content, rest = self._body.feed(data)
        except HttpError:
            self._fault(user, causes.ORIGIN_PROTOCOL_ERROR)
            return
        if rest is not None:
            self._end_body(rest)
        user.on_response(head, content, rest is not None)

    def _content(self, user: OriginUser, data: bytes) -> None:
        body = cast(Body, self._body)
        try:
            content, rest = body.feed(data)
        except HttpError:
            self._fault(user, causes.ORIGIN_PROTOCOL_ERROR)
            return
        if rest is not None:
            self._end_body(rest)
            user.on_content(content, True)
        elif content:
            user.on_content(content, False)

    def _end_body(self, rest: bytes) -> None:
        self.trailers = cast(Body, self._body).trailers
        self._body = None
        if rest:
            self.keep = False

    def _fault(self, user: OriginUser, cause: str) -> None:
        self.keep = False
        user.on_origin_fault(cause)

    def eof_received(self) -> bool:
        """See asyncio.Protocol: a tunnel may go on in the other direction."""
        user = self.user
        if user is None:
            self.closed = True  # the transport is about to be
            return False
        if isinstance(self._body, UntilClose):
            self._body = None
            self.keep = False
            user.on_content(b"", True)
            return False
        if self._tunnel:
            user.on_tunnel_eof()
            return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.closed = True
        if self._spare >= 0:
            self._last_words()
        user, self.user = self.user, None
        if user is None:
            self._connector.forget(self)
        elif isinstance(self._body, UntilClose) and error is None:
            user.on_content(b"", True)
        else:
            user.on_origin_lost()

    def _last_words(self) -> None:
        """Read what the server said before its end cut the upload off."""
        try:
            data = os.read(self._spare, LAST_WORDS)
        except OSError:
            data = b""
        self._drop_spare()
        if data and self.user is not None:
            self.data_received(data)

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, -1
        if spare >= 0:
            os.close(spare)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        if self.user is not None:
            self.user.on_origin_blocked(True)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self.user is not None:
            self.user.on_origin_blocked(False)

    def release(self, now: float) -> None:
        """Give the connection back after its response: kept if it may be, closed otherwise."""
        if self._tunnel and not self.closed:
            self.user = None
            self.transport.close()  # after what the client said last
            return
        self.user = None
        self.fresh = False
        self.trailers = _NONE
        if self._spare >= 0:
            self._drop_spare()
        if self.keep and not self.closed and self._body is None and not self._buffer:
            self.idle_since = now
            self._connector.keep(self)
        else:
            self.close()

    def close(self) -> None:
        """Close at once what is of no use any more."""
        self.user = None
        self._connector.forget(self)
        if not self.closed:
            self.closed = True
            self.transport.abort()


class Connector:
    """Opens connections to the servers of a pool and keeps those that can be used again."""

    __slots__ = (
        "_config",
        "_context",
        "_idle_limit",
        "_loop",
        "_most_kept",
        "fields",
        "responses",
    )

    def __init__(
        self,
        config: Pool,
        responses: ResponseParser,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._config = config
        self._idle_limit = config.keep_alive_idle
        self._most_kept = config.keep_alive if config.proxy_protocol == "off" else 0
        self._context: ssl.SSLContext | None = None
        self._loop = loop
        self.responses = responses
        self.fields = responses.fields

    def kept(self, server: ServerState, now: float) -> OriginConnection | None:
        """Return the most recently used kept connection to `server`, if any is fresh enough."""
        idle: list[OriginConnection] = server.idle
        while idle:
            connection = idle.pop()
            if connection.closed:
                continue
            if now - connection.idle_since > self._idle_limit:
                connection.close()
                continue
            return connection
        return None

    def keep(self, connection: OriginConnection) -> None:
        """Keep a connection for the next request, unless there are enough."""
        idle: list[OriginConnection] = connection.server.idle
        if len(idle) >= self._most_kept:
            connection.close()
        else:
            idle.append(connection)

    def forget(self, connection: OriginConnection) -> None:
        """Keep a connection no more."""
        idle: list[OriginConnection] = connection.server.idle
        if connection in idle:
            idle.remove(connection)

    def prune(self, servers: list[ServerState], now: float) -> None:
        """Close kept connections that were idle for too long; the oldest come first in each list."""
        for server in servers:
            idle: list[OriginConnection] = server.idle
            while idle and now - idle[0].idle_since > self._idle_limit:
                idle.pop(0).close()

    def preface(self, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
        """Return the PROXY protocol header of a new connection for a client, or nothing."""
        version = self._config.proxy_protocol
        if version == "off":
            return b""
        ends = (Endpoint(source[0].encode(), source[1]), Endpoint(destination[0].encode(), destination[1]))
        return encode_v1(*ends) if version == "v1" else encode_v2(*ends)

    def connect(
        self,
        server: ServerState,
        preface: bytes,
        timeout: float,
        done: Callable[[OriginConnection | None, str], None],
    ) -> asyncio.Task[None]:
        """Open a connection within `timeout` seconds; `preface` (PROXY protocol) goes out first, before any TLS.

        `done` is called once: with the connection, or with None and a cause.
        """
        return self._loop.create_task(self._open(server, preface, timeout, done))

    async def _open(
        self,
        server: ServerState,
        preface: bytes,
        timeout: float,  # noqa: ASYNC109 - it ends with a cause, not with an exception
        done: Callable[[OriginConnection | None, str], None],
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                connection = await self._establish(server, preface)
        except TimeoutError:
            done(None, causes.CONNECT_TIMEOUT)
        except ssl.SSLError:
            done(None, causes.ORIGIN_TLS)
        except OSError:
            done(None, causes.CONNECT_FAILED)
        else:
            done(connection, "")

    async def _establish(self, server: ServerState, preface: bytes) -> OriginConnection:
        address = server.origin.address
        secure = server.origin.scheme == "https"
        tls: dict[str, Any] = {}
        if secure:
            self._context = self._context or origin_context(self._config.tls)
            tls = {"ssl": self._context, "server_hostname": server.server_name or "localhost"}

        def factory() -> OriginConnection:
            return OriginConnection(self, server)

        plain_first = {} if preface else tls
        if address.path:
            transport, protocol = await self._loop.create_unix_connection(factory, address.path, **plain_first)
        else:
            transport, protocol = await self._loop.create_connection(factory, address.host, address.port, **plain_first)
        if preface:
            transport.write(preface)
            if secure:
                upgraded = await self._loop.start_tls(
                    transport, protocol, tls["ssl"], server_hostname=tls["server_hostname"]
                )
                protocol.connection_made(cast(asyncio.Transport, upgraded))
        return protocol
