"""Whether anything may be noticed that is worth an event."""

from __future__ import annotations

from bascule.config.plan import Plan
from bascule.defence.challenges.ladder import challenged
from bascule.defence.logins.memory import defended
from bascule.defence.shared import every_limit


def has_events(plan: Plan) -> bool:
    """Whether anything may be noticed that is worth an event."""
    defence = plan.config.defence
    defends = (
        every_limit(plan) or defence.deny or defence.feeds or defence.rules or defence.crowdsec or defence.bans.after
    )
    return (
        bool(defends)
        or challenged(plan.routes)
        or defended(plan)
        or plan.config.account.mode != "off"
        or plan.config.crawlers.mode != "off"
        or (plan.forward is not None and plan.forward.config.intercept is not None)
        or plan.config.shedding.mode != "off"
        or any(route.waf.mode != "off" for route in plan.routes)
    )
