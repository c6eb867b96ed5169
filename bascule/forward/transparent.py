"""Connections that a firewall turned to the proxy on their way (transparent mode): nobody told the client of a proxy.

Where it wanted to go, the kernel knows. What it wanted there, HTTP says by Host and TLS by its ClientHello; any program
may write any name there, so one counts only if it leads, by our own resolution, to the very address that was called.
Without this a forged name would pass every rule about domains.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from bascule.forward import chain, login
from bascule.forward.client import ForwardClient
from bascule.forward.exchange import ForwardExchange
from bascule.forward.policy import Access, Decision
from bascule.forward.safesearch import reached_as
from bascule.forward.target import Target, make_target
from bascule.http.errors import HttpError
from bascule.http.h1.block import Block
from bascule.http.message import RequestHead
from bascule.proxy.peer import Address, ClientTransport
from bascule.proxy.phase import BUSY
from bascule.telemetry import causes
from bascule.tls.clienthello import HelloError, server_name

if TYPE_CHECKING:
    from bascule.forward.service import ForwardService
    from bascule.tls.filter import TlsFilter

_ORIGINAL_DST: Final = 80
"""SO_ORIGINAL_DST of linux/netfilter_ipv4.h, and IP6T_SO_ORIGINAL_DST."""
_HANDSHAKE: Final = 22
"""First byte of TLS (RFC 8446 5.1)."""


def original_destination(sock: socket.socket, mode: str) -> Address:
    """Return address and port that a client called before it was turned here. Raises OSError where it was not.

    With ``tproxy`` the socket has that very address; with ``redirect`` the kernel's table of connections knows it.
    """
    if mode == "tproxy":
        name = sock.getsockname()
    elif sock.family == socket.AF_INET6:
        raw = sock.getsockopt(socket.IPPROTO_IPV6, _ORIGINAL_DST, 28)
        name = socket.inet_ntop(socket.AF_INET6, raw[8:24]), *struct.unpack_from("!2xH", raw)
    else:
        raw = sock.getsockopt(socket.IPPROTO_IP, _ORIGINAL_DST, 16)
        name = socket.inet_ntoa(raw[4:8]), *struct.unpack_from("!2xH", raw)
    return name[0], name[1]


class TransparentExchange(ForwardExchange):
    """A request of plain HTTP, or a tunnel, to where the client was on its way."""

    __slots__ = ()

    def __init__(self, peer: ForwardClient, head: RequestHead) -> None:
        super().__init__(peer, head)
        self.is_tunnel = False  # whatever the method: nobody asked a proxy here

    def _enter(self) -> None:
        """See ForwardExchange. Raises HttpError."""
        service = self.service
        if self.peer.address not in service.clients:
            raise HttpError(403, causes.EGRESS_CLIENT)
        claimed = self._claimed()
        if claimed.host == claimed.address:
            self._aim(claimed)
        elif (known := service.egress.known(claimed.host)) is not None:
            self._check(claimed, known)
        else:
            self.peer.deadline = self.app.now + self.route.connect_timeout
            self.connecting = self.app.loop.create_task(self._look_up(claimed))

    def _claimed(self) -> Target:
        """Return what the client says, at the address that it called. Raises HttpError."""
        address, port = cast("TransparentClient", self.peer).called
        head = self.head
        if self.method == b"CONNECT" and not self.is_tunnel:
            raise HttpError(405, causes.METHOD_NOT_ALLOWED)
        named = make_target(head.host, port)
        if head.port and head.port != port:
            raise HttpError(421, causes.FORGED_NAME)
        if named.address and named.address != address:
            raise HttpError(421, causes.FORGED_NAME)
        return replace(named, address=address)

    async def _look_up(self, claimed: Target) -> None:
        try:
            addresses = await self.service.egress.addresses(claimed.host)
        except OSError:
            addresses = ()
        self.connecting = None
        try:
            self._check(claimed, addresses)
        except HttpError as error:
            self.answer(error.status, error.cause)

    def _check(self, claimed: Target, addresses: tuple[str, ...]) -> None:
        """Believe a name that leads to the address called; else refuse it, or go where it does lead."""
        config = self.service.config
        if claimed.address not in addresses and config.mismatch == "refuse":
            raise HttpError(421, causes.FORGED_NAME)
        if claimed.address not in addresses or reached_as(config, claimed.host) != claimed.host:
            claimed = replace(claimed, address="")
        self._aim(claimed)

    def _aim(self, target: Target) -> None:
        """Go on as any exchange does whose target is known. Nobody can be asked for a name here."""
        service, identity = self.service, self.service.identity
        head = None if self.is_tunnel else self.head
        access = self.access = Access(service.policy, self.peer.address, target, self.method, head)
        access.user = ""
        self._check_way()
        user = "" if identity is None else login.known_user(cast(ForwardClient, self.peer), identity)
        if identity is not None and identity.auth.required and not user and not login.leads_to_provider(self):
            if identity.portal is None:
                raise HttpError(403, causes.PROXY_AUTHENTICATION)
            login.challenge(self)
            return
        if identity is None or not user or login.knows(self, identity, user):
            self.decide()


class TransparentTunnel(TransparentExchange):
    """TLS to where the client was on its way. What is refused is cut: no answer would be understood."""

    __slots__ = ()

    def __init__(self, peer: ForwardClient, head: RequestHead) -> None:
        super().__init__(peer, head)
        self.is_tunnel = True
        self.protocol = b"TLS"

    def _established(self) -> bytes:
        return b""

    def refuse(self, decision: Decision) -> None:
        self.rule = self.service.policy.name(decision)
        self.answer(403, causes.EGRESS_DENIED)

    def answer(self, status: int, cause: str, fields: bytes = b"", advice: str = "") -> None:
        """Cut the connection; or go on to the next on the way."""
        if not self.finished and not chain.goes_on(self, cause):
            self.close = True
            self.finish(None, cause, self.status if self.responding else status, cut=True)


class TransparentClient(ForwardClient):
    """A client that does not know of the proxy."""

    __slots__ = ("_hello", "_mode", "called")

    exchange_type = TransparentExchange

    def __init__(self, service: ForwardService, mode: str) -> None:
        super().__init__(service, None)
        self.requests = self.app.requests
        self._mode = mode
        self._hello = b""
        self.called: Address = ("", 0)
        """Where it wanted to go."""

    def begin(self, transport: ClientTransport, peer: Address, local: Address | None = None) -> None:
        """See ClientConnection."""
        super().begin(transport, peer, local)
        try:
            self.called = original_destination(transport.get_extra_info("socket"), self._mode)
        except OSError:
            self.called = "", 0
        if not self.called[0] or self.service.is_own(*self.called):  # it called the proxy itself
            self.app.note(self.address, self.port, causes.EGRESS_LOOP, 0)
            self.shut()

    def _begins_otherwise(self, data: bytes) -> bool:
        """See ForwardClient: TLS, or else HTTP."""
        if self.held or (not self._hello and data[0] != _HANDSHAKE):
            return False
        self._hello += data
        try:
            name = server_name(self._hello)
        except HelloError:
            self._end(causes.OPAQUE_TUNNEL)
            return True
        if name is not None:
            self._begin_tunnel(name or self.called[0].encode())
        return True

    def _begin_tunnel(self, name: bytes) -> None:
        port = self.called[1]
        host = b"[%b]" % name if b":" in name else name
        head = RequestHead(b"CONNECT", b"%b:%d" % (host, port), Block([]), [])
        head.authority = head.target
        head.host, head.port = host, port
        self.served += 1
        self.state = BUSY
        self.held, self._hello = self._hello, b""
        exchange = self.exchange = TransparentTunnel(self, head)
        exchange.begin()


class TransparentFront:
    """Serves the listeners of one mode: a `Front` of proxy/app.py beside that of `service`."""

    def __init__(self, service: ForwardService, mode: str) -> None:
        self._service = service
        self._mode = mode

    def client(self, tls: TlsFilter | None) -> TransparentClient:
        """See Front."""
        return TransparentClient(self._service, self._mode)

    def every_second(self, now: float) -> None:
        """See Front: the service does it."""

    def close(self) -> None:
        """See Front: the service does it."""
