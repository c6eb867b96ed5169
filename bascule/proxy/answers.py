"""What Bascule answers by itself: error pages, redirects, fixed texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bascule.http.answers import HTML
from bascule.http.errors import HttpError
from bascule.proxy import wire
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange


DEFAULT_RETRY_AFTER = 300
ALLOWED = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""What a 405 must tell (RFC 9110 15.5.6)."""

PROTOCOL = frozenset(list(causes.MEANINGS)[: list(causes.MEANINGS).index(causes.TARGET_TOO_LONG) + 1]) - {
    causes.TLS_HANDSHAKE
}
"""Causes that are the protocol detector's findings: the request is malformed, ambiguous or oversized."""


def error(exchange: Exchange, status: int, cause: str, fields: bytes = b"", advice: str = "") -> None:
    """Answer with an error page and end the exchange. `advice` takes the place of what the status usually says."""
    if exchange.finished:
        return
    if exchange.origin is not None or exchange.connecting is not None:
        exchange.detach(Outcome.CLIENT_ABORT)
    if exchange.responding:
        exchange.finish(None, cause, exchange.status, cut=True)
        return
    head = exchange.head
    pages = exchange.route.answers if exchange.routed else exchange.app.answers
    content_type, body = pages.render(status, exchange.reference(), head.value(b"accept"), advice)
    if cause in PROTOCOL and exchange.app.events is not None:
        exchange.app.events.write(_protocol_event(exchange, status, cause))
    if status == 405:
        fields += b"allow: %b\r\n" % ALLOWED
    extra = b"x-bascule-ref: %b\r\ncache-control: no-store\r\n%b" % (exchange.ref.encode(), fields)
    _send(exchange, status, content_type, body, extra, cause)


def _protocol_event(exchange: Exchange, status: int, cause: str) -> bytes:
    """Say in the event log why a request was refused before any rule could see it."""
    head = exchange.head
    return msgspec.json.encode(
        {
            "reference": exchange.ref,
            "time": exchange.started_at,
            "client": exchange.peer.address.decode("latin-1"),
            "method": head.method.decode("latin-1"),
            "target": head.target.partition(b"?")[0].decode("latin-1")[:512],
            "host": head.authority.decode("latin-1"),
            "status": status,
            "cause": cause,
        }
    )


def check_limits(exchange: Exchange) -> None:
    """Hold a request to limits that its site or route sets lower than the listener's. Raises HttpError."""
    limits = exchange.route.plan.limits
    head = exchange.head
    if len(head.fields) > limits.header_fields:
        raise HttpError(431, causes.TOO_MANY_FIELDS)
    if len(head.target) > limits.target_bytes:
        raise HttpError(414, causes.TARGET_TOO_LONG)
    if sum([len(field[3]) for field in head.fields]) > limits.header_bytes:
        raise HttpError(431, causes.HEADER_TOO_LARGE)


def maintenance(exchange: Exchange) -> bool:
    """Answer 503 if maintenance mode is on and does not let this client in. Return whether it did."""
    route = exchange.route
    by_hand = exchange.app.maintenance.get(route.plan.site)
    if not (route.in_maintenance if by_hand is None else by_hand):
        return False
    address = exchange.peer.address
    if route.maintenance_allows is not None and address in route.maintenance_allows:
        return False
    seconds = route.maintenance.retry_after if route.maintenance is not None else DEFAULT_RETRY_AFTER
    error(exchange, 503, causes.MAINTENANCE, b"retry-after: %d\r\n" % seconds)
    return True


def content(exchange: Exchange, content_type: bytes, body: bytes, cause: str) -> None:
    """Answer 200 with content that is made here, and end the exchange."""
    _send(exchange, 200, content_type, body, b"cache-control: no-cache\r\n", cause)


def redirect(exchange: Exchange, to: bytes, status: int, cause: str, fields: bytes = b"") -> None:
    """Answer with a redirect and end the exchange."""
    place = to.translate(None, b"\r\n\0")
    fields += b"location: %b\r\n" % place
    _send(exchange, status, b"text/plain; charset=utf-8", b"See %b\n" % place, fields, cause)


def nothing(exchange: Exchange, fields: bytes, cause: str) -> None:
    """Answer 204 and end the exchange."""
    _send(exchange, 204, b"", b"", b"cache-control: no-store\r\n" + fields, cause)


def page(exchange: Exchange, content: bytes, content_type: bytes, status: int, cause: str) -> None:
    """Answer with a page of the operator's own, in which ``{ref}`` is filled in, and end the exchange."""
    reference = exchange.reference().encode()
    fields = b"x-bascule-ref: %b\r\ncache-control: no-store\r\n" % reference
    if exchange.origin is not None:
        exchange.detach(Outcome.CLIENT_ABORT)
    _send(exchange, status, content_type, content.replace(b"{ref}", reference), fields, cause)


def own_page(exchange: Exchange, status: int, content: bytes, fields: bytes, cause: str) -> None:
    """Answer with a page of Bascule's own, which no header policy of the route may touch, and end the exchange."""
    _send(exchange, status, HTML, content, fields + b"cache-control: no-store\r\n", cause, own=True)


def options(exchange: Exchange) -> None:
    """Answer an OPTIONS request that was to come no further."""
    _send(exchange, 200, b"text/plain", b"", b"allow: %b\r\n" % ALLOWED, causes.RESPOND)


def fixed(exchange: Exchange) -> None:
    """Answer as a route without servers says: a redirect or a fixed text."""
    plan = exchange.route.plan
    if plan.redirect is not None:
        _, mark, query = exchange.head.target.partition(b"?")
        to = plan.redirect.to.encode()
        for name, value in (
            (b"{host}", exchange.head.host),
            (b"{path}", exchange.path),
            (b"{query}", mark + query),
            (b"{uri}", exchange.uri),
        ):
            to = to.replace(name, value)
        redirect(exchange, to, plan.redirect.status, causes.REDIRECT)
    elif plan.respond is not None:
        answer = plan.respond
        content_type = answer.content_type.encode()
        _send(exchange, answer.status, content_type, answer.body.encode(), b"", causes.RESPOND)


def _send(
    exchange: Exchange, status: int, content_type: bytes, body: bytes, fields: bytes, cause: str, own: bool = False
) -> None:
    head = exchange.head
    peer = exchange.peer
    most = exchange.route.max_requests if exchange.routed else exchange.app.max_requests
    exchange.close = not head.keep_alive or not exchange.request_done or peer.must_close(most)
    exchange.responding = True
    empty = status in (204, 304)
    exchange.bytes_out = 0 if empty or head.method == b"HEAD" else len(body)
    tail = b""
    if exchange.routed and not own:
        route = exchange.route
        tail = route.response.static
        if route.response.templates:
            tail += route.response.dynamic(exchange.facts())
    peer.write(
        b"".join(
            (
                wire.status_line(status),
                exchange.app.date_line,
                b"" if empty else b"content-type: %b\r\ncontent-length: %d\r\n" % (content_type, len(body)),
                fields,
                exchange.extra,
                tail,
                wire.connection_line(head, exchange.close),
                b"\r\n",
                body if exchange.bytes_out else b"",
            )
        )
    )
    exchange.finish(None, cause, status)
