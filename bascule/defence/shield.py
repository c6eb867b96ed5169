"""What a worker decides about a request before it may ask for anything: allow list, then limits.

It decides and tells; the answer itself is given by proxy/gate.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from bascule.config.plan import Plan, RoutePlan, ScopedLimit
from bascule.defence.clients import ClientPrefix
from bascule.defence.keys import Keys, Request
from bascule.defence.rates import Overrun, Rates, Rule
from bascule.defence.report import Reports, shown_key
from bascule.defence.shared import Shared
from bascule.http.addresses import TrustedNetworks
from bascule.telemetry import causes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request: refused where there is a `status`, else it waits for `delay` seconds, perhaps 0."""

    status: int = 0
    cause: str = ""
    fields: bytes = b""
    """Field lines of the answer, whoever gives it."""
    delay: float = 0.0


class Shield:
    """The defence of one worker."""

    def __init__(self, plan: Plan, shared: Shared, reports: Reports) -> None:
        defence = plan.config.defence
        self.allowed = TrustedNetworks(defence.allow)
        self.reports = reports
        self._shared = shared
        clients = ClientPrefix(defence.ipv4_prefix, defence.ipv6_prefix)
        self._keys = Keys(clients, shared.countries, shared.operators)
        self.rates = self._make(plan.rates)
        """The limits of the whole, if there are any."""

    def of_route(self, route: RoutePlan) -> Rates | None:
        """Return the limits of a route, if there are any."""
        return self._make(route.rates)

    def _make(self, limits: tuple[ScopedLimit, ...]) -> Rates | None:
        rules = [Rule(scoped.scope, scoped.limit, self._keys, self._shared.buckets(scoped)) for scoped in limits]
        return Rates(tuple(rules)) if rules else None

    def judge(self, rates: Rates, request: Request) -> Verdict | None:
        """Count a request against limits. None lets it pass."""
        if request.client in self.allowed:
            return None
        over, fields = rates.check(request)
        if not over:
            return Verdict(fields=fields) if fields else None
        return self._beyond(request, over, fields)

    def _beyond(self, request: Request, over: list[Overrun], fields: bytes) -> Verdict:
        """Decide about a request that is beyond some limit, and tell it."""
        delay = 0.0
        for found in over:
            rule = found.rule
            if found.delays and not rule.detect:
                self.reports.count("rate", rule.name, "delay")
                delay = max(delay, found.wait)
                continue
            refused = not rule.detect
            self.reports.count("rate", rule.name, "refuse" if refused else "detect")
            self._tell(request, found, 429 if refused else 0)
            if refused:
                own = b"" if rule.headers else rule.fields(found.wait)
                retry = b"retry-after: %d\r\n" % max(1, ceil(found.wait - rule.delay))
                return Verdict(429, causes.RATE_LIMITED, fields + own + retry)
        return Verdict(fields=fields, delay=delay)

    def _tell(self, request: Request, found: Overrun, status: int) -> None:
        limit, rule = found.rule.limit, found.rule
        text = f"beyond the rate limit of {limit.rate} (burst {limit.size}) per {', '.join(limit.per)}: {rule.name}"
        self.reports.event(
            request, status, text, [shown_key(limit.per, found.key), f"would pass in {found.wait - rule.delay:.3f} s"]
        )
