"""The first bytes of a tunnel: if they are TLS, its ClientHello says where to, and the rules whether it is opened.

By then the tunnel stands: the destination's address was judged and dialled. So what is passed on goes where it went
before, and what is opened is spoken to over that very connection, once the server there has proven who it is.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from bascule.forward.bumped import BumpedLink, Inside
from bascule.forward.conditions import Need
from bascule.forward.egress import Destination
from bascule.forward.policy import Access
from bascule.forward.resolver import ResolveError
from bascule.forward.safesearch import reached_as
from bascule.forward.target import Target, make_target
from bascule.http.errors import HttpError
from bascule.proxy import tunnel
from bascule.telemetry import causes
from bascule.tls.clienthello import HelloError, server_name
from bascule.tls.mimicry import StandIn
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.forward.client import ForwardClient
    from bascule.forward.exchange import ForwardExchange
    from bascule.forward.intercept import Interception
    from bascule.upstream.connection import Answerer


class Peek:
    """Looks at one tunnel; `client` passes nothing on while it does."""

    __slots__ = ("_client", "_deciding", "_exchange", "_hello", "_interception")

    def __init__(self, client: ForwardClient, exchange: ForwardExchange, interception: Interception) -> None:
        self._client = client
        self._exchange = exchange
        self._interception = interception
        self._hello = b""
        self._deciding = False

    def feed(self, data: bytes) -> None:
        """Take what the client says first."""
        self._hello += data
        if self._deciding:
            return
        try:
            name = server_name(self._hello)
        except HelloError:
            self.no_tls()
            return
        if name is not None:
            self._deciding = True
            self._client.pause_reading()
            self._exchange.connecting = self._exchange.app.loop.create_task(self._decide(name))

    def no_tls(self) -> None:
        """It is no TLS, or the server has spoken first, or the client ended before there was a ClientHello."""
        exchange = self._exchange
        if exchange.connecting is not None:  # a server that speaks while a name is looked up
            exchange.connecting.cancel()
            exchange.connecting = None
        if self._interception.config.opaque == "refuse":
            exchange.rule = "opaque: refuse"
            exchange.answer(403, causes.OPAQUE_TUNNEL)
        else:
            self._pass_on("splice: no TLS")

    def client_ended(self) -> None:
        """The client will say no more: what it began with cannot become TLS."""
        if self._deciding:
            self._exchange.on_client_gone()
        else:
            self.no_tls()

    def _pass_on(self, rule: str) -> None:
        exchange, client = self._exchange, self._client
        exchange.rule = f"{exchange.rule}, {rule}"
        client.peek = None
        if self._hello:
            tunnel.from_client(client, self._hello)
        client.resume_reading()

    # The decision ------------------------------------------------------------------------------------

    async def _decide(self, name: bytes) -> None:
        exchange = self._exchange
        asked = exchange.asked
        try:
            meant = _meant(asked.target, name, _dialled(exchange.origin))
        except HttpError:
            exchange.connecting = None
            exchange.answer(400, causes.BAD_HOST)
            return
        choice = self._interception.choose(self._access(asked.target))
        if meant != asked.target:
            named = self._access(meant)
            if await self._denied(named):
                return
            # Anybody may write a name there. It counts by itself only where it leads to the address that was asked for.
            of_name = self._interception.choose(named)
            if of_name.bump or (asked.target.address and await self._is_at(meant)):
                choice = of_name
            elif choice.bump and asked.target.address and exchange.route.pool is None:
                self._go_where_it_leads(meant, of_name.rule)
                return
        if choice.bump and not self._interception.authority.may_sign(meant.host):
            exchange.connecting = None
            exchange.rule = f"{exchange.rule}, refuse: {meant.host} is beyond the authority's domains"
            exchange.answer(403, causes.OPAQUE_TUNNEL)
        elif choice.bump:
            exchange.rule = f"{exchange.rule}, {choice.rule}"
            await self._open(meant)
        else:
            exchange.connecting = None
            self._pass_on(choice.rule)

    async def _is_at(self, meant: Target) -> bool:
        return await self._exchange.service.egress.leads_to(meant.host, self._exchange.asked.target.address)

    def _go_where_it_leads(self, meant: Target, rule: str) -> None:
        """Leave a tunnel closed as its name wants, but at an address of that name: so no other comes by it unseen.

        Clients that ask another resolver are given other addresses, so this may well be honest.
        """
        exchange = self._exchange
        service, origin = exchange.service, exchange.origin
        exchange.origin = None
        if origin is not None:
            origin.close()
        timeout = exchange.route.connect_timeout
        self._client.deadline = exchange.app.now + timeout + 1
        target, name = replace(meant, address=""), reached_as(service.config, meant.host)

        def dialled(connection: Answerer | None, cause: str) -> None:
            exchange.connecting = None
            if connection is not None and exchange.finished:
                connection.close()
            elif connection is not None:
                exchange.origin = connection
                connection.tunnel(exchange)
                self._pass_on(rule)
            else:
                exchange.answer(502, cause)

        exchange.connecting = service.egress.dial(
            target, name, exchange.judge_address, timeout, dialled, exchange.source
        )

    async def _denied(self, access: Access) -> bool:
        """Refuse a name that the rules deny, or would ask its user for. Return whether it was."""
        exchange = self._exchange
        policy = exchange.service.policy
        decision = policy.decide(access)
        if decision.need is Need.ADDRESS:  # through a parent none was dialled here
            try:
                addresses = await exchange.service.egress.addresses(access.target.host)
            except ResolveError:
                addresses = ()
            for access.address in addresses:
                decision = policy.decide(access)
                if decision.action != "allow":
                    break
        if decision.action == "allow":
            return False
        exchange.connecting = None
        exchange.rule = policy.name(decision)
        exchange.answer(403, causes.EGRESS_DENIED)
        return True

    def _access(self, target: Target) -> Access:
        """Return what is asked for, to be judged as if it had named another target."""
        asked = self._exchange.asked
        access = Access(self._exchange.service.policy, asked.client, target, asked.method)
        access.user, access.groups = asked.user, asked.groups
        access.address = asked.address or _dialled(self._exchange.origin)
        return access

    # Opening it --------------------------------------------------------------------------------------

    async def _open(self, meant: Target) -> None:
        exchange, client = self._exchange, self._client
        service, origin = exchange.service, exchange.origin
        assert origin is not None
        exchange.origin = None
        target = replace(meant, secure=True)
        timeout = exchange.route.connect_timeout
        client.deadline = exchange.app.now + timeout + 1
        fault = ""
        stand_in: StandIn | None = None
        secured: Answerer | None = None
        try:
            secured, certificate = await service.egress.secure(origin, target, timeout)
            stand_in = self._interception.mimicry.of(certificate, target.host)
        except ssl.SSLCertVerificationError as error:
            fault = error.verify_message or "it cannot be verified"
        except (OSError, ValueError) as error:
            fault = str(getattr(error, "reason", "") or error or "it ended the handshake").lower().replace("_", " ")
        except asyncio.CancelledError:
            origin.transport.abort()
            raise
        else:
            secured.keep = exchange.route.pool is None  # one through a parent is of one use
            secured.release(exchange.app.now)
        exchange.connecting = None
        if stand_in is None:
            if secured is not None:  # it is who it says, but there can be nothing in its place
                secured.close()
            stand_in = self._interception.mimicry.for_page(target.host)
        if not exchange.finished:
            self._hand_over(stand_in, Inside(service, self._interception, exchange, target, fault))

    def _hand_over(self, stand_in: StandIn, inside: Inside) -> None:
        """From here on what the client says is TLS with us."""
        client, exchange = self._client, self._exchange
        link = BumpedLink(stand_in, inside, ((client.address.decode(), client.port), client.local))
        client.leave()
        exchange.finish(Outcome.OK, causes.BUMPED, 200)
        transport = client.transport
        transport.set_protocol(link)
        link.connection_made(cast(asyncio.Transport, transport))
        transport.resume_reading()
        link.data_received(self._hello)


def _meant(asked: Target, name: bytes, dialled: str) -> Target:
    """Return where a ClientHello wants to go: to its name, at the address dialled. Raises HttpError."""
    if not name or name.decode("latin-1") == asked.host:
        return asked
    named = make_target(name, asked.port)
    if named.address:  # RFC 6066 3: literal addresses are not permitted
        raise HttpError(400, causes.BAD_HOST)
    return replace(named, address=asked.address or dialled)


def _dialled(origin: Answerer | None) -> str:
    """Return the address that a connection leads to, as far as that is known here."""
    server = None if origin is None else origin.server
    return server.address if isinstance(server, Destination) else ""
