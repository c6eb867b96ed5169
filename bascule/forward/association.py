"""UDP ASSOCIATE (RFC 1928 7): datagrams relayed for a client for as long as its control connection stands.

Each destination is judged like a tunnel there, before the first datagram, and is an exchange of its own in the log.
Only the client's own address is listened to, and of that the first port that speaks; only destinations that it sent to
may answer. What becomes of them is told in `flow.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from bascule.forward import login
from bascule.forward.flow import Flow, request_head
from bascule.forward.policy import Access
from bascule.forward.socks import SocksError, SocksRequest
from bascule.forward.socks_exchange import SocksExchange
from bascule.forward.socks_udp import associated, unwrap, wrap
from bascule.forward.target import NOWHERE
from bascule.forward.udp_port import Port
from bascule.forward.uplinks import Uplinks
from bascule.http.errors import HttpError
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.forward.client import ForwardClient


class Association(SocksExchange):
    """The control connection, and the ports of its relay."""

    __slots__ = ("_answering", "_client", "_flows", "_outside", "_relay", "config", "uplinks")

    def __init__(self, peer: ForwardClient, request: SocksRequest) -> None:
        super().__init__(peer, request_head(b"UDP-ASSOCIATE", request.host, request.port), request.version)
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
        self.uplinks = Uplinks(self)
        """Relays at parents."""

    def _enter(self) -> None:
        """See ForwardExchange. Raises HttpError."""
        service = self.service
        if self.peer.address not in service.clients:
            raise HttpError(403, causes.EGRESS_CLIENT)
        self.access = Access(service.policy, self.peer.address, NOWHERE, self.method)
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
        if flow.address:
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
        if flow is not None:
            self.answered(flow, content, wrap(address, number, content))

    def answered(self, flow: Flow, content: bytes, datagram: bytes) -> None:
        """Let the client have an answer, if it may: `datagram`, which is the content behind where it came from."""
        if self._relay is not None and self._client is not None and flow.received(content):
            self._touch()
            self._relay.send(datagram, *self._client)

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
            self.uplinks.close()
            if self._relay is not None:
                self._relay.close()
                self._relay = None
                self.service.associations -= 1
        super().finish(outcome, cause, status, cut)
