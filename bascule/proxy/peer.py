"""Who is at the other end of a client's connection, and what is needed of the transport to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from mypy_extensions import mypyc_attr

from bascule.http.forwarded import ClientInfo, client_address
from bascule.http.message import RequestHead
from bascule.proxy.phase import HEAD

if TYPE_CHECKING:
    from bascule.defence.standing import Standing
    from bascule.proxy.app import ProxyApp
    from bascule.proxy.exchange import Exchange
    from bascule.proxy.prelude import TlsLink
    from bascule.proxy.route import Times
    from bascule.tls.filter import TlsFilter
    from bascule.waf.engine import ConnectionFacts

Address = tuple[str, int]


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

    def set_protocol(self, protocol: Any) -> None:
        """Let another protocol have what comes."""

    def get_write_buffer_size(self) -> int:
        """Bytes not yet taken by the kernel."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Peer:
    """The client: its address and port, the scheme it used, and whom it speaks for if it is a trusted proxy."""

    __slots__ = (
        "_local",
        "address",
        "ahead",
        "app",
        "blocked",
        "deadline",
        "ended",
        "eof",
        "facts",
        "fixed_lines",
        "held",
        "info",
        "peer_address",
        "port",
        "scheme",
        "standing",
        "state",
        "times",
        "tls",
        "tls_version",
        "transport",
        "trusted",
    )

    def __init__(self, app: ProxyApp, tls: TlsFilter | None) -> None:
        self.app = app
        self.state: int = HEAD
        self.times: Times = app.times
        self.deadline = 0.0
        self.held = b""
        """What came ahead of its turn."""
        self.eof = False
        """Whether the client ended its direction."""
        self.ended = False
        """Whether ours is ended (tunnels)."""
        self.blocked = False
        """Whether the client takes no more for now."""
        self.tls = tls
        self.scheme = b"https" if tls is not None else b"http"
        self.tls_version = ""
        self.transport: ClientTransport = cast("ClientTransport", None)
        self.address = b""
        self.port = 0
        self.peer_address = b""
        self._local: Address | None = None
        self.ahead = False
        """Content that came with the head is about to be read: the head waits for it (see OriginConnection.hold)."""
        self.trusted = False
        self.info: ClientInfo | None = None
        self.standing: Standing | None = None
        """What defence knows of the client at `address`, once it has looked."""
        self.fixed_lines = b""
        """See forwarding.py."""
        self.facts: ConnectionFacts | None = None
        """What the firewall is told of the connection: made when first asked for, and again for another client."""

    def introduce(self, peer: Address, local: Address | None) -> None:
        """Say who called, and whom if that is not what the socket says (PROXY header)."""
        self.peer_address = self.address = peer[0].encode()
        self.standing = None
        self.port = peer[1]
        self._local = local
        trusted = self.app.trusted
        self.trusted = bool(trusted) and self.address in trusted
        self.fixed_lines = b""

    @property
    def local(self) -> Address:
        """The address that the client called; asked for only when needed, for it costs a system call."""
        if self._local is None:
            self._local = address_of(self.transport.get_extra_info("sockname"))
        return self._local

    def write_last(self, data: bytes) -> None:
        """Send over TLS what ends a response and with it, in this very call, the connection: all goes in one piece."""
        cast("TlsLink", self.transport).write_last(data)

    # What an exchange asks of the connection: of one that has no socket, as the cache's own, all of it is for nothing

    def write(self, data: bytes) -> None:
        """Send to the client."""

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read again."""

    def expect_body(self) -> None:
        """From here on it is the client's turn: measure anew how fast it sends."""

    def must_close(self, most: float) -> bool:
        """Whether this response must be the connection's last; `most` requests may be answered on it."""
        return False

    def begin_tunnel(self) -> None:
        """From here on bytes are passed on as they come."""

    def on_exchange_done(self, exchange: Exchange, cut: bool) -> None:
        """The exchange ended: the next request, or the end."""

    def identify(self, head: RequestHead) -> bytes:
        """Learn from a trusted hop who the client is; return the scheme it used."""
        self.info = info = client_address(
            self.peer_address, head.block.fields, self.app.trusted, self.app.plan.config.trusted_field
        )
        if info.address != self.address:
            self.address, self.standing = info.address, None
        return info.proto or self.scheme


def peer_of(transport: asyncio.BaseTransport) -> Address:
    """Return the address of a connection's other end."""
    return address_of(transport.get_extra_info("peername"))


def address_of(name: tuple[Any, ...] | str | bytes | None) -> Address:
    """Return host and port of a socket's name; of a UNIX socket, which is named by a path, those of this machine."""
    if not isinstance(name, tuple):
        return ("", 0) if name is None else ("127.0.0.1", 0)
    host: str = name[0]
    if host.startswith("::ffff:") and "." in host:  # an IPv4 client of a dual-stack socket is an IPv4 client
        host = host.removeprefix("::ffff:")
    return host, name[1]
