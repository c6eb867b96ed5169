"""Who asks: how a request of the forward proxy says it, and what becomes of what it says.

In this order: who logged in on the connection (SOCKS), whom its client certificate names, whom its address stands for
or who signed in there (`portal.py`), what ``Proxy-Authorization`` says. Who showed a ticket on a connection has logged
in on it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from bascule.forward.conditions import is_below
from bascule.forward.digest import Claim, Digest, parse_claim
from bascule.forward.guesses import LockedOutError
from bascule.forward.identity import Credentials, DirectoryError, Identity, basic_credentials
from bascule.forward.negotiate import NegotiationError, token_of
from bascule.forward.portal import invite
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.client import ForwardClient
    from bascule.forward.exchange import ForwardExchange


def known_user(client: ForwardClient, identity: Identity) -> str:
    """Return the user that a connection stands for, without being asked; empty if for none."""
    return client.user or (identity.auth.certificates and _of_certificate(client)) or identity.user_at(client.address)


def _of_certificate(client: ForwardClient) -> str:
    return "" if client.tls is None else client.tls.peer_common_name


def identify(exchange: ForwardExchange) -> bool:
    """Find out who asks. False: it was answered, or is being found out, and the exchange goes on by itself then."""
    identity = exchange.service.identity
    if identity is None:
        exchange.asked.user = ""
        return True
    user = known_user(cast("ForwardClient", exchange.peer), identity)
    if not user:
        value = exchange.head.value(b"proxy-authorization")
        if identity.negotiate is not None and (token := token_of(value)):
            exchange.connecting = exchange.app.loop.create_task(_negotiate(exchange, identity, token))
            return False
        if identity.digest is not None and (claim := parse_claim(value)) is not None:
            if not _proven(exchange, identity, identity.digest, claim):
                return False
            user = claim.name
        elif identity.takes_basic and (credentials := basic_credentials(value)) is not None:
            if not identity.remembered(credentials):
                exchange.connecting = exchange.app.loop.create_task(_verify(exchange, identity, credentials))
                return False
            user = identity.named(credentials[0])
    if user:
        return knows(exchange, identity, user)
    if identity.auth.required and not leads_to_provider(exchange):
        challenge(exchange)
        return False
    return True


def leads_to_provider(exchange: ForwardExchange) -> bool:
    """Tell whether somebody who is not known yet needs this to sign in: no rule has a say then."""
    identity = exchange.service.identity
    if identity is None or identity.portal is None or exchange.user:
        return False
    return is_below(exchange.asked.target.host, identity.portal.open)


def knows(exchange: ForwardExchange, identity: Identity, user: str) -> bool:
    """Take an exchange for a user's. False: the directory is asked for the groups, and the exchange goes on then."""
    if identity.lacks_groups(user):
        exchange.connecting = exchange.app.loop.create_task(_learn(exchange, identity, user))
        return False
    _is(exchange, identity, user)
    return True


async def _learn(exchange: ForwardExchange, identity: Identity, user: str) -> None:
    try:
        await identity.learn_groups(user)
    except DirectoryError:
        exchange.connecting = None
        exchange.answer(503, causes.PROXY_IDENTITY, b"retry-after: 5\r\n")
        return
    exchange.connecting = None
    _is(exchange, identity, user)
    exchange.identified()


def _is(exchange: ForwardExchange, identity: Identity, user: str) -> None:
    exchange.user = exchange.asked.user = user
    exchange.asked.groups = identity.groups(user, exchange.peer.address)


def _proven(exchange: ForwardExchange, identity: Identity, digest: Digest, claim: Claim) -> bool:
    """Judge a digest; where it does not hold, the client is asked again."""
    address, head = exchange.peer.address, exchange.head
    try:
        identity.guesses.check(address)
    except LockedOutError as error:
        _locked_out(exchange, error)
        return False
    if not digest.is_fresh(claim):  # before the password: an answer to what no challenge asked would be a free guess
        challenge(exchange, stale=True)
        return False
    # RFC 7616 3.4 means the target of the request line; Chromium gives a proxy only its path and query.
    if not any(digest.is_right(claim, exchange.method, target) for target in {head.line_target, head.target}):
        identity.guesses.wrong(address, claim.name)
        challenge(exchange)
        return False
    if not digest.is_new(claim):
        challenge(exchange, stale=True)
        return False
    identity.guesses.right(address, claim.name)
    return True


async def _verify(exchange: ForwardExchange, identity: Identity, credentials: Credentials) -> None:
    try:
        right = await identity.verify(credentials, exchange.peer.address)
    except LockedOutError as error:
        exchange.connecting = None
        _locked_out(exchange, error)
        return
    except DirectoryError:
        exchange.connecting = None
        exchange.answer(503, causes.PROXY_IDENTITY, b"retry-after: 5\r\n")
        return
    exchange.connecting = None
    if right:
        _is(exchange, identity, identity.named(credentials[0]))
        exchange.identified()
    else:
        challenge(exchange)


async def _negotiate(exchange: ForwardExchange, identity: Identity, token: bytes) -> None:
    client = cast("ForwardClient", exchange.peer)
    assert identity.negotiate is not None
    negotiation, client.negotiation = client.negotiation or identity.negotiate.begin(), None
    try:
        step = await identity.take_ticket(negotiation, token, client.address)
    except LockedOutError as error:
        exchange.connecting = None
        _locked_out(exchange, error)
        return
    except NegotiationError:
        exchange.connecting = None
        challenge(exchange)
        return
    exchange.connecting = None
    field = b"proxy-authenticate: Negotiate %b\r\n" % base64.b64encode(step.token) if step.token else b""
    if not step.user:
        client.negotiation = negotiation
        exchange.answer(407, causes.PROXY_AUTHENTICATION, field)
        return
    identity.guesses.right(client.address)
    client.user = user = identity.named(step.user)
    if not exchange.is_tunnel:
        exchange.extra += field  # the proof that this is the proxy: RFC 4559 5
    if knows(exchange, identity, user):
        exchange.identified()


def _locked_out(exchange: ForwardExchange, error: LockedOutError) -> None:
    exchange.answer(429, causes.PROXY_LOCKED_OUT, b"retry-after: %d\r\n" % max(1, error.wait))


def challenge(exchange: ForwardExchange, stale: bool = False) -> None:
    """Ask who it is: by name and password, or at the portal, to which browsers are led."""
    identity = exchange.service.identity
    fields = b"" if identity is None else identity.challenge(stale)
    if identity is None or (portal := identity.portal) is None:
        exchange.answer(407, causes.PROXY_AUTHENTICATION, fields)
    elif not invite(exchange, portal):
        advice = f"Sign in at {portal.url}/portal with a browser, then try again."
        exchange.answer(407 if fields else 511, causes.PROXY_AUTHENTICATION, fields, advice)  # RFC 6585 6
