"""A request on its way through parents: the one that is asked now, and what follows when it cannot be reached."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bascule.forward import direct, pages
from bascule.forward.parents import DIRECT_WAY, REFUSALS, Tunnels
from bascule.forward.safesearch import reached_as
from bascule.proxy import attempts
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.forward.exchange import ForwardExchange
    from bascule.upstream.connection import OriginConnection
    from bascule.upstream.connector import Done

NOT_REACHED: Final = frozenset(
    (causes.NO_SERVER, causes.QUEUE_FULL, causes.QUEUE_TIMEOUT, causes.CONNECT_FAILED, causes.CONNECT_TIMEOUT,
     causes.ORIGIN_TLS)
)  # fmt: skip
"""Causes that say that no server of a parent was given the request: the next on the way may be."""


def take(exchange: ForwardExchange) -> None:
    """Ask the first parent of the way, or go direct if that is what comes next."""
    service, access = exchange.service, exchange.asked
    parent = service.parents.get(exchange.way[0])
    exchange.path_sent = path = exchange.path_sent or exchange.target
    if parent is None:
        exchange.route, exchange.target, exchange.way = service.route, path, DIRECT_WAY
        exchange.ask_server()
        return
    if cause := service.parent_fault(access.target):
        exchange.answer(pages.STATUS[cause], cause)
        return
    name = reached_as(service.config, access.target.host)
    if exchange.by_address and not access.address:
        exchange.peer.deadline = exchange.app.now + exchange.route.connect_timeout
        exchange.connecting = service.egress.look_up(
            name, exchange.judge_address, lambda cause: _looked_up(exchange, cause)
        )
        return
    url = parent.takes_urls and not (exchange.is_tunnel or access.target.secure or exchange.upgrading)
    exchange.route = parent.route if url else parent.tunnels
    exchange.target = access.url_at(name, path) if url else path
    exchange.rule = service.policy.name(exchange.decision)
    attempts.start(exchange)


def _looked_up(exchange: ForwardExchange, cause: str) -> None:
    """Rules that ask for the address have judged every one; the parent, which looks itself, is told the name."""
    exchange.connecting = None
    if cause:
        direct.dialled(exchange, None, cause)
    else:
        take(exchange)


def goes_on(exchange: ForwardExchange, cause: str) -> bool:
    """Ask the next on the way, where the parent could not be given the request. Return whether there is one."""
    if not exchange.routed or exchange.route.pool is None or cause not in NOT_REACHED:
        return False
    if len(exchange.way) < 2 or exchange.responding or not exchange.replayable:
        return False
    exchange.way = exchange.way[1:]
    exchange.tried = ()
    take(exchange)
    return True


def dial(exchange: ForwardExchange, tunnels: Tunnels, done: Done) -> asyncio.Task[None]:
    """Open a tunnel through the server of a parent that was picked."""
    route, target = exchange.route, exchange.asked.target

    def opened(connection: OriginConnection | None, cause: str) -> None:
        if cause not in REFUSALS:
            done(connection, cause)
            return
        exchange.connecting = None
        if cause == causes.ORIGIN_TIMEOUT:
            attempts.give_up(exchange, Outcome.TIMEOUT, 504, cause)
        else:
            attempts.give_up(exchange, Outcome.OK, 502, cause)

    # Both steps have deadlines of their own; this one is of last resort.
    exchange.peer.deadline = exchange.app.now + route.connect_timeout + route.response_timeout + 1
    times = route.connect_timeout, route.response_timeout
    return tunnels.through(exchange.server, target, reached_as(exchange.service.config, target.host), times, opened)
