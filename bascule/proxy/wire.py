"""Heads as they leave: what goes to the server, and what goes back to the client.

Both are serialised anew from the parsed message; no byte of framing is ever copied through.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from bascule.http.answers import reason
from bascule.http.fields import Field, Kind, list_tokens
from bascule.http.h1.block import PASSED
from bascule.http.message import RequestHead, ResponseHead
from bascule.proxy import forwarding
from bascule.proxy.rewrite import PlaceMap

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange

_WATCHED = int(Kind.WATCHED)
_VIA = int(Kind.VIA)
_UNSAFE_NAME = int(Kind.UNSAFE_NAME)
_TE = int(Kind.TE)
_RANGE = int(Kind.RANGE)
_LOCATION = int(Kind.LOCATION)
_CONTENT_LENGTH = int(Kind.CONTENT_LENGTH)
_SET_COOKIE = int(Kind.SET_COOKIE)
_TRAILER = int(Kind.TRAILER)

_KEPT_OPTIONS = frozenset(
    b"authorization cache-control content-encoding content-length content-type cookie date expires host "
    b"pragma range te upgrade user-agent vary x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)
"""Fields for all recipients: naming them in Connection does not remove them (RFC 9110 7.6.1)."""

_PLACES = {
    b"refresh": PlaceMap.refresh,
    b"link": PlaceMap.links,
    b"access-control-allow-origin": PlaceMap.grant,
    b"report-to": PlaceMap.text,
    b"reporting-endpoints": PlaceMap.text,
    b"timing-allow-origin": PlaceMap.text,
    b"content-security-policy": PlaceMap.text,
    b"content-security-policy-report-only": PlaceMap.text,
}
"""How the places are written in fields that hold more, or less, than one URI reference."""

IDENTITY: Final = 0
CHUNKED: Final = 1
UNTIL_CLOSE: Final = 2
"""How a body is delimited towards the client."""

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {reason(status.value)}\r\n".encode() for status in HTTPStatus}


def status_line(status: int, phrase: bytes = b"") -> bytes:
    """Return the status line; the server's own reason phrase is not passed on where a standard one exists."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d %b\r\n" % (status, phrase)


def request_head(exchange: Exchange) -> bytes:
    """Return the request head for the server that `exchange` picked."""
    head = exchange.head
    route = exchange.route
    block = head.block
    lines = block.by_route.get(route.index)
    if lines is None:
        lines = block.remember(route.index, _request_lines(exchange, head))
    host = route.host or (not route.host_of_origin and head.authority) or exchange.server.host_header
    peer = exchange.peer
    authority = head.authority
    usual = route.usual_forwarding and authority and peer.info is None
    return b"".join(
        (
            head.method,
            b" ",
            exchange.target,
            b" HTTP/1.1\r\nhost: ",
            host,
            b"\r\n",
            lines,
            _passed(head) if block.options else head.passed,
            _request_framing(exchange, head) if head.length >= 0 or head.chunked or block.expect else b"",
            (peer.fixed_lines or forwarding.fixed_lines(peer)) if usual else forwarding.lines(peer, exchange),
            authority if usual else b"",
            b"\r\n" if usual else b"",
            route.request_tail,
            route.request.dynamic(exchange.facts()) if route.request.templates else b"",
            b"\r\n",
        )
    )


def _request_lines(exchange: Exchange, head: RequestHead) -> bytes:
    """Return the lines of the block that the route lets through: the same for every request with this block."""
    route = exchange.route
    block = head.block
    drop = route.request.drop | _named(head)
    lines = [_without_options(head) if block.options else block.plain]
    for field in block.asks:
        kind = field[2]
        if field[0] in drop:
            continue
        if kind == _WATCHED:
            lines.append(field[3])
        elif kind == _UNSAFE_NAME:
            if route.underscore == "keep":
                lines.append(field[3])
        elif kind == _VIA:
            lines.append(field[3])
        elif kind == _TE:
            if b"trailers" in list_tokens(field[1]):
                lines.append(b"te: trailers\r\nconnection: te\r\n")
        elif kind == _RANGE:
            if field[1].count(b",") < route.max_ranges:
                lines.append(field[3])
        elif kind == _TRAILER and block.chunked:
            lines.append(field[3])
    if exchange.upgrading:
        lines.append(b"connection: upgrade\r\nupgrade: %b\r\n" % block.upgrade)
    return b"".join(lines)


def _request_framing(exchange: Exchange, head: RequestHead) -> bytes:
    """Return the lines that say how the body is delimited and when it comes."""
    lines = b""
    if head.chunked:
        lines = b"transfer-encoding: chunked\r\n"
    elif head.length >= 0:
        lines = b"content-length: %d\r\n" % head.length
    if head.expect and not exchange.continued:
        lines += b"expect: 100-continue\r\n"
    return lines


def _named(head: RequestHead | ResponseHead) -> frozenset[bytes]:
    """Return the fields that Connection names as hop-by-hop (RFC 9110 7.6.1)."""
    return frozenset(head.block.options) - _KEPT_OPTIONS


def _without_options(head: RequestHead | ResponseHead) -> bytes:
    """Return the plain lines without the fields that Connection names."""
    named = _named(head)
    return b"".join([field[3] for field in head.block.fields if field[2] in PASSED and field[0] not in named])


def _passed(head: RequestHead | ResponseHead) -> bytes:
    """Return the lines that vary without the fields that Connection names."""
    named = _named(head)
    return b"".join([f[3] for f in head.varying if f[2] != _CONTENT_LENGTH and f[0] not in named])


def response_head(exchange: Exchange, head: ResponseHead, framing: int, close: bool) -> bytes:
    """Return the response head for the client."""
    route = exchange.route
    block = head.block
    lines = block.by_route.get(route.index)
    if lines is None:
        lines = _response_lines(exchange, head)
    delimiter = b""
    if framing == CHUNKED:
        delimiter = b"transfer-encoding: chunked\r\n"
    elif framing == IDENTITY and (length := head.announced) >= 0 and head.status != 204:
        delimiter = b"content-length: %d\r\n" % length
    return b"".join(
        (
            _STATUS_LINES.get(head.status) or status_line(head.status, head.reason),
            lines,
            _passed(head) if block.options else head.passed,
            delimiter,
            connection_line(exchange.head, close) if close or not exchange.head.minor else b"",
            b"" if block.has_date else exchange.app.date_line,
            route.response.dynamic(exchange.facts()) if route.response.templates else b"",
            exchange.extra,
            route.response_tail,
        )
    )


def _response_lines(exchange: Exchange, head: ResponseHead) -> bytes:
    """Return the lines of the block that the route lets through, remembered where the request has no say in them."""
    block = head.block
    route = exchange.route
    drop = route.response.drop | _named(head)
    lines = [_without_options(head) if block.options else block.plain]
    constant = True
    for field in block.asks:
        kind = field[2]
        if field[0] in drop:
            continue
        if kind == _WATCHED:
            lines.append(field[3])
        elif kind == _SET_COOKIE:
            lines.append(_cookie(exchange, field))
            constant = constant and b"domain" not in field[1].lower()
        elif kind == _LOCATION:
            lines.append(_place(exchange, field))
            constant = constant and b"//" not in field[1] and route.links is None
        elif kind == _UNSAFE_NAME:
            lines.append(field[3])
        elif kind == _TRAILER:
            constant = False
            if head.chunked and exchange.head.minor:
                lines.append(field[3])
    joined = b"".join(lines)
    return block.remember(route.index, joined) if constant else joined


def informational_head(exchange: Exchange, head: ResponseHead) -> bytes:
    """Return a 1xx head: its end-to-end fields only. The links of a 103 (RFC 8297) are why there is one."""
    links = [_place(exchange, field) for field in head.block.asks if field[0] == b"link"]
    return b"".join((status_line(head.status, head.reason), head.block.plain, *links, b"\r\n"))


def switch_head(exchange: Exchange, head: ResponseHead) -> bytes:
    """Return a 101 head."""
    upgrade = head.block.upgrade or exchange.head.block.upgrade
    lines = _response_lines(exchange, head) + head.passed
    ending = b"connection: upgrade\r\nupgrade: %b\r\n\r\n" % upgrade
    return b"".join((status_line(101), lines, exchange.extra, ending))


def connection_line(request: RequestHead, close: bool) -> bytes:
    """Return the Connection field that the client needs to see, if any."""
    if close:
        return b"connection: close\r\n"
    return b"" if request.minor else b"connection: keep-alive\r\n"


def _cookie(exchange: Exchange, field: Field) -> bytes:
    mapped = exchange.route.cookies
    value = field[1] if mapped is None else mapped(field[1])
    if b"domain" in value.lower():
        value = exchange.route.place.cookie(value, exchange.head.host)
    return field[3] if value is field[1] else b"set-cookie: %b\r\n" % value


def _place(exchange: Exchange, field: Field) -> bytes:
    place = exchange.route.place
    change = _PLACES.get(field[0], PlaceMap.place)
    value = change(place, field[1], exchange.scheme, exchange.head.authority)
    if (links := exchange.route.links) is not None and field[0] == b"location":
        value = links.signed(value, exchange.head.line_target, exchange.head.authority)
    return b"%b: %b\r\n" % (field[0], value)
