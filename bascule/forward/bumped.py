"""Inside a tunnel that was opened: TLS with the client, and its requests, judged like those of plain HTTP.

They go to the one server that the tunnel was for: a request for another host is sent back (421), so that no name slips
past the rules by which the tunnel was opened. Nothing is passed on to a server that could not prove who it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from bascule.forward.client import ForwardClient
from bascule.forward.exchange import ForwardExchange
from bascule.forward.policy import Access
from bascule.forward.target import Target, make_target
from bascule.http.errors import HttpError
from bascule.proxy import answers
from bascule.proxy.client import ClientConnection
from bascule.proxy.prelude import Ends, TlsLink
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.intercept import Interception
    from bascule.forward.service import ForwardService
    from bascule.http.message import RequestHead
    from bascule.tls.filter import TlsFilter
    from bascule.tls.mimicry import StandIn

_AT_ONCE: Final = 2.0
"""Seconds within which a client that says nothing and goes has not liked the certificate. Connections that browsers
open in advance stay for longer."""


class Inside:
    """What is known of the tunnel. With a `fault` its server did not prove who it is, and this is why."""

    __slots__ = ("fault", "groups", "interception", "outer", "service", "target", "user")

    def __init__(
        self, service: ForwardService, interception: Interception, outer: ForwardExchange, target: Target, fault: str
    ) -> None:
        self.service = service
        self.interception = interception
        self.outer = outer
        self.target = target
        self.fault = fault
        self.user = outer.user
        self.groups = outer.asked.groups


class BumpedLink(TlsLink):
    """The TLS with the client; sees when it does not take what stands in for the server."""

    __slots__ = ("_inside", "_rejected", "_since")

    within = True

    def __init__(self, stand_in: StandIn, inside: Inside, ends: Ends) -> None:
        super().__init__(inside.service.app, stand_in, lambda tls: BumpedClient(inside, tls), ends)
        self._inside = inside
        self._since = self.app.loop.time()
        self._rejected = False

    def _established(self) -> ClientConnection:
        self._since = self.app.loop.time()
        return super()._established()

    def _failed(self, reason: str) -> None:
        super()._failed(reason)
        if self._client is None and "alert" in reason and ("certificate" in reason or reason.endswith("_ca")):
            self._reject(reason)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        client = cast("BumpedClient | None", self._client)
        if client is not None and (client.served or client.held):
            self._inside.interception.pins.accepted(self.address.decode(), self._inside.target.host)
        elif (self._filter.eof or not self._closing) and self.app.loop.time() - self._since < _AT_ONCE:
            self._reject("it ended the connection without a word")
        super().connection_lost(error)

    def _reject(self, reason: str) -> None:
        if not self._rejected:
            self._rejected = True
            self._inside.interception.rejected(self._inside.outer, self._inside.target.host, reason)


class BumpedExchange(ForwardExchange):
    """A request inside."""

    __slots__ = ()

    def __init__(self, peer: ForwardClient, head: RequestHead) -> None:
        super().__init__(peer, head)
        self.protocol = b"HTTPS"

    def _enter(self) -> None:
        """See ForwardExchange. Who asks is known of the tunnel. Raises HttpError."""
        inside = cast("BumpedClient", self.peer).inside
        head, target = self.head, inside.target
        if self.is_tunnel:
            raise HttpError(405, causes.METHOD_NOT_ALLOWED)
        here = make_target(head.host, head.port or 443, True)
        if (here.host, here.port) != (target.host, target.port):
            raise HttpError(421, causes.MISDIRECTED)
        access = self.access = Access(inside.service.policy, self.peer.address, target, self.method, head)
        access.user, access.groups = inside.user, inside.groups
        if inside.fault:
            advice = f"{target.host} could not prove who it is ({inside.fault}). Nothing was sent to it."
            answers.error(self, 502, causes.ORIGIN_TLS, advice=advice)
            return
        self._check_way()
        self.decide()

    def try_server(self) -> None:
        """See ForwardExchange. What was said in confidence is kept for nobody else: it goes past every cache."""
        self.ask_server()


class BumpedClient(ForwardClient):
    """The client inside: it speaks HTTP as to a server."""

    __slots__ = ("inside",)

    exchange_type = BumpedExchange

    def __init__(self, inside: Inside, tls: TlsFilter | None) -> None:
        super().__init__(inside.service, tls)
        self.inside = inside
        self.requests = self.app.requests
        self.user = inside.user

    def _begins_otherwise(self, data: bytes) -> bool:
        """See ForwardClient: here it is HTTP or nothing."""
        return False
