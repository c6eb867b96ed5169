"""After `101 Switching Protocols`, or the answer to CONNECT: bytes flow as they come, until an end or long silence."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from bascule.proxy import messages, wire
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.http.message import ResponseHead
    from bascule.proxy.client import ClientConnection
    from bascule.proxy.exchange import Exchange


def begin(exchange: Exchange, head: ResponseHead, rest: bytes) -> None:
    """A server answered 101, `rest` behind it: right only if the client asked for it (RFC 9110 15.2.2)."""
    if not exchange.upgrading or not messages.begin(exchange, head):
        exchange.on_origin_fault(causes.ORIGIN_PROTOCOL_ERROR)
        return
    exchange.wait = perf_counter() - exchange.asked_at
    exchange.status = 101
    exchange.responding = True
    exchange.close = True
    peer = exchange.peer
    peer.write(wire.switch_head(exchange, head))
    if rest:
        from_server(exchange, rest)
    peer.deadline = exchange.app.now + exchange.route.times.response_idle
    peer.begin_tunnel()


def from_server(exchange: Exchange, data: bytes) -> None:
    """Pass on what the server sent."""
    exchange.bytes_out += len(data)
    peer = exchange.peer
    if exchange.messages is None:
        peer.write(data)
    elif not exchange.messages.from_server(data):
        return
    if not peer.blocked:
        peer.deadline = exchange.app.now + exchange.route.times.response_idle


def from_client(client: ClientConnection, data: bytes) -> None:
    """Pass on what the client sent."""
    exchange = client.exchange
    if exchange is None or exchange.origin is None:
        return
    exchange.bytes_in += len(data)
    if exchange.messages is None:
        exchange.origin.write(data)
    else:
        exchange.messages.from_client(data)
    if not client.blocked:
        client.deadline = client.app.now + client.times.response_idle


def server_ended(exchange: Exchange) -> None:
    """The server ended its direction. TLS has no half-close that clients rely on."""
    client = exchange.peer
    if client.eof or client.tls is not None:
        exchange.finish(Outcome.OK, "", exchange.status)
        return
    client.ended = True
    client.transport.write_eof()


def client_ended(client: ClientConnection) -> bool:
    """The client ended its direction. Return whether ours stays open."""
    exchange = client.exchange
    if exchange is None or exchange.origin is None:
        return False
    if client.ended:
        exchange.finish(Outcome.OK, "", exchange.status)
    elif exchange.origin.transport.can_write_eof():
        exchange.origin.transport.write_eof()
        return True
    return False
