"""The gate before everything: where what defence decides about a request becomes an answer, or a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.defence.challenges.pages import ENDPOINT
from bascule.http.errors import HttpError
from bascule.proxy import admission, challenge, crawling, login, shedding, waiting_room, waits
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.accounts import Accounts
    from bascule.defence.rates import Found
    from bascule.defence.shield import Shield
    from bascule.defence.standing import Standing
    from bascule.proxy.exchange import Exchange

REFUSED = -1.0


def admit(exchange: Exchange, shield: Shield) -> bool:
    """Refuse who is banned; find the route of a request, hold it to the limits before it and of it, and challenge it.

    False: it got its answer, or waits for its turn. Raises HttpError for who is banned, and where there is no route.
    """
    challenges = shield.challenges
    answer = None
    if challenges is not None and exchange.head.target.partition(b"?")[0] == ENDPOINT:
        answer = challenge.cut_answer(exchange)
    standing = exchange.peer.standing
    if (
        standing is None
        or not standing.free  # who is, stays free while nothing changes near it
        or standing.lists is not shield.lists
        or standing.changes != shield.changes[standing.lane]
    ):
        standing = keep_out(exchange, shield)
    wait = 0.0
    if (rates := shield.rates) is not None and (found := rates.check(exchange, standing, exchange.started)) is not None:
        wait = limit(exchange, shield, found)
        if wait == REFUSED:
            return False
    if challenges is not None and answer is not None:
        challenge.serve(exchange, shield, challenges, answer)
        return False
    admission.find_route(exchange)
    route, crawlers = exchange.route, shield.crawlers
    if crawlers is not None and not crawling.admit(exchange, shield, crawlers):
        return False
    if (rates := route.rates) is not None and (found := rates.check(exchange, standing, exchange.started)) is not None:
        own = limit(exchange, shield, found)
        if own == REFUSED:
            return False
        wait = max(wait, own)
    accounts = shield.accounts
    plain = accounts is None or (
        standing.free and standing.judged and not (accounts.traps and exchange.path in accounts.traps)
    )
    if plain and not wait and not route.asks and shield.overload is None and exchange.site.logins is None:
        return True
    return _ask(exchange, shield, standing, wait)


def _ask(exchange: Exchange, shield: Shield, standing: Standing, wait: float) -> bool:
    """Go on with `admit`, where there is more to ask than where a client comes from, and how often."""
    route, crawlers = exchange.route, shield.crawlers
    late, rung = 0.0, 0
    if shield.accounts is not None:
        late, rung = _weigh(exchange, shield, shield.accounts, standing)
    asked = route.challenge
    if asked is not None and crawlers is not None and crawling.is_spared(exchange, crawlers):
        asked = None
    if asked is not None and not challenge.admit(exchange, shield, asked, rung):
        return False
    room = route.waiting_room
    if room is not None and not waiting_room.admit(exchange, shield, room):
        return False
    overload = shield.overload
    if overload is not None and not shedding.admit(exchange, shield, overload, standing):
        return False
    if late:
        if not waits.tarpit(exchange, late):
            return False
        wait = max(wait, late)
    if (guard := exchange.site.logins) is not None and login.begin(exchange, shield, guard, wait):
        return False
    if wait:
        waits.hold(exchange, wait, exchange.proceed)
        return False
    return True


def admit_early(exchange: Exchange, shield: Shield) -> float:
    """As `admit`, where the route is known from the start. Return the seconds the request has to wait, or `REFUSED`.

    Raises HttpError for who is banned.
    """
    standing = keep_out(exchange, shield)
    wait = 0.0
    for rates in (shield.rates, exchange.route.rates):
        if rates is not None and (found := rates.check(exchange, standing, exchange.started)) is not None:
            own = limit(exchange, shield, found)
            if own == REFUSED:
                return REFUSED
            wait = max(wait, own)
    return wait


def keep_out(exchange: Exchange, shield: Shield) -> Standing:
    """Raise HttpError for who is banned. Return what is known of the client."""
    peer = exchange.peer
    standing = peer.standing = shield.standing(peer.standing, peer.address)
    if word := shield.keeps_out(standing):
        shield.refuse(exchange, word)
        exchange.head.keep_alive = False
        raise HttpError(403, causes.BANNED)
    if shield.watches:
        shield.notice(exchange, standing)
    return standing


def _weigh(exchange: Exchange, shield: Shield, accounts: Accounts, standing: Standing) -> tuple[float, int]:
    """Return the wait and the rung that a client's account leads to. Raises HttpError for who walks into a trap."""
    if exchange.path in accounts.traps and shield.springs(exchange, accounts):
        raise HttpError(404, causes.TRAP)
    if not standing.judged:
        standing.judged = True
        fields = [(field[0], field[1]) for field in exchange.head.block.fields]
        shield.judge_browser(exchange, fields, exchange.scheme == b"https")
    return shield.weigh(exchange, standing) if standing.settled else (0.0, 0)


def limit(exchange: Exchange, shield: Shield, found: Found) -> float:
    """Do what limits ask for. Return the seconds a request has to wait, or `REFUSED` where it got its answer."""
    verdict = shield.judge(exchange, found)
    if verdict.status:
        exchange.answer(verdict.status, verdict.cause, verdict.fields)
        return REFUSED
    exchange.extra += verdict.fields
    return verdict.delay
