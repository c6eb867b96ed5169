"""A request on its way straight to its destination: over a kept connection, or over one that is dialled."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from bascule.forward import login, pages
from bascule.forward.safesearch import reached_as
from bascule.proxy import attempts
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.exchange import ForwardExchange
    from bascule.upstream.connection import OriginConnection

_REPEATABLE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
"""Methods whose requests may go over a kept connection: if that breaks they are simply sent again (RFC 9110 9.2.2)."""


def take(exchange: ForwardExchange) -> None:
    """Send the request, or open the tunnel."""
    service, target, source = exchange.service, exchange.asked.target, exchange.source
    egress, outgoing = service.egress, service.outgoing
    if exchange.request_done and exchange.method in _REPEATABLE and not exchange.kept:
        wanted = source if outgoing is not None and outgoing.is_constant else None
        kept = egress.kept(target, exchange.judge_address, exchange.app.now, wanted)
        if kept is not None:
            _connected(exchange, kept)
            return
    timeout = exchange.route.connect_timeout
    exchange.peer.deadline = exchange.app.now + timeout
    name = reached_as(service.config, target.host)
    done = partial(dialled, exchange)
    exchange.connecting = egress.dial(target, name, exchange.judge_address, timeout, done, source)


def dialled(exchange: ForwardExchange, connection: OriginConnection | None, cause: str) -> None:
    """There is a connection, or none for some cause."""
    exchange.connecting = None
    if connection is not None and exchange.finished:
        connection.close()
    elif connection is not None:
        _connected(exchange, connection)
    elif cause == causes.EGRESS_DENIED:
        exchange.refuse(exchange.decision)
    elif cause == causes.PROXY_AUTHENTICATION:
        login.challenge(exchange)
    else:
        exchange.answer(pages.STATUS[cause], cause)


def _connected(exchange: ForwardExchange, connection: OriginConnection) -> None:
    exchange.server_name = connection.server.name
    exchange.tries = 1
    exchange.rule = exchange.service.policy.name(exchange.decision)
    if exchange.is_tunnel:
        exchange.open_tunnel(connection)
    else:
        attempts.send(exchange, connection)
