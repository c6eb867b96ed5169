"""The decisions on a request's head, in their order: which route, may it pass.

Exchange.begin calls them one after the other. Each raises HttpError for what is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.http.errors import HttpError
from bascule.http.fields import Kind
from bascule.http.h1.block import Block
from bascule.http.path import is_normal, normalise
from bascule.proxy import answers, forwarding
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange

SPECIAL = frozenset((b"CONNECT", b"OPTIONS", b"TRACE"))
"""Methods that mean something to proxies."""
_MOST_HOPS = 255


def find_route(exchange: Exchange) -> None:
    """Host and path in normal form decide the route; the same form goes to the server."""
    head = exchange.head
    site = exchange.app.router.site(head.host)
    if site is None:
        raise HttpError(421, causes.NO_SITE)
    exchange.site = site
    if site.strict_transport and exchange.scheme == b"https":
        exchange.extra += site.strict_transport
    raw_path, mark, query = head.target.partition(b"?")
    if is_normal(raw_path):  # as nearly all are
        path = raw_path
        route = site.only or site.route(head, path)
    else:
        normal = normalise(raw_path, site.plan.path)
        path = normal.wire
        route = site.only or site.route_of(head, normal)
    exchange.path = path
    if route is None:
        raise HttpError(404, causes.NO_ROUTE)
    exchange.route = route
    exchange.routed = True
    exchange.peer.times = route.times
    target = path if route.rewrite is None else route.rewrite(path)
    if target is not raw_path:
        exchange.target = target + mark + query


def admit(exchange: Exchange) -> bool:
    """What Bascule answers itself, and what it refuses; True lets the request on to a server.

    A plain request on a route that is not `guarded` meets nothing here and is not asked.
    """
    head, route, site = exchange.head, exchange.route, exchange.site
    if (suffix := site.secure_suffix) is not None and exchange.scheme == b"http":
        answers.redirect(exchange, b"https://%b%b%b" % (head.host, suffix, exchange.uri), 308, causes.HTTPS_REDIRECT)
        return False
    if (tls := site.plan.tls) is not None and tls.client_auth is not None:
        forwarding.check_certificate(exchange.peer, site)
    if (route.maintenance is not None or exchange.app.maintenance) and answers.maintenance(exchange):
        return False
    if route.own_limits:
        answers.check_limits(exchange)
    if route.underscore == "reject" and any(field[2] == Kind.UNSAFE_NAME for field in head.block.asks):
        raise HttpError(400, causes.UNDERSCORE_FIELD)
    if head.method == b"CONNECT":
        raise HttpError(405, causes.METHOD_NOT_ALLOWED)
    if route.body_limit and head.length > route.body_limit:
        raise HttpError(413, causes.BODY_TOO_LARGE)
    if route.pool is None:
        answers.fixed(exchange)
        return False
    block = head.block
    if block.upgrade:
        offered = block.upgrade.lower().partition(b"/")[0]
        allowed = offered in route.upgrades or b"*" in route.upgrades
        exchange.upgrading = allowed and b"upgrade" in block.options and head.minor == 1
    return head.method not in SPECIAL or _count_hop(exchange)


def _count_hop(exchange: Exchange) -> bool:
    """Count down Max-Forwards of OPTIONS and TRACE (RFC 9110 7.6.2). Return False if it ends here: it is answered."""
    head = exchange.head
    values = head.values(b"max-forwards")
    if not values:
        return True
    if len(values) > 1 or not values[0].isdigit():
        raise HttpError(400, causes.BAD_FIELD_VALUE)
    hops = min(int(values[0][:5]), _MOST_HOPS)
    if hops == 0:
        if head.method == b"TRACE":  # to reflect it would show a script what it may not read (9.3.8)
            raise HttpError(405, causes.METHOD_NOT_ALLOWED)
        answers.options(exchange)
        return False
    line = b"max-forwards: %d\r\n" % (hops - 1)
    fields = [field if field[0] != b"max-forwards" else (*field[:3], line) for field in head.block.fields]
    head.block = Block(fields, head.minor)
    return True
