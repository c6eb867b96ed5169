"""Heads as they leave: what goes to the server, and what goes back to the client.

Both are serialised anew from the parsed message; no byte of framing is ever copied through.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from bascule.http.fields import Field, Kind, list_tokens
from bascule.http.message import NO_LENGTH, RequestHead, ResponseHead

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange

_WATCHED = int(Kind.WATCHED)
_USER_AGENT = int(Kind.USER_AGENT)
_REFERER = int(Kind.REFERER)
_VIA = int(Kind.VIA)
_UNSAFE_NAME = int(Kind.UNSAFE_NAME)
_TE = int(Kind.TE)
_CONTENT_LENGTH = int(Kind.CONTENT_LENGTH)
_LOCATION = int(Kind.LOCATION)
_SET_COOKIE = int(Kind.SET_COOKIE)
_DATE = int(Kind.DATE)
_TRAILER = int(Kind.TRAILER)

_KEPT_OPTIONS = frozenset(
    b"authorization cache-control content-encoding content-length content-type cookie date expires host "
    b"pragma range te upgrade user-agent vary x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)
"""Fields for all recipients: naming them in Connection does not remove them (RFC 9110 7.6.1)."""

IDENTITY, CHUNKED, UNTIL_CLOSE = range(3)
"""How a body is delimited towards the client."""

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def status_line(status: int, reason: bytes = b"") -> bytes:
    """Return the status line; the server's own reason phrase is not passed on where a standard one exists."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d %b\r\n" % (status, reason)


def request_head(exchange: Exchange) -> bytes:
    """Return the request head for the server that `exchange` picked."""
    head = exchange.head
    route = exchange.route
    peer = exchange.peer
    lines = [field[3] for field in head.fields if not field[2]]
    if head.specials:
        lines += _request_specials(exchange, head)
    if head.connection:
        lines = _without_options(lines, head.connection)
    host = route.host or (exchange.server.host_header if route.plan.headers.host == "origin" else head.authority)
    return b"".join(
        (
            head.method,
            b" ",
            exchange.target,
            b" HTTP/1.1\r\nhost: ",
            host,
            b"\r\n",
            b"".join(lines),
            peer.forwarded_lines(exchange),
            route.request_tail,
            route.request.dynamic(exchange.facts()) if route.request.templates else b"",
            b"\r\n",
        )
    )


def _request_specials(exchange: Exchange, head: RequestHead) -> list[bytes]:
    lines = []
    route = exchange.route
    drop = route.request.drop
    for field in head.specials:
        kind = field[2]
        if kind in (_USER_AGENT, _REFERER, _WATCHED):
            if field[0] not in drop:
                lines.append(field[3])
        elif kind == _UNSAFE_NAME:
            if route.underscore == "keep":
                lines.append(field[3])
        elif kind == _VIA:
            lines.append(field[3])
        elif kind == _TE:
            if b"trailers" in list_tokens(field[1]):
                lines.append(b"te: trailers\r\nconnection: te\r\n")
        elif kind == _TRAILER and head.chunked:
            lines.append(field[3])
    if exchange.request_chunked:
        lines.append(b"transfer-encoding: chunked\r\n")
    elif head.length != NO_LENGTH:
        lines.append(b"content-length: %d\r\n" % head.length)
    if head.expect and not exchange.continued:
        lines.append(b"expect: 100-continue\r\n")
    if exchange.upgrading:
        lines.append(b"connection: upgrade\r\nupgrade: %b\r\n" % head.upgrade)
    return lines


def _without_options(lines: list[bytes], options: list[bytes]) -> list[bytes]:
    """Remove the fields that the Connection field names as hop-by-hop."""
    named = tuple(option + b":" for option in options if option not in _KEPT_OPTIONS)
    return [line for line in lines if not line.startswith(named)] if named else lines


def response_head(exchange: Exchange, head: ResponseHead, framing: int, close: bool) -> bytes:
    """Return the response head for the client."""
    route = exchange.route
    lines = [field[3] for field in head.fields if not field[2]]
    has_date = False
    if head.specials:
        drop = route.response.drop
        for field in head.specials:
            kind = field[2]
            if kind == _WATCHED:
                if field[0] not in drop:
                    lines.append(field[3])
            elif kind == _DATE:
                has_date = True
                lines.append(field[3])
            elif kind == _CONTENT_LENGTH:
                if framing == IDENTITY and head.status != 204 and head.status >= 200:
                    lines.append(field[3])
            elif kind == _SET_COOKIE:
                lines.append(_cookie(exchange, field))
            elif kind == _LOCATION:
                lines.append(_place(exchange, field))
            elif kind == _UNSAFE_NAME or (kind == _TRAILER and framing == CHUNKED):
                lines.append(field[3])
    return b"".join(
        (
            status_line(head.status, head.reason),
            b"".join(lines),
            b"" if has_date else exchange.app.date_line,
            b"transfer-encoding: chunked\r\n" if framing == CHUNKED else b"",
            exchange.extra,
            route.response_tail,
            route.response.dynamic(exchange.facts()) if route.response.templates else b"",
            connection_line(exchange.head, close),
            b"\r\n",
        )
    )


def informational_head(head: ResponseHead) -> bytes:
    """Return a 1xx head: its end-to-end fields only."""
    return b"".join((status_line(head.status, head.reason), *_plain(head), b"\r\n"))


def switch_head(exchange: Exchange, head: ResponseHead) -> bytes:
    """Return a 101 head."""
    upgrade = head.upgrade or exchange.head.upgrade
    drop = exchange.route.response.drop
    kept = [field[3] for field in head.specials if field[2] == _WATCHED and field[0] not in drop]
    kept += [_cookie(exchange, field) for field in head.specials if field[2] == _SET_COOKIE]
    return b"".join(
        (
            status_line(101),
            *_plain(head),
            *kept,
            exchange.extra,
            b"connection: upgrade\r\nupgrade: %b\r\n\r\n" % upgrade,
        )
    )


def _plain(head: ResponseHead) -> list[bytes]:
    return [field[3] for field in head.fields if not field[2]]


def connection_line(request: RequestHead, close: bool) -> bytes:
    """Return the Connection field that the client needs to see, if any."""
    if close:
        return b"connection: close\r\n"
    return b"" if request.minor else b"connection: keep-alive\r\n"


def _cookie(exchange: Exchange, field: Field) -> bytes:
    mapped = exchange.route.cookies
    return field[3] if mapped is None else b"set-cookie: %b\r\n" % mapped(field[1])


def _place(exchange: Exchange, field: Field) -> bytes:
    place = exchange.route.place
    change = place.refresh if field[0] == b"refresh" else place.place
    value = change(field[1], exchange.scheme, exchange.head.authority)
    return b"%b: %b\r\n" % (field[0], value)
