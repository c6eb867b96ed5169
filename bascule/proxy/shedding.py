"""Load shedding: of what class a request is, and its refusal while a worker or a pool has too much to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.defence.overload import CLASSES, GOOD, ORDINARY, SUSPICIOUS
from bascule.proxy import challenge
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.overload import Overload
    from bascule.defence.shield import Shield
    from bascule.defence.standing import Standing
    from bascule.proxy.exchange import Exchange


def admit(exchange: Exchange, shield: Shield, overload: Overload, standing: Standing | None) -> bool:
    """Let a request on unless it is one that goes first. False: it is answered."""
    pool = exchange.route.pool
    pressure = overload.pressure(0.0 if pool is None else pool.wait)
    if pressure < overload.first:
        return True
    kind = class_of(exchange, shield, overload, standing)
    if not overload.sheds(kind, pressure):
        return True
    if overload.detect:
        decision, status = "detect", 0
    elif kind == ORDINARY and _is_asked(exchange):
        decision, status = "challenge", 403
    else:
        decision, status = "refuse", 503
    shield.reports.count("shedding", CLASSES[kind], decision)
    note = f"a client of the class {CLASSES[kind]}, at a pressure of {pressure:.2f}: {decision}"
    shield.reports.event(exchange, status, "there is too much to do", [note])
    if decision == "refuse":
        exchange.answer(503, causes.SHED, overload.retry_after)
    return decision == "detect"


def _is_asked(exchange: Exchange) -> bool:
    """Whether a client of which nothing is known was given the chance to show that it is good, where it can be."""
    route = exchange.route.challenge
    return route is not None and not route.detect and not route.exempts(exchange) and challenge.ask_hardest(exchange)


def goes_first(exchange: Exchange) -> bool:
    """Whether a request that waits for a server goes before others: that of a good client, where load is shed."""
    shield = exchange.app.shield
    if shield is None or shield.overload is None or shield.overload.detect:
        return False
    return class_of(exchange, shield, shield.overload, exchange.peer.standing) == GOOD


def class_of(exchange: Exchange, shield: Shield, overload: Overload, standing: Standing | None) -> int:
    """Return the class of a request's client.

    Good is who is allowed by address, by token or by certificate, who passed a challenge, and a crawler that was
    verified. Suspicious is whose account has points, whatever it passed, and who passed nothing while its site is under
    attack.
    """
    if exchange.client in shield.allowed:
        return GOOD
    if standing is not None and shield.points(standing) >= overload.points:
        return SUSPICIOUS
    if (tls := exchange.peer.tls) is not None and tls.peer_subject:
        return GOOD
    agent, crawlers = exchange.head.block.user_agent, shield.crawlers
    if crawlers is not None and agent and crawlers.word(agent, exchange.client) == "good":
        return GOOD
    route, challenges = exchange.route.challenge, shield.challenges
    if route is None or challenges is None:
        return ORDINARY
    if route.has_token(exchange) or challenges.passed(exchange, route):
        return GOOD
    return SUSPICIOUS if challenges.is_attacked(route.site) else ORDINARY
