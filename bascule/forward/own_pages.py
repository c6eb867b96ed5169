"""What the proxy serves itself: portal, script for browsers, and the certificate that interception wants trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.forward import pac, portal
from bascule.proxy import answers
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.exchange import ForwardExchange


def answer(exchange: ForwardExchange) -> bool:
    """Serve a page of the proxy's own, if one is asked for. Return whether it was."""
    head, service = exchange.head, exchange.service
    identity = service.identity
    if identity is not None and identity.portal is not None and portal.answer(exchange, identity.portal):
        return True
    path = head.line_target
    if path[:1] != b"/" or exchange.method not in (b"GET", b"HEAD"):
        return False
    found = None
    if (script := service.config.pac) is not None and path in pac.PATHS:
        host, port = exchange.peer.local
        authority = head.authority.decode("ascii") or f"{host}:{port}"
        found = pac.CONTENT_TYPE, pac.script(script, authority, exchange.peer.tls is not None)
    elif service.interception is not None:
        found = service.interception.page(path)
    if found is None:
        return False
    answers.content(exchange, *found, causes.RESPOND)
    return True
