"""UDP ASSOCIATE (RFC 1928 7): datagrams relayed for a client for as long as its control connection stands.

Each destination is judged like a tunnel there, before the first datagram, and is an exchange of its own in the log.
Only the client's own address is listened to, and of that the first port that speaks; only destinations that it sent to
may answer. Whatever cannot go at once is dropped: datagrams may be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from bascule.config.parents import DIRECT
from bascule.forward import login
from bascule.forward.conditions import Need
from bascule.forward.exchange import ForwardExchange
from bascule.forward.policy import Access
from bascule.forward.quotas import Meter, Refusal
from bascule.forward.resolver import ResolveError
from bascule.forward.safesearch import reached_as
from bascule.forward.socks import SocksError, SocksRequest
from bascule.forward.socks_exchange import SocksExchange
from bascule.forward.socks_udp import MAX_DATAGRAM, associated, unwrap, wrap
from bascule.forward.target import Target, make_target
from bascule.http.errors import HttpError
from bascule.http.h1.block import Block
from bascule.http.message import RequestHead
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.forward.client import ForwardClient

_PENDING = 16384
"""Bytes that wait while the name of a destination is resolved."""
_AT_ONCE = 64
"""Datagrams read before others have their turn."""
_NOWHERE = Target("0.0.0.0", 0, "0.0.0.0")  # noqa: S104
_METHOD = b"UDP"
Receive = Callable[[bytes, str, int], None]


class Port:
    """A UDP socket; what comes goes to `receive`, with where it comes from. Raises OSError if it cannot be bound."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str, receive: Receive) -> None:
        self._loop = loop
        self._receive = receive
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind((address, 0))
        except OSError:
            self._socket.close()
            raise
        self.address, self.number = self._socket.getsockname()[:2]
        loop.add_reader(self._socket.fileno(), self._ready)

    def send(self, datagram: bytes, address: str, number: int) -> None:
        """Send, or drop what cannot go now."""
        with contextlib.suppress(OSError):
            self._socket.sendto(datagram, (address, number))

    def _ready(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                datagram, origin = self._socket.recvfrom(MAX_DATAGRAM)
            except OSError:
                return
            self._receive(datagram, *origin[:2])
            if self._socket.fileno() < 0:
                return

    def close(self) -> None:
        """Take no more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()


class Flow(ForwardExchange):
    """The datagrams between a client and one destination."""

    __slots__ = ("_association", "_meter", "_pending", "_quiet_until", "address")

    protocol = b"SOCKS5"

    def __init__(self, association: Association, host: bytes, port: int) -> None:
        super().__init__(cast("ForwardClient", association.peer), _head(_METHOD, host, port))
        self._association = association
        self.route, self.site = self.service.route, self.service.site
        self.user = association.user
        self.address = ""
        """Where it goes, once it may."""
        self._pending: list[bytes] = []
        self._meter: Meter | None = None
        self._quiet_until = 0.0

    def start(self, host: bytes, port: int) -> None:
        """Find out whether datagrams may go there."""
        service, outer = self.service, self._association
        try:
            target = make_target(host, port)
        except HttpError as error:
            self._refused(error.status, error.cause)
            return
        access = self.access = Access(service.policy, self.peer.address, target, _METHOD)
        access.user, access.groups = outer.asked.user or "", outer.asked.groups
        decision = self.decision = service.policy.decide(access)
        access.rule = decision.rule
        self.by_address = decision.need is Need.ADDRESS
        self.rule = service.policy.name(decision)
        if not any(first <= port <= last for first, last in outer.config.ports):
            self._refused(403, causes.EGRESS_PORT)
        elif decision.action != "allow" and not self.by_address:
            self._refused(403, causes.EGRESS_DENIED)
        elif service.ways is not None and service.ways.of(access)[0] != DIRECT:
            self._refused(403, causes.PARENT_REFUSED)  # never past a parent: no datagram goes through one
        elif self._is_metered(access):
            self.status = 200
            self.connecting = self.app.loop.create_task(self._resolve(target))

    def _is_metered(self, access: Access) -> bool:
        found = None if (quotas := self.service.quotas) is None else quotas.admit(access)
        if isinstance(found, Refusal):
            self.rule = f"quota {found.quota}"
            self._refused(found.status, found.cause)
            return False
        self._meter = found
        return True

    async def _resolve(self, target: Target) -> None:
        egress = self.service.egress
        try:
            name = reached_as(self.service.config, target.host)
            addresses = (target.address,) if target.address else await egress.addresses(name)
        except ResolveError:
            self._refused(502, causes.DNS_FAILED)
            return
        finally:
            self.connecting = None
        cause = ""
        for address in addresses:
            if not (cause := self.judge_address(address)):
                self._reached(address)
                return
        self._refused(403, cause)

    def _reached(self, address: str) -> None:
        self.address = address
        self.rule = self.service.policy.name(self.decision)
        pending, self._pending = self._pending, []
        if self._association.knows(self):
            for content in pending:
                self.send(content)

    def _refused(self, status: int, cause: str) -> None:
        self.status, self.cause = status, cause
        self._pending.clear()

    def send(self, content: bytes) -> None:
        """Send to the destination, as far as that may be."""
        if self.cause:
            return
        if not self.address:
            if sum(map(len, self._pending)) + len(content) <= _PENDING:
                self._pending.append(content)
        elif self._may_pass(len(content)):
            self.bytes_in += len(content)
            self._association.send(self, content)

    def received(self, content: bytes) -> bool:
        """Take an answer. Return whether the client may have it."""
        if self.cause or not self._may_pass(len(content)):
            return False
        self.bytes_out += len(content)
        return True

    def _may_pass(self, size: int) -> bool:
        """Charge a datagram; what is beyond a bandwidth is lost."""
        meter = self._meter
        if meter is None:
            return True
        if self.app.now < self._quiet_until:
            return False
        self._quiet_until = self.app.now + meter.charge(size)
        if meter.used_up:
            self.rule = f"quota {meter.used_up}"
            self._refused(403, causes.QUOTA_USED)
        return not meter.used_up

    def end(self) -> None:
        """It is over: write it down."""
        if self.connecting is not None:
            self.connecting.cancel()
        if self._meter is not None:
            self._meter.close()
        self.finished = True
        self.record()


class Association(SocksExchange):
    """The control connection, and the ports of its relay."""

    __slots__ = ("_answering", "_client", "_flows", "_outside", "_relay", "config")

    def __init__(self, peer: ForwardClient, request: SocksRequest) -> None:
        super().__init__(peer, _head(b"UDP-ASSOCIATE", request.host, request.port), request.version)
        assert self.service.config.udp is not None
        self.config = self.service.config.udp
        self._relay: Port | None = None
        self._client: tuple[str, int] | None = None
        """Where the client's datagrams come from; its first one tells."""
        self._flows: OrderedDict[tuple[bytes, int], Flow] = OrderedDict()
        self._answering: dict[tuple[str, int], Flow] = {}
        """Flows by address and port of their destination."""
        self._outside: dict[str, Port] = {}
        """Ports that destinations see, by the address they are bound to."""

    def _enter(self) -> None:
        """See ForwardExchange. Raises HttpError."""
        service = self.service
        if self.peer.address not in service.clients:
            raise HttpError(403, causes.EGRESS_CLIENT)
        self.access = Access(service.policy, self.peer.address, _NOWHERE, self.method)
        if login.identify(self):
            self.identified()

    def identified(self) -> None:
        """See ForwardExchange: open the relay."""
        service, peer = self.service, self.peer
        if service.associations >= self.config.associations:
            self.answer(503, causes.OVER_LIMIT_CONNECTIONS)
            return
        try:
            relay = self._relay = Port(self.app.loop, peer.local[0], self._from_client)
        except OSError:
            self.answer(503, causes.INTERNAL)
            return
        service.associations += 1
        self.status = 200
        self.responding = self.close = True
        peer.write(associated(relay.address, relay.number))
        self._touch()
        peer.begin_tunnel()

    def _touch(self) -> None:
        self.peer.deadline = self.app.now + self.config.idle

    # Datagrams ---------------------------------------------------------------------------------------

    def _from_client(self, datagram: bytes, address: str, number: int) -> None:
        if address.encode() != self.peer.peer_address:
            return
        if self._client is None:
            self._client = address, number
        elif self._client != (address, number):
            return
        try:
            host, port, content = unwrap(datagram)
        except SocksError:
            return
        self._touch()
        key = host, port
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= self.config.destinations:
                self._forget(next(iter(self._flows)))
            flow = self._flows[key] = Flow(self, host, port)
            flow.start(host, port)
        else:
            self._flows.move_to_end(key)
        flow.send(content)

    def knows(self, flow: Flow) -> bool:
        """Let a flow's destination answer. Return whether the flow is still one of this association."""
        if self.finished or flow.finished:
            return False
        self._answering[flow.address, flow.asked.target.port] = flow
        return True

    def send(self, flow: Flow, content: bytes) -> None:
        """Send to a flow's destination, from the address that is chosen for it."""
        target, outgoing = flow.asked.target, self.service.outgoing
        own = "::" if ":" in flow.address else "0.0.0.0"  # noqa: S104
        if outgoing is not None:
            own = outgoing.source(self.user or self.peer.address.decode(), target.host).to(flow.address)
        port = self._outside.get(own)
        if port is None:
            try:
                port = self._outside[own] = Port(self.app.loop, own, self._from_outside)
            except OSError:
                return
        port.send(content, flow.address, target.port)

    def _from_outside(self, content: bytes, address: str, number: int) -> None:
        flow = self._answering.get((address, number))
        if flow is None or self._relay is None or self._client is None or not flow.received(content):
            return
        self._touch()
        self._relay.send(wrap(address, number, content), *self._client)

    # The end -----------------------------------------------------------------------------------------

    def _forget(self, key: tuple[bytes, int]) -> None:
        flow = self._flows.pop(key)
        if flow.access is not None:
            place = flow.address, flow.asked.target.port
            if self._answering.get(place) is flow:
                del self._answering[place]
        flow.end()

    def on_client_gone(self) -> None:
        """See Exchange: this is how an association ends."""
        self.finish(Outcome.OK, "", self.status or 499)

    def finish(self, outcome: Outcome | None, cause: str, status: int, cut: bool = False) -> None:
        """See Exchange."""
        if not self.finished:
            for key in list(self._flows):
                self._forget(key)
            for port in self._outside.values():
                port.close()
            if self._relay is not None:
                self._relay.close()
                self._relay = None
                self.service.associations -= 1
        super().finish(outcome, cause, status, cut)


def _head(method: bytes, host: bytes, port: int) -> RequestHead:
    """Return what stands in the log for a request."""
    head = RequestHead(method, b"%b:%d" % (host, port), Block([]), [])
    head.authority = head.target
    head.host, head.port = host, port
    return head
