"""Requests whose body is awaited before a server is asked: who sends slowly occupies none (`limits.request_buffer`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange


def park(exchange: Exchange) -> None:
    """Await more of the body, or its end."""
    exchange.parked = True
    ask_for_body(exchange)


def leave(exchange: Exchange) -> None:
    """Enough of the body is here to ask a server."""
    exchange.parked = False
    exchange.try_server()


def ask_for_body(exchange: Exchange) -> None:
    """Tell a client that waits for the word to send its body (RFC 9110 10.1.1): no server will be asked before."""
    if exchange.head.expect and not exchange.continued:
        exchange.continued = True
        exchange.peer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
