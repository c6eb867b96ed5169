"""One HTTP/1.1 connection to a server: reads responses for the exchange that holds it (its *user*), and knows when it
may be kept. See connector.py for where connections come from.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Protocol, cast

from mypy_extensions import mypyc_attr

from bascule.http.errors import HttpError
from bascule.http.fields import Field, FieldParser
from bascule.http.h1.body import Body, ChunkedBody, LengthBody, UntilClose
from bascule.http.h1.head import HEAD_END, ResponseParser
from bascule.http.message import NO_LENGTH, ResponseHead
from bascule.telemetry import causes

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


class Answerer(Protocol):
    """What an exchange asks of whom it has its response from: a connection to a server, or the cache."""

    closed: bool
    fresh: bool
    keep: bool
    server: Endpoint
    trailers: list[Field]
    transport: asyncio.Transport
    user: OriginUser | None

    def hold(self, head: bytes) -> None:
        """See OriginConnection."""

    def flush(self) -> None:
        """See OriginConnection."""

    def write(self, data: bytes) -> None:
        """See OriginConnection."""

    def tunnel(self, user: OriginUser) -> None:
        """See OriginConnection."""

    def release(self, now: float) -> None:
        """See OriginConnection."""

    def close(self) -> None:
        """See OriginConnection."""


class Endpoint(Protocol):
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


@mypyc_attr(allow_interpreted_subclasses=True)
class OriginConnection:
    """See the module."""

    __slots__ = (
        "_body",
        "_buffer",
        "_connector",
        "_fields",
        "_held",
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

    def __init__(self, connector: Keeper, server: Endpoint) -> None:
        self._connector = connector
        self.server = server
        self.user: OriginUser | None = None
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._body: Body | None = None
        self._buffer = b""
        self._tunnel = False
        self._held = b""
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

    def hold(self, head: bytes) -> None:
        """Take a request's head that waits until `flush` for the content that came with it: both go in one segment."""
        self._held = head

    def flush(self) -> None:
        """Send what was held."""
        if self._held:
            data, self._held = self._held, b""
            self.transport.write(data)

    def write(self, data: bytes) -> None:
        """Send more of a request body.

        A server may answer and close while the body still comes; the write that then fails would take its answer along.
        A second descriptor keeps that readable (see `connection_lost`).
        """
        if self._held:
            self._held += data
            return
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
            before, found, rest = data.partition(HEAD_END)
            if not found:
                if len(data) > MAX_HEAD:
                    self._fault(user, causes.ORIGIN_HEADER_TOO_LARGE)
                else:
                    self._buffer = data
                return
            try:
                head = self._connector.responses.parse(before + found, user.method)
            except HttpError as error:
                self._fault(user, error.cause)
                return
            data = rest
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
