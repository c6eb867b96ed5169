"""A client's connection: reads requests one after the other, hands each to an Exchange, writes what it answers.

Input is read in one of five states; whatever a client sends ahead of its turn is held, within bounds, and the
socket is not read while it may not be (back-pressure).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, cast

from mypy_extensions import mypyc_attr

from bascule.http.errors import HttpError
from bascule.http.h1.block import Block
from bascule.http.h1.body import Body, ChunkedBody, LengthBody
from bascule.http.h1.head import HEAD_END, without_empty_lines
from bascule.http.message import RequestHead
from bascule.proxy import deadlines, tunnel
from bascule.proxy.exchange import Exchange
from bascule.proxy.peer import Address, ClientTransport, Peer, peer_of
from bascule.proxy.phase import BODY, BUSY, CLOSED, HEAD, LINGER, TUNNEL
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.http.h1.head import RequestParser
    from bascule.proxy.app import ProxyApp
    from bascule.proxy.prelude import TlsLink
    from bascule.tls.filter import TlsFilter

HELD_LIMIT = 65536
"""Pipelined bytes held while a response is awaited; then the socket is not read."""
WRITE_HIGH = 262144
LINGER_TIME = 5.0
LINGER_BYTES = 1 << 20
"""What a client may go on to send after an answer that did not wait for it, so that a reset does not eat the answer."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ClientConnection(Peer):
    """See the module."""

    __slots__ = (
        "_body",
        "_lingered",
        "blocked_at",
        "blocked_from",
        "blocked_size",
        "body_bytes",
        "body_started",
        "counted_as",
        "exchange",
        "paused",
        "requests",
        "served",
    )

    exchange_type: ClassVar[type[Exchange]] = Exchange

    def __init__(self, app: ProxyApp, tls: TlsFilter | None = None) -> None:
        super().__init__(app, tls)
        self.exchange: Exchange | None = None
        self.requests: RequestParser = app.requests
        self.counted_as = b""
        self.paused = False
        """Whether the socket is not read for now."""
        self.blocked_size = 0
        """How much of what it was sent waits while it is `blocked`."""
        self.blocked_at = 0.0
        self.blocked_from = -1
        """Bytes it had yet to acknowledge at `blocked_at`; -1 until they are counted."""
        self._body: Body | None = None
        self.body_started = 0.0
        self.body_bytes = 0
        self.served = 0
        self._lingered = 0

    # Life ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.begin(cast("ClientTransport", transport), peer_of(transport))
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=WRITE_HIGH)

    def begin(self, transport: ClientTransport, peer: Address, local: Address | None = None) -> None:
        """Start on a transport; `peer` is the client's address. Behind a PROXY header both are the announced ones."""
        self.transport = transport
        self.introduce(peer, local)
        app = self.app
        if not app.admit(self):
            self.state = CLOSED
            transport.abort()
        self.deadline = app.now + app.times.header

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self.state != CLOSED or self in self.app.clients:
            self.app.forget(self)
        self.state = CLOSED
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.on_client_gone()
        self.held = b""
        self._body = None

    # Input -----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.state != HEAD:
            self._read_on(data)
        elif self.held or not data.endswith(HEAD_END) or len(data) > self.app.max_header:
            self._find_head(data)
        else:  # Nearly always a read is one whole head. One that holds more fails on the empty line within.
            try:
                head = self.requests.parse(data)
            except HttpError:
                self._find_head(data)
            else:
                self._begin(head, b"")

    def _read_on(self, data: bytes) -> None:
        """Take what comes behind a head."""
        state = self.state
        if state == BODY:
            self._read_body(data)
        elif state == BUSY:
            self._hold(data)
        elif state == TUNNEL:
            tunnel.from_client(self, data)
        elif state == LINGER:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.transport.abort()

    def _find_head(self, data: bytes) -> None:
        """Read a head that comes in pieces, with more behind it, or faulty."""
        begun = len(self.held)
        if begun:
            data = self.held + data
            self.held = b""
        if data[:2] == b"\r\n":
            data = without_empty_lines(data)
        end = data.find(HEAD_END)
        if end < 0 or end > self.app.max_header:
            self._partial_head(data, begun)
            return
        try:
            head = self.requests.parse(data[: end + 4])
        except HttpError as error:
            self.refuse(error.status, error.cause)
            return
        self._begin(head, data[end + 4 :])

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        """Begin the exchange of a request; `rest` came behind its head."""
        self.served += 1
        exchange = self.exchange = self.exchange_type(self, head)
        if exchange.request_done:
            self.state = BUSY
            if rest:
                self.held = rest
                if len(rest) > HELD_LIMIT:
                    self.pause_reading()
            exchange.begin()
            return
        self.resume_reading()
        self.state = BODY
        self._body = ChunkedBody(self.app.trailers) if head.chunked else LengthBody(head.length)
        self.body_bytes = 0
        self.body_started = self.app.now
        self.deadline = self.app.now + self.times.body_idle
        self.ahead = bool(rest)
        exchange.begin()
        if rest:
            self.ahead = False
            if not exchange.finished and self.state == BODY:
                self._read_body(rest)
            if exchange.origin is not None:
                exchange.origin.flush()
        if self.eof and self.state == BODY:
            self.close()  # the body can never become complete

    def _partial_head(self, data: bytes, begun: int) -> None:
        """Wait for the rest of a head, of which `begun` bytes were here, unless it can never become a good one."""
        limits = self.app.limits
        if len(data) > limits.header_bytes:
            self.refuse(431, causes.HEADER_TOO_LARGE)
            return
        if data.count(b"\n") != data.count(b"\r\n"):
            self.refuse(400, causes.BARE_LF)
            return
        line_end = data.find(b"\r\n")
        if line_end < 0 and len(data) > limits.target_bytes + 64:
            self.refuse(414, causes.TARGET_TOO_LONG)
            return
        if self.eof:
            self.close()
            return
        if begun < 2 and data not in (b"", b"\r"):  # half an empty line begins nothing, and may have been held
            self.deadline = self.app.now + self.app.times.header
        self.held = data
        self.resume_reading()
        self.app.holding.add(self, len(data) - begun)

    def _read_body(self, data: bytes) -> None:
        body = self._body
        exchange = self.exchange
        if body is None or exchange is None:
            return
        self.body_bytes += len(data)
        try:
            content, rest = body.feed(data)
        except HttpError as error:
            exchange.answer(error.status, error.cause)
            return
        if content:
            exchange.on_request_content(content)
        if self.exchange is not exchange or self.state != BODY:
            return
        if rest is None:
            if exchange.awaits_client and not self.paused:
                self.deadline = self.app.now + self.times.body_idle
            return
        self._body = None
        self.state = BUSY
        self.held = rest
        exchange.on_request_end(body.trailers)

    def _hold(self, data: bytes) -> None:
        """Keep what a client sends ahead of its turn (RFC 9112 9.3.2), and read no more once that is enough."""
        self.held = held = self.held + data if self.held else data
        if len(held) > HELD_LIMIT or held.count(HEAD_END) > self.app.limits.pipelined:
            self.pause_reading()

    def eof_received(self) -> bool:
        """See asyncio.Protocol. A client that ended its direction may still await a response (half-close)."""
        self.eof = True
        state = self.state
        if state == TUNNEL:
            return tunnel.client_ended(self)
        if state == BODY:
            return False  # the body can never become complete
        return self.tls is None and (state == BUSY or (state == HEAD and HEAD_END in self.held))

    # Turns -----------------------------------------------------------------------------------------

    def on_exchange_done(self, exchange: Exchange, cut: bool) -> None:
        """The exchange ended: the next request, or the end."""
        self.exchange = None
        if self.state == CLOSED:
            return
        if cut:
            self.state = CLOSED
            self.transport.abort()
        elif exchange.close or (self.eof and not self.held):
            if self.state == BODY or self.held:
                self._linger()
            else:
                self.close()
        else:
            self.state = HEAD
            self.deadline = self.app.now + (self.times.send_idle if self.blocked else self.times.keep_alive)
            if self.blocked or self.held or self.paused:
                self._turn()

    def _turn(self) -> None:
        """Go on to the next request, unless the client has yet to take what it was answered."""
        if self.blocked:
            self.pause_reading()
        elif self.held:
            self.app.loop.call_soon(self._next)
        elif self.paused:
            self.resume_reading()

    def close(self) -> None:
        """Close after the client took what was written; it may be slow, but not idle."""
        self.state = CLOSED
        self.deadline = self.app.now + self.times.send_idle
        self._measure_taking()
        self.transport.close()

    def _next(self) -> None:
        if self.state == HEAD and self.held:
            data, self.held = self.held, b""
            self.deadline = self.app.now + self.app.times.header
            self.data_received(data)

    def must_close(self, most: float) -> bool:
        """Whether this response must be the connection's last; `most` requests may be answered on it."""
        return self.served >= most or self.app.draining or (self.eof and not self.held)

    def refuse(self, status: int, cause: str) -> None:
        """Answer what is no acceptable request, and close."""
        head = RequestHead(b"-", b"-", Block([]), [])
        head.keep_alive = False
        exchange = self.exchange = self.exchange_type(self, head)
        exchange.request_done = False
        self.state = BODY
        self._body = None
        exchange.answer(status, cause)

    def _linger(self) -> None:
        """Close so that the answer arrives although the client is still sending (RFC 9112 9.6)."""
        self.state = LINGER
        self.held = b""
        self._body = None
        self.deadline = self.app.now + LINGER_TIME
        self.paused = False
        self.transport.resume_reading()
        if self.tls is None:
            self.transport.write_eof()
        else:
            cast("TlsLink", self.transport).linger()

    def begin_tunnel(self) -> None:
        """From here on bytes are passed on as they come."""
        self.state = TUNNEL
        self.resume_reading()
        if self.held:
            data, self.held = self.held, b""
            self.data_received(data)
        if self.eof:
            self.eof_received()

    # Output and back-pressure ----------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client."""
        self.transport.write(data)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self.blocked = True
        self._measure_taking()
        self.deadline = self.app.now + self.times.send_idle
        if self.exchange is not None:
            self.exchange.on_client_blocked(True)

    def _measure_taking(self) -> None:
        """From here on it is the client's turn: see how fast it takes what waits."""
        self.blocked_size = self.transport.get_write_buffer_size()
        self.blocked_from = -1

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self.blocked = False
        if self.exchange is not None:
            self.deadline = self.app.now + self.times.response_idle
            self.exchange.on_client_blocked(False)
        elif self.state == HEAD:
            self.deadline = self.app.now + self.times.keep_alive
            self._turn()

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`."""
        if not self.paused and self.state != CLOSED:
            self.paused = True
            self.transport.pause_reading()
            if self.exchange is not None and self.exchange.origin is not None and self.state != BUSY:
                self.deadline = self.app.now + self.times.response_idle

    def resume_reading(self) -> None:
        """Read again."""
        if self.paused and self.state != CLOSED:
            self.paused = False
            self.transport.resume_reading()
            if self.state == BODY:
                self.expect_body()

    def expect_body(self) -> None:
        """From here on it is the client's turn: measure anew how fast it sends."""
        self.body_started = self.app.now
        self.body_bytes = 0
        self.deadline = self.app.now + self.times.body_idle

    def shut(self) -> None:
        """Close at once."""
        self.state = CLOSED if self.exchange is None else self.state
        self.transport.abort()

    # What the app asks of every connection ----------------------------------------------------------

    def on_deadline(self, now: float) -> None:
        """See deadlines.py."""
        deadlines.passed(self, now)

    def check_rate(self, now: float) -> None:
        """See deadlines.py."""
        deadlines.check_rate(self, now)

    def hesitates(self, now: float) -> float:
        """See deadlines.py."""
        return deadlines.hesitates(self, now)

    def idle_since(self, now: float) -> float:
        """See deadlines.py."""
        return deadlines.idle_since(self, now)
