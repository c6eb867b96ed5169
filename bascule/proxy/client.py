"""A client's connection: reads requests one after the other, hands each to an Exchange, writes what it answers.

Input is read in one of five states; whatever a client sends ahead of its turn is held, within bounds, and the
socket is not read while it may not be (back-pressure).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from bascule.http.errors import HttpError
from bascule.http.forwarded import ClientInfo, client_address
from bascule.http.h1.block import Block
from bascule.http.h1.body import Body, ChunkedBody, LengthBody
from bascule.http.h1.head import HEAD_END
from bascule.http.message import RequestHead
from bascule.proxy import forwarding
from bascule.proxy.exchange import Exchange
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.proxy.app import ProxyApp
    from bascule.proxy.route import Times
    from bascule.proxy.router import SiteRuntime
    from bascule.tls.filter import TlsFilter
    from bascule.upstream.connection import Connector

Address = tuple[str, int]

HEAD, BODY, BUSY, TUNNEL, LINGER, CLOSED = range(6)

HELD_LIMIT = 65536
"""Pipelined bytes held while a response is awaited; then the socket is not read."""
WRITE_HIGH = 262144
LINGER_TIME = 5.0
LINGER_BYTES = 1 << 20
"""What a client may go on to send after an answer that did not wait for it, so that a reset does not eat the answer."""


class ClientTransport(Protocol):
    """What a connection needs of its transport; TLS offers the same over ciphertext."""

    def write(self, data: bytes) -> None:
        """Send."""

    def write_eof(self) -> None:
        """End the sending direction."""

    def close(self) -> None:
        """Close after what was written is sent."""

    def abort(self) -> None:
        """Close at once."""

    def pause_reading(self) -> None:
        """Read no more for now."""

    def resume_reading(self) -> None:
        """Read again."""

    def get_write_buffer_size(self) -> int:
        """Bytes not yet taken by the kernel."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""


class ClientConnection(asyncio.Protocol):
    """See the module."""

    __slots__ = (
        "_blocked_size",
        "_body",
        "_body_bytes",
        "_body_started",
        "_ended",
        "_eof",
        "_held",
        "_lingered",
        "_local",
        "_paused",
        "_served",
        "address",
        "app",
        "blocked",
        "counted_as",
        "deadline",
        "exchange",
        "fixed_lines",
        "info",
        "peer_address",
        "port",
        "scheme",
        "state",
        "times",
        "tls",
        "tls_version",
        "transport",
        "trusted",
    )

    def __init__(self, app: ProxyApp, tls: TlsFilter | None = None) -> None:
        self.app = app
        self.tls = tls
        self.scheme = b"https" if tls is not None else b"http"
        self.tls_version = ""
        self.transport: ClientTransport = cast("ClientTransport", None)
        self.state = HEAD
        self.exchange: Exchange | None = None
        self.times: Times = app.times
        self.deadline = 0.0
        self.address = b""
        self.port = 0
        self.peer_address = b""
        self.counted_as = b""
        self._local: Address | None = None
        self.trusted = False
        self.info: ClientInfo | None = None
        self.fixed_lines = b""
        self.blocked = False
        self._blocked_size = 0
        self._held = b""
        self._body: Body | None = None
        self._body_started = 0.0
        self._body_bytes = 0
        self._paused = False
        self._eof = False
        self._ended = False
        self._served = 0
        self._lingered = 0

    # Life ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.begin(cast("ClientTransport", transport), peer_of(transport))
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=WRITE_HIGH)

    def begin(self, transport: ClientTransport, peer: Address, local: Address | None = None) -> None:
        """Start on a transport; `peer` is the client's address. Behind a PROXY header both are the announced ones."""
        self.transport = transport
        self.peer_address = self.address = peer[0].encode()
        self.port = peer[1]
        self._local = local
        app = self.app
        self.trusted = bool(app.trusted) and self.address in app.trusted
        self.fixed_lines = forwarding.fixed_lines(self.address, self.scheme)
        self.deadline = app.now + app.times.header
        if not app.admit(self):
            self.state = CLOSED
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self.state != CLOSED or self in self.app.clients:
            self.app.forget(self)
        self.state = CLOSED
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.on_client_gone()
        self._held = b""
        self._body = None

    # Input -----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        state = self.state
        if state == HEAD:
            self._read_head(data)
        elif state == BODY:
            self._read_body(data)
        elif state == BUSY:
            self._hold(data)
        elif state == TUNNEL:
            exchange = cast(Exchange, self.exchange)
            if exchange.origin is not None:
                exchange.bytes_in += len(data)
                if exchange.messages is None:
                    exchange.origin.write(data)
                else:
                    exchange.messages.from_client(data)
                if not self.blocked:
                    self.deadline = self.app.now + self.times.response_idle
        elif state == LINGER:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.transport.abort()

    def _read_head(self, data: bytes) -> None:
        # Nearly always a read is one whole head. One that holds more fails on the empty line within.
        if not self._held and data.endswith(HEAD_END) and len(data) <= self.app.max_header:
            try:
                head = self.app.requests.parse(data[:-2])
            except HttpError:
                self._find_head(data)
            else:
                self._begin(head, b"")
        else:
            self._find_head(data)

    def _find_head(self, data: bytes) -> None:
        """Read a head that comes in pieces, with more behind it, or faulty."""
        begun = bool(self._held)
        if begun:
            data = self._held + data
            self._held = b""
        while data[:2] == b"\r\n":  # RFC 9112 2.2: empty lines before a request are ignored
            data = data[2:]
        end = data.find(HEAD_END)
        if end < 0 or end > self.app.max_header:
            self._partial_head(data, begun)
            return
        try:
            head = self.app.requests.parse(data[: end + 2])
        except HttpError as error:
            self.refuse(error.status, error.cause)
            return
        self._begin(head, data[end + 4 :])

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        """Begin the exchange of a request; `rest` came behind its head."""
        self._served += 1
        exchange = self.exchange = Exchange(self, head)
        if exchange.request_done:
            self.state = BUSY
            self._held = rest
            if len(rest) > HELD_LIMIT:
                self.pause_reading()
            exchange.begin()
            return
        self.resume_reading()
        self.state = BODY
        self._body = ChunkedBody(self.app.trailers) if head.chunked else LengthBody(head.length)
        self._body_bytes = 0
        self._body_started = self.app.now
        self.deadline = self.app.now + self.times.body_idle
        exchange.begin()
        if rest and self.exchange is exchange and self.state == BODY:
            self._read_body(rest)
        if self._eof and self.state == BODY:
            self._close()  # the body can never become complete

    def _partial_head(self, data: bytes, begun: bool) -> None:
        """Wait for the rest of a head, unless it can never become a good one."""
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
        if self._eof:
            self._close()
            return
        if data and not begun:
            self.deadline = self.app.now + self.app.times.header
        self._held = data
        self.resume_reading()

    def _read_body(self, data: bytes) -> None:
        body = self._body
        exchange = self.exchange
        if body is None or exchange is None:
            return
        self._body_bytes += len(data)
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
            if exchange.awaits_client and not self._paused:
                self.deadline = self.app.now + self.times.body_idle
            return
        self._body = None
        self.state = BUSY
        self._held = rest
        exchange.on_request_end(body.trailers)

    def _hold(self, data: bytes) -> None:
        """Keep what a client sends ahead of its turn (RFC 9112 9.3.2), and read no more once that is enough."""
        self._held = held = self._held + data if self._held else data
        if len(held) > HELD_LIMIT or held.count(HEAD_END) > self.app.limits.pipelined:
            self.pause_reading()

    def eof_received(self) -> bool:
        """See asyncio.Protocol. A client that ended its direction may still await a response (half-close)."""
        self._eof = True
        state = self.state
        if state == TUNNEL and self.exchange is not None and self.exchange.origin is not None:
            origin = self.exchange.origin
            if self._ended:
                self.exchange.finish(Outcome.OK, "", 101)
            elif origin.transport.can_write_eof():
                origin.transport.write_eof()
                return True
            return False
        if state == BODY:
            return False  # the body can never become complete
        return self.tls is None and (state == BUSY or (state == HEAD and HEAD_END in self._held))

    # Turns -----------------------------------------------------------------------------------------

    def on_exchange_done(self, exchange: Exchange, cut: bool) -> None:
        """The exchange ended: the next request, or the end."""
        self.exchange = None
        if self.state == CLOSED:
            return
        if cut:
            self.state = CLOSED
            self.transport.abort()
        elif exchange.close or (self._eof and not self._held):
            if self.state == BODY or self._held:
                self._linger()
            else:
                self._close()
        else:
            self.state = HEAD
            self.deadline = self.app.now + (self.times.send_idle if self.blocked else self.times.keep_alive)
            if self.blocked or self._held or self._paused:
                self._turn()

    def _turn(self) -> None:
        """Go on to the next request, unless the client has yet to take what it was answered."""
        if self.blocked:
            self.pause_reading()
        elif self._held:
            self.app.loop.call_soon(self._next)
        elif self._paused:
            self.resume_reading()

    def _close(self) -> None:
        """Close after the client took what was written; it may be slow, but not idle."""
        self.state = CLOSED
        self.deadline = self.app.now + self.times.send_idle
        self._blocked_size = self.transport.get_write_buffer_size()
        self.transport.close()

    def _next(self) -> None:
        if self.state == HEAD and self._held:
            data, self._held = self._held, b""
            self.deadline = self.app.now + self.app.times.header
            self._read_head(data)

    def must_close(self, most: float) -> bool:
        """Whether this response must be the connection's last; `most` requests may be answered on it."""
        return self._served >= most or self.app.draining or (self._eof and not self._held)

    def refuse(self, status: int, cause: str) -> None:
        """Answer what is no acceptable request, and close."""
        head = RequestHead(b"-", b"-", Block([]), [])
        head.keep_alive = False
        exchange = self.exchange = Exchange(self, head)
        exchange.request_done = False
        self.state = BODY
        self._body = None
        exchange.answer(status, cause)

    def _linger(self) -> None:
        """Close so that the answer arrives although the client is still sending (RFC 9112 9.6)."""
        self.state = LINGER
        self._held = b""
        self._body = None
        self.deadline = self.app.now + LINGER_TIME
        self._paused = False
        self.transport.resume_reading()
        if self.tls is None:
            self.transport.write_eof()
        else:
            self.transport.close()

    def begin_tunnel(self) -> None:
        """From here on bytes are passed on as they come."""
        self.state = TUNNEL
        self.resume_reading()
        if self._held:
            data, self._held = self._held, b""
            self.data_received(data)
        if self._eof:
            self.eof_received()

    def end_writing(self) -> bool:
        """The server ended its direction of a tunnel. Return whether the whole tunnel is over."""
        if self._eof or self.tls is not None:
            return True
        self._ended = True
        self.transport.write_eof()
        return False

    # Output and back-pressure ----------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client."""
        self.transport.write(data)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self.blocked = True
        self._blocked_size = self.transport.get_write_buffer_size()
        self.deadline = self.app.now + self.times.send_idle
        if self.exchange is not None:
            self.exchange.on_client_blocked(True)

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
        if not self._paused and self.state != CLOSED:
            self._paused = True
            self.transport.pause_reading()
            if self.exchange is not None and self.exchange.origin is not None and self.state != BUSY:
                self.deadline = self.app.now + self.times.response_idle

    def resume_reading(self) -> None:
        """Read again."""
        if self._paused and self.state != CLOSED:
            self._paused = False
            self.transport.resume_reading()
            if self.state == BODY:
                self.expect_body()

    def expect_body(self) -> None:
        """From here on it is the client's turn: measure anew how fast it sends."""
        self._body_started = self.app.now
        self._body_bytes = 0
        self.deadline = self.app.now + self.times.body_idle

    def idle_since(self, now: float) -> float:
        """Return for how many seconds no request has been in progress; 0 while one is or has begun to arrive."""
        if self.state != HEAD or self._held or not self._served:
            return 0.0
        return now - (self.deadline - self.times.keep_alive)

    def shut(self) -> None:
        """Close at once."""
        self.state = CLOSED if self.exchange is None else self.state
        self.transport.abort()

    # Deadlines -------------------------------------------------------------------------------------

    def on_deadline(self, now: float) -> None:
        """The deadline passed: decide by what was awaited."""
        exchange = self.exchange
        if self.blocked or self.state == CLOSED:
            size = self.transport.get_write_buffer_size()
            if size < self._blocked_size:
                self._blocked_size = size
                self.deadline = now + self.times.send_idle
            elif exchange is not None:
                exchange.abandon(causes.SEND_TIMEOUT)
            else:
                self.transport.abort()
        elif self.state == HEAD:
            if self._held:
                self.refuse(408, causes.HEADER_TIMEOUT)
            else:
                self._close()
        elif self.state == BODY and exchange is not None and not self._paused and exchange.awaits_client:
            exchange.answer(408, causes.BODY_TIMEOUT)
        elif exchange is not None:
            self.deadline = now + 1.0
            exchange.on_deadline()
        else:
            self.transport.abort()

    def check_rate(self, now: float) -> None:
        """Refuse a request body that trickles (slow-body attacks)."""
        exchange = self.exchange
        if self.state != BODY or exchange is None or self._paused or not exchange.awaits_client:
            return
        age = now - self._body_started
        route = exchange.route
        if age > route.body_grace and self._body_bytes < route.body_min_rate * age:
            exchange.answer(408, causes.BODY_TOO_SLOW)

    # Who asks --------------------------------------------------------------------------------------

    @property
    def local(self) -> Address:
        """The address that the client called; asked for only when needed, for it costs a system call."""
        if self._local is None:
            self._local = _address(self.transport.get_extra_info("sockname"))
        return self._local

    def identify(self, head: RequestHead) -> bytes:
        """Learn from a trusted hop who the client is; return the scheme it used."""
        self.info = info = client_address(
            self.peer_address, head.block.fields, self.app.trusted, self.app.plan.config.trusted_field
        )
        self.address = info.address
        return info.proto or self.scheme

    def forwarded_lines(self, exchange: Exchange) -> bytes:
        """Return the lines that tell the server who asked."""
        return forwarding.lines(self, exchange)

    def proxy_preface(self, connector: Connector) -> bytes:
        """Return the PROXY protocol header for a new connection of `connector`, if it sends any."""
        return connector.preface((self.address.decode(), self.port), self.local)

    def check_certificate(self, site: SiteRuntime, exchange: Exchange) -> None:
        """Let in only whom the site's client certificates allow. Raises HttpError(421 or 403)."""
        forwarding.check_certificate(self, site)


def peer_of(transport: asyncio.BaseTransport) -> Address:
    """Return the address of a connection's other end."""
    return _address(transport.get_extra_info("peername"))


def _address(name: tuple[Any, ...] | str | bytes | None) -> Address:
    """Return host and port of a socket's name; of a UNIX socket, which is named by a path, those of this machine."""
    if not isinstance(name, tuple):
        return ("", 0) if name is None else ("127.0.0.1", 0)
    host: str = name[0]
    if host.startswith("::ffff:") and "." in host:  # an IPv4 client of a dual-stack socket is an IPv4 client
        host = host.removeprefix("::ffff:")
    return host, name[1]
