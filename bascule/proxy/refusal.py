"""How a verdict of the firewall ends an exchange."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from bascule.proxy import answers, challenge
from bascule.proxy.tarpit import LATE
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.waf.verdict import Verdict


def refuse(exchange: Exchange, verdict: Verdict, may_hold: bool) -> Callable[[], None] | None:
    """Carry out a verdict that is no `allow`. Where it is held back (which it is only if it `may`), return what ends
    that early."""
    if verdict.action == "redirect":
        answers.redirect(exchange, verdict.location, verdict.status, causes.WAF)
    elif verdict.action == "drop":
        exchange.abandon(causes.WAF)
    elif verdict.action == "page":
        answers.page(exchange, verdict.page, verdict.page_type, verdict.status, causes.WAF)
    elif verdict.action == "tarpit" and may_hold and (leave := _hold_back(exchange, verdict)) is not None:
        return leave
    elif verdict.action != "challenge" or not challenge.ask_hardest(exchange):
        exchange.answer(verdict.status, causes.WAF)
    return None


def _hold_back(exchange: Exchange, verdict: Verdict) -> Callable[[], None] | None:
    """Refuse in a while, unless the tarpit is full."""
    leave = exchange.app.tarpit.hold(verdict.delay, partial(exchange.answer, verdict.status, causes.WAF))
    if leave is not None:
        exchange.detach(None)
        exchange.peer.deadline = exchange.app.now + verdict.delay + LATE
    return leave
