"""The waiting room before a route: who comes in gets a cookie, who waits a page that tells its place and asks again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bascule.defence import waiting_page
from bascule.defence.challenges.ladder import is_navigation
from bascule.defence.waiting_room import Wait
from bascule.http.answers import HTML, JSON
from bascule.proxy import answers
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.shield import Shield
    from bascule.defence.waiting_room import Room
    from bascule.proxy.exchange import Exchange


def admit(exchange: Exchange, shield: Shield, room: Room) -> bool:
    """Let a request in whose visitor has a place, or where that is only counted. False: it is told to wait."""
    if _is_spared(exchange, shield):
        return True
    name = room.cookie_name(exchange.scheme)
    text = exchange.cookie(name)
    found = room.enter(exchange, text)
    if not isinstance(found, Wait):
        if found:
            exchange.extra += _cookie(exchange, name, found)
            if text is not None:
                shield.reports.count("waiting-room", room.name, "pass")
        return True
    if room.detects:
        shield.reports.count("waiting-room", room.name, "detect")
        return True
    shield.reports.count("waiting-room", room.name, "delay" if found.cookie else "refuse")
    _tell(exchange, room, name, found)
    return False


def _is_spared(exchange: Exchange, shield: Shield) -> bool:
    """Whether a client does not wait: it is on the allow list, has a token, or is a crawler that was verified."""
    if exchange.client in shield.allowed:
        return True
    route = exchange.route.challenge
    if route is not None and route.has_token(exchange):
        return True
    crawlers, agent = shield.crawlers, exchange.head.block.user_agent
    return crawlers is not None and bool(agent) and crawlers.word(agent, exchange.client) == "good"


def _tell(exchange: Exchange, room: Room, name: bytes, wait: Wait) -> None:
    """Answer with a page to browsers, with JSON to programs."""
    exchange.extra += b"retry-after: %d\r\n" % room.refresh
    if wait.cookie:
        exchange.extra += _cookie(exchange, name, wait.cookie)
    seconds = max(room.refresh, wait.ahead * 60 // room.rate)
    if is_navigation(exchange):
        page = waiting_page.render(room.refresh, wait.ahead if wait.cookie else None, seconds, exchange.reference())
        exchange.extra += b"content-security-policy: %b\r\n" % page.policy
        answers.page(exchange, page.content, HTML, 503, causes.WAITING_ROOM)
        return
    told = {
        "title": "Waiting room" if wait.cookie else "Waiting room is full",
        "status": 503,
        "ahead": wait.ahead if wait.cookie else None,
        "estimated_wait": seconds if wait.cookie else None,
        "refresh": room.refresh,
        "reference": exchange.reference(),
    }
    answers.page(exchange, msgspec.json.encode(told), JSON, 503, causes.WAITING_ROOM)


def _cookie(exchange: Exchange, name: bytes, value: bytes) -> bytes:
    """Return a Set-Cookie line; like that of challenges it has to come along from other sites, too."""
    site = b"None; Secure" if exchange.scheme == b"https" else b"Lax"
    return b"set-cookie: %b=%b; Path=/; HttpOnly; SameSite=%b\r\n" % (name, value, site)
