"""What stands before HTTP on a connection: the PROXY protocol header, and TLS.

`Prelude` reads the header of a connection that must begin with one and hands over to `TlsLink` or straight to
the client connection. `TlsLink` is the transport of a client connection over TLS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from mypy_extensions import mypyc_attr

from bascule.http.addresses import TrustedNetworks
from bascule.http.proxy_protocol import ProxyProtocolError, parse
from bascule.proxy.client import WRITE_HIGH, ClientConnection
from bascule.proxy.peer import Address, peer_of
from bascule.telemetry import causes
from bascule.tls.filter import TlsError, TlsFilter

if TYPE_CHECKING:
    from bascule.proxy.app import ProxyApp

Ends = tuple[Address, Address | None]
"""Who called, and whom, if a PROXY header says so."""
NewClient = Callable[[TlsFilter | None], ClientConnection]
"""Makes the connection of a client, given its TLS if there is any."""


class Contexts(Protocol):
    """Makes the TLS of a connection: the contexts of a listener, or what stands in for a server."""

    def filter(self) -> TlsFilter:
        """Return the filter of a new connection."""


_METHODS = (b"GET ", b"HEAD", b"POST", b"PUT ", b"PATC", b"DELE", b"OPTI")
"""How requests begin that were meant for a port without TLS."""
_SPEAK_TLS = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 63\r\n"
    b"connection: close\r\n\r\n400 Bad Request\nThis port speaks TLS: ask again with https://.\n"
)


@mypyc_attr(allow_interpreted_subclasses=True)
class _Beginning:
    """What the app asks of a connection on which there is no HTTP yet. It has a deadline: that of a handshake."""

    __slots__ = ("address", "app", "counted_as", "deadline", "port", "transport")

    def __init__(self, app: ProxyApp) -> None:
        self.app = app
        self.address = b""
        self.counted_as = b""
        self.port = 0
        self.deadline = 0.0
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)

    def check_rate(self, now: float) -> None:
        """Nothing to judge yet."""

    def idle_since(self, now: float) -> float:
        """Never idle: it has a deadline."""
        return 0.0

    def hesitates(self, now: float) -> float:
        """Return for how many seconds its first words are awaited."""
        return now - (self.deadline - self.app.tls_handshake)


class Prelude(_Beginning):
    """A connection that begins with a PROXY header."""

    __slots__ = (
        "_buffer",
        "_contexts",
        "_ends",
        "_networks",
        "_new_client",
    )

    def __init__(
        self, app: ProxyApp, contexts: Contexts | None, networks: TrustedNetworks, new_client: NewClient
    ) -> None:
        super().__init__(app)
        self._new_client = new_client
        self._contexts = contexts
        self._networks = networks
        self._buffer = b""
        self._ends: Ends = (("", 0), None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)
        peer = peer_of(transport)
        self._ends = (peer, None)
        self.address = peer[0].encode()
        self.port = peer[1]
        if self.address not in self._networks:
            self._refuse()
        elif not self.app.admit(self):
            self.transport.abort()
        self.deadline = self.app.now + self.app.tls_handshake

    def _refuse(self) -> None:
        """Nobody who may send such a header, or none."""
        self.app.note(self.address, self.port, causes.BAD_PROXY_HEADER, 0)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        data = self._buffer + data
        try:
            parsed = parse(data)
        except ProxyProtocolError:
            self._refuse()
            return
        if parsed is None:
            self._buffer = data
            return
        header, size = parsed
        if header.source is not None and header.destination is not None:
            source, destination = header.source, header.destination
            if not source.address.startswith(b"unix:"):
                self._ends = (
                    (source.address.decode("latin-1"), source.port),
                    (destination.address.decode("latin-1"), destination.port),
                )
        self._hand_over(data[size:])

    def _hand_over(self, rest: bytes) -> None:
        """Let the next layer have the connection, and what of its bytes is here."""
        self.app.forget(self)
        follower: TlsLink | ClientConnection
        if self._contexts is not None:
            link = follower = TlsLink(self.app, self._contexts, self._new_client, self._ends)
            link.connection_made(self.transport)
        else:
            client = follower = self._new_client(None)
            client.begin(self.transport, self._ends[0], self._ends[1])
            self.transport.set_write_buffer_limits(high=WRITE_HIGH)
        self.transport.set_protocol(cast(asyncio.Protocol, follower))
        if rest and not self.transport.is_closing():
            follower.data_received(rest)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.app.forget(self)

    def on_deadline(self, now: float) -> None:
        """No header came."""
        self.app.note(self.address, self.port, causes.HEADER_TIMEOUT, 0)
        self.shut()

    def shut(self) -> None:
        """Close at once."""
        self.transport.abort()


@mypyc_attr(allow_interpreted_subclasses=True)
class TlsLink(_Beginning):
    """TLS between a socket and a client connection, whose transport it is (ClientTransport)."""

    __slots__ = (
        "_client",
        "_closing",
        "_ends",
        "_filter",
        "_new_client",
    )

    within: ClassVar[bool] = False
    """Whether it is TLS in a tunnel on a connection that has been there before."""

    def __init__(self, app: ProxyApp, contexts: Contexts, new_client: NewClient, ends: Ends | None = None) -> None:
        super().__init__(app)
        self._new_client = new_client
        self._filter = contexts.filter()
        self._ends = ends
        """None: those that the socket knows."""
        self._client: ClientConnection | TlsLink | None = None
        self._closing = False

    # Socket side -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH)
        if self._ends is None:
            self._ends = (peer_of(transport), None)
        peer = self._ends[0]
        self.address, self.port = peer[0].encode(), peer[1]
        if not self.app.admit(self):
            self.transport.abort()
        self.deadline = self.app.now + self.app.tls_handshake

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._closing:
            if self._client is not None:
                self._client.data_received(data)
            return
        filter_ = self._filter
        begun = filter_.done
        try:
            plain = filter_.feed(data)
        except TlsError as error:
            self._failed(error.reason)
            return
        # what ends a handshake of TLS 1.3 are session tickets: they go with the answer to what came along
        if (begun or not plain or filter_.version != "TLSv1.3") and (out := filter_.take()):
            self.transport.write(out)
        client = self._client
        if client is None:
            if not filter_.done:
                return
            client = self._established()
        if plain:
            client.data_received(plain)
        if filter_.eof and not self._closing:
            client.eof_received()
            self.close()

    def _established(self) -> ClientConnection:
        client = self._client = self._new_client(self._filter)
        client.tls_version = self._filter.version
        self.app.recorder.connections_tls += 1
        self.app.forget(self)
        if (ends := self._ends) is not None:
            client.begin(self, ends[0], ends[1])
        return client

    def _failed(self, reason: str) -> None:
        """A failed handshake or a broken record: tell the peer, then go."""
        if out := self._filter.take():
            self.transport.write(out)
        if self._client is None:
            if self._filter.hello[:4] in _METHODS:
                self.transport.write(_SPEAK_TLS)
            self.app.recorder.tls_failed += 1
            self.app.note(self.address, self.port, causes.TLS_HANDSHAKE, 0)
        self.transport.close()

    def eof_received(self) -> bool:
        """See asyncio.Protocol."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        client, self._client = self._client, None
        if client is not None:
            client.connection_lost(error)
        self.app.forget(self)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._client is not None:
            self._client.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._client is not None:
            self._client.resume_writing()

    # Client side: ClientTransport ------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if not self._closing:
            try:
                self._filter.write(data)
            except TlsError:
                self.abort()
                return
            self.transport.write(self._filter.take())

    def write_last(self, data: bytes) -> None:
        """Encrypt what is the last: `close` or `linger`, which follows at once, sends it with its close_notify."""
        if not self._closing:
            try:
                self._filter.write(data)
            except TlsError:
                self.abort()

    def write_eof(self) -> None:
        """Say close_notify; TLS has no half-close that clients rely on."""
        self.close()

    def linger(self) -> None:
        """Send close_notify and end our direction, but go on reading: what comes is handed on as it is, and counted."""
        if self._say_end():
            below: object = self.transport
            if isinstance(below, TlsLink):
                below.linger()
            else:
                self.transport.write_eof()

    def close(self) -> None:
        """Send close_notify and close."""
        if self._say_end():
            self.transport.close()

    def _say_end(self) -> bool:
        """Send close_notify; False if that is done already."""
        if self._closing:
            return False
        self._closing = True
        self._filter.shutdown()
        if out := self._filter.take():
            self.transport.write(out)
        return True

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self.transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing or self.transport.is_closing()

    def set_protocol(self, protocol: TlsLink) -> None:
        """Let another have what comes: TLS within this TLS."""
        self._client = protocol

    def set_write_buffer_limits(self, high: int) -> None:
        """See asyncio.WriteTransport."""
        self.transport.set_write_buffer_limits(high=high)

    def pause_reading(self) -> None:
        """Read no more for now."""
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes not yet taken by the kernel."""
        return self.transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""
        return self.transport.get_extra_info(name, default)

    # Before the handshake is done: what the app asks of every connection --------------------------

    def on_deadline(self, now: float) -> None:
        """The handshake took too long."""
        self.app.note(self.address, self.port, causes.TLS_TIMEOUT, 0)
        self.shut()

    def shut(self) -> None:
        """Close at once."""
        self.abort()
