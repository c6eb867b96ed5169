"""The tries of an exchange at servers: pick, connect, send, leave, try another, give up."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from bascule.http.h1.body import chunk, last_chunk
from bascule.proxy import shedding, wire
from bascule.proxy.phase import TUNNEL
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome, PoolState, Unavailable

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.upstream.connection import OriginConnection
    from bascule.upstream.connector import Connector

_FULL: Final = Unavailable.FULL  # asking an Enum for a member takes four times as long
_DOWN: Final = Unavailable.DOWN
_OK: Final = Outcome.OK
_ERROR_STATUS: Final = Outcome.ERROR_STATUS
_RETRY_AFTER = b"retry-after: 5\r\n"


def start(exchange: Exchange) -> None:
    """Begin a try: pick a server and send the request to it, now or when a connection is open."""
    route = exchange.route
    pool, connector = route.pool, route.connector
    assert pool is not None and connector is not None  # noqa: PT018 - the admission saw to it
    server = pool.pick(exchange, exchange.tried)
    if server is _FULL:
        _wait(exchange, pool)
        return
    if server is _DOWN:
        give_up(exchange, None, 503, causes.NO_SERVER)
        return
    exchange.server = server
    exchange.server_name = server.name
    exchange.asked_at = perf_counter()
    exchange.tries += 1
    exchange.charged = True
    kept = connector.kept(server, exchange.app.now)
    if kept is not None:
        send(exchange, kept)
    else:
        _connect(exchange, connector)


def _wait(exchange: Exchange, pool: PoolState) -> None:
    """Every server is at its limit: wait in the pool's line for a slot."""

    def wake() -> None:
        exchange.ticket = None
        start(exchange)

    ticket = pool.enqueue(wake, shedding.goes_first(exchange))
    if ticket is None:
        exchange.answer(503, causes.QUEUE_FULL, _RETRY_AFTER)
        return
    exchange.ticket = ticket
    exchange.peer.deadline = _in_all(exchange, exchange.app.now + exchange.route.queue_timeout)
    if ticket.first:
        pool.serve_line()


def _connect(exchange: Exchange, connector: Connector) -> None:
    tries = exchange.tries

    def connected(connection: OriginConnection | None, cause: str) -> None:
        if exchange.finished or exchange.tries != tries:
            if connection is not None:
                connection.keep = True
                connection.release(exchange.app.now)
            return
        exchange.connecting = None
        if connection is not None:
            exchange.use(connection)
        elif not again(exchange, Outcome.CONNECT, "connect"):
            status = 504 if cause == causes.CONNECT_TIMEOUT else 502
            give_up(exchange, Outcome.CONNECT, status, cause)

    peer = exchange.peer
    peer.deadline = response_deadline(exchange)
    preface = connector.preface((peer.address.decode(), peer.port), peer.local) if connector.introduces else b""
    exchange.connecting = exchange.dial(connector, preface, connected)


def send(exchange: Exchange, connection: OriginConnection) -> None:
    """Send the head and whatever of the body is here."""
    exchange.origin = connection
    connection.user = exchange
    message = wire.request_head(exchange)
    if exchange.parts:
        body = b"".join(exchange.parts)
        message += chunk(body) if exchange.head.chunked else body
        exchange.forget_large_body()
    if exchange.head.chunked and exchange.request_done:
        message += last_chunk(exchange.request_trailers)
    peer = exchange.peer
    if peer.ahead:
        connection.hold(message)
    else:
        connection.transport.write(message)
    if exchange.request_done or not exchange.awaits_client:
        peer.deadline = response_deadline(exchange)
    else:
        peer.expect_body()
    if not exchange.request_done:
        peer.resume_reading()


def response_deadline(exchange: Exchange) -> float:
    """Return when the response head must have come."""
    deadline = exchange.app.now + exchange.route.response_timeout
    return _in_all(exchange, deadline) if exchange.route.total else deadline


def _in_all(exchange: Exchange, deadline: float) -> float:
    """Return the deadline of a step, or that of the whole exchange if it comes first."""
    if total := exchange.route.total:
        return min(deadline, exchange.app.now + total - exchange.age())
    return deadline


def leave(exchange: Exchange, outcome: Outcome | None) -> None:
    """Leave the present server, with what it did; the connection is kept if it may be."""
    if exchange.connecting is not None:
        exchange.connecting.cancel()
        exchange.connecting = None
    if exchange.ticket is not None:
        exchange.ticket.cancel()
        exchange.ticket = None
    origin, exchange.origin = exchange.origin, None
    if origin is not None:
        if outcome is _OK or outcome is _ERROR_STATUS:
            if not exchange.request_done or exchange.head.block.binds:
                origin.keep = False
            if exchange.peer.blocked and not origin.closed:
                origin.transport.resume_reading()
            origin.release(exchange.app.now)
        else:
            origin.close()
    if exchange.charged and (pool := exchange.route.pool) is not None:
        exchange.charged = False
        taken = exchange.wait or perf_counter() - exchange.asked_at
        pool.release(exchange.server, Outcome.CLIENT_ABORT if outcome is None else outcome, taken)


def again(exchange: Exchange, outcome: Outcome, condition: str) -> bool:
    """Try another server if the request and the route allow it. Return whether that was begun.

    A request that never reached a server may always go to another; one that may have been acted upon only if
    its method is idempotent (RFC 9110 9.2.2). A kept connection that the server closed as the request left
    says nothing about the server, and costs neither a try nor the budget.
    """
    route = exchange.route
    pool = route.pool
    if pool is None or exchange.responding or not exchange.replayable:
        return False
    if outcome is not Outcome.CONNECT and exchange.method not in route.retry_methods:
        return False
    origin = exchange.origin
    stale = outcome is Outcome.RESET and origin is not None and not origin.fresh
    if not stale:
        if condition not in route.retry_on or exchange.tries > route.retry_attempts:
            return False
        if route.total and exchange.age() >= route.total:
            return False
        if not pool.may_retry():
            return False
        exchange.tried = (*exchange.tried, exchange.server)
        _count_failure(exchange, outcome)
    exchange.detach(Outcome.CLIENT_ABORT if stale else outcome)
    if stale:
        exchange.tries -= 1
    exchange.status, exchange.wait = 0, 0.0
    start(exchange)
    return True


_REASONS = {
    Outcome.CONNECT: "connect",
    Outcome.RESET: "reset",
    Outcome.TIMEOUT: "timeout",
    Outcome.ERROR_STATUS: "status",
}


def _count_failure(exchange: Exchange, outcome: Outcome) -> None:
    """Tell the metrics of a try that failed at its server."""
    pool = exchange.route.pool
    if pool is not None and (reason := _REASONS.get(outcome)):
        exchange.app.recorder.try_failed(pool.plan.name, exchange.server.name, reason)


def timed_out(exchange: Exchange) -> None:
    """The deadline of the present step passed."""
    route = exchange.route
    if exchange.peer.state == TUNNEL:
        exchange.finish(Outcome.OK, causes.IDLE_TIMEOUT, exchange.status, cut=True)
    elif exchange.responding:
        exchange.finish(Outcome.TIMEOUT, causes.ORIGIN_IDLE, exchange.status, cut=True)
    elif exchange.ticket is not None:
        give_up(exchange, None, 503, causes.QUEUE_TIMEOUT)
    elif route.total and exchange.age() >= route.total:
        give_up(exchange, Outcome.TIMEOUT, 504, causes.TOTAL_TIMEOUT)
    elif not again(exchange, Outcome.TIMEOUT, "timeout"):
        give_up(exchange, Outcome.TIMEOUT, 504, causes.ORIGIN_TIMEOUT)


def give_up(exchange: Exchange, outcome: Outcome | None, status: int, cause: str) -> None:
    """No server will answer: Bascule does."""
    if outcome is not None:
        _count_failure(exchange, outcome)
    exchange.detach(outcome)
    exchange.answer(status, cause, _RETRY_AFTER if status == 503 else b"")


def replaced(exchange: Exchange, complete: bool) -> bool:
    """Try elsewhere for a better response, or put Bascule's own page in its place. False: it is the answer."""
    status = exchange.status
    route = exchange.route
    if status in route.retry_status and again(exchange, Outcome.ERROR_STATUS, str(status)):
        return True
    if status not in route.intercept:
        return False
    origin = exchange.origin
    if origin is not None and not complete:
        origin.keep = False
    exchange.detach(Outcome.ERROR_STATUS if 502 <= status <= 504 else Outcome.OK)
    exchange.answer(status, causes.INTERCEPTED)
    return True
