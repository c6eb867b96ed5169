"""Quotas in a worker: which of them a request meets, and what it takes of them. Start at `Quotas.admit`.

The numbers lie in shared memory (state/), so that all workers count together; the keeper keeps the budgets over a
restart (quota_keeper.py). Bandwidth is a bucket of time: what passed is charged when it has passed, and who owes more
than the burst waits (throttle.py).
"""

from __future__ import annotations

import datetime
import time
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from bascule.config.quotas import Period, Quota
from bascule.config.schema import Forward
from bascule.defence.clients import ClientPrefix
from bascule.forward.conditions import Answer, NamedTest, Need, Test, compile_condition
from bascule.state.buckets import Buckets, hash_of
from bascule.state.ledger import Ledger
from bascule.state.locks import Lock, make_locks
from bascule.state.tallies import NOWHERE, Tallies
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.policy import Access

SEEN: Final = "quota/seen"
"""Topic of the bus, from workers: who uses a budget, ``[quota, who]``."""
_ACCOUNTS: Final = 1 << 16
_IN_PROGRESS: Final = 1 << 13
_GENERATIONS: Final = 8
"""Generations that count side by side: the present one, and those that drain."""
_TELL_AGAIN: Final = 60.0
"""Seconds after which the keeper is told again who uses a budget: it may be a new one."""
_NO_LIMIT: Final = 1e9
"""Seconds of debt that no bucket reaches: what has passed is always charged."""


class QuotaMemory:
    """What the workers share: made before the fork, and handed on from generation to generation."""

    def __init__(self, workers: int, previous: QuotaMemory | None = None) -> None:
        locks: tuple[Lock, ...] = make_locks() if previous is None else previous.locks
        self.locks: tuple[Lock, ...] = locks
        self.ledger: Ledger = Ledger(_ACCOUNTS, locks) if previous is None else previous.ledger
        self.debts: Buckets = Buckets(_ACCOUNTS, locks) if previous is None else previous.debts
        self._workers: int = workers if previous is None else max(workers, previous._workers)
        self.tallies: Tallies = (
            previous.tallies
            if previous is not None and previous._workers >= workers
            else Tallies(_IN_PROGRESS, workers * _GENERATIONS, locks)
        )


class Periods:
    """Numbers the hours, days, weeks and months of a time zone; each number is greater than the one before."""

    def __init__(self, timezone: str, clock: Callable[[], float] = time.time) -> None:
        self._zone = zoneinfo.ZoneInfo(timezone) if timezone else None
        self._clock = clock
        self._second = 0
        self._numbers: dict[Period, int] = {}

    def now(self, period: Period) -> int:
        """Return the number of the present period."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            moment = datetime.datetime.fromtimestamp(second, self._zone)
            day = moment.toordinal()
            self._numbers = {
                "hour": day * 24 + moment.hour,
                "day": day,
                "week": (day - 1) // 7,  # 1 January of year 1 was a Monday
                "month": moment.year * 12 + moment.month,
            }
        return self._numbers[period]


def account_key(quota: str, who: str) -> int:
    """Return the key of somebody's account of a quota."""
    return hash_of(f"{quota}\0{who}".encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A quota that lets a request not pass."""

    quota: str
    cause: str
    status: int
    wait: int = 0
    """Seconds after which it would pass; 0 where that is not known."""


class _Rule:
    """A quota made ready."""

    __slots__ = ("burst", "config", "cost", "most", "name", "request_cost", "spent", "tests")

    def __init__(self, name: str, config: Quota, tests: tuple[NamedTest, ...]) -> None:
        self.name = name
        self.config = config
        self.tests = [test for fact, test in tests if fact != "quota"]
        self.spent: Test | None = next((test for fact, test in tests if fact == "quota"), None)
        """Whether the budgets are used up that it follows: asked anew as bytes pass, for what is open uses them up."""
        self.cost = 1 / config.bandwidth if config.bandwidth else 0.0
        self.burst = self.cost * config.burst_bytes
        rate = config.requests
        self.request_cost = rate.seconds / rate.count if rate else 0.0
        self.most = rate.seconds if rate else 0.0


class Quotas:
    """The quotas of a worker. `announce(quota, who)` tells the keeper who uses a budget."""

    def __init__(
        self,
        forward: Forward,
        memory: QuotaMemory,
        clients: ClientPrefix,
        announce: Callable[[str, str], Any] = lambda quota, who: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = {
            name: _Rule(name, config, compile_condition(config, forward.auth))
            for name, config in forward.quotas.items()
        }
        self._limits = {index: _Rule(name, config, ()) for index, (name, config) in limits_of_rules(forward).items()}
        self._memory = memory
        self._clients = clients
        self._column = memory.tallies.claim()
        self._claimed = 0.0
        self._announce = announce
        self._clock = clock
        self._periods = Periods(forward.timezone, clock)
        self._told: dict[int, float] = {}
        self._known_users = forward.auth is not None

    def admit(self, access: Access) -> Meter | Refusal | None:
        """Return what measures a request that is about to go its way; None if no quota is about it."""
        rules = [rule for rule in self._rules.values() if all(test(access) is True for test in rule.tests)]
        if (limit := self._limits.get(access.rule)) is not None:
            rules.append(limit)
        if not rules:
            return None
        if self._column == NOWHERE:
            self._claim()
        meter = Meter(self._memory, self._column)
        for rule in rules:
            who = self._who(rule.config, access)
            key = account_key(rule.name, who)
            holds = rule.spent is None or rule.spent(access) is True
            if holds and (cause := self._refused(rule, key, meter)):
                meter.close()
                return cause
            meter.add(rule, key, self._periods, access)
            if rule.config.is_budget:
                self._tell(rule.name, who, key)
        return meter

    def _claim(self) -> None:
        """Try again, once a second, to have a column: more generations live than there are columns for."""
        if (now := time.monotonic()) - self._claimed > 1.0:
            self._claimed = now
            self._column = self._memory.tallies.claim()

    def _refused(self, rule: _Rule, key: int, meter: Meter) -> Refusal | None:
        config, memory = rule.config, self._memory
        if config.is_budget and config.over == "refuse" and self._is_used(config, key):
            return Refusal(rule.name, causes.QUOTA_USED, 403)
        if rule.request_cost:
            excess = memory.debts.take(key ^ 1, rule.request_cost, rule.most + 1e-6, time.monotonic())
            if excess > 0:
                return Refusal(rule.name, causes.RATE_LIMITED, 429, ceil(excess))
        if config.connections:
            place = memory.tallies.enter(key, self._column, config.connections)
            if place is None:
                return Refusal(rule.name, causes.QUOTA_CONNECTIONS, 429)
            meter.places.append(place)
        return None

    def used(self, name: str, access: Access) -> Answer:
        """Tell whether who asks has used up a budget."""
        config = self._rules[name].config
        if config.per == "user" and access.user is None and self._known_users:
            return Need.USER
        return self._is_used(config, account_key(name, self._who(config, access)))

    def _is_used(self, config: Quota, key: int) -> bool:
        return beyond(config, *self._memory.ledger.used(key, self._periods.now(config.period)))

    def _who(self, config: Quota, access: Access) -> str:
        if config.per == "all":
            return "*"
        if config.per == "user" and access.user:
            return access.user
        return self._clients.of(access.client).decode("latin-1")

    def _tell(self, name: str, who: str, key: int) -> None:
        now = self._clock()
        if now - self._told.get(key, 0.0) < _TELL_AGAIN:
            return
        if len(self._told) >= _ACCOUNTS:
            self._told.clear()
        self._told[key] = now
        self._announce(name, who)


_LIMITS = ("per", "bandwidth", "burst", "requests", "connections")


def limits_of_rules(forward: Forward) -> dict[int, tuple[str, Quota]]:
    """Return the limits that rules set, by the index of the rule: each is a quota that only this rule applies."""
    return {
        index: (
            f"rules[{index}]",
            Quota.model_validate({name: getattr(rule, name) for name in _LIMITS if name in rule.model_fields_set}),
        )
        for index, rule in enumerate(forward.rules)
        if rule.limit is not None
    }


def about(forward: Forward, access: Access) -> list[str]:
    """Return the names of the quotas that are about a request."""
    return [
        name
        for name, quota in forward.quotas.items()
        if all(test(access) is True for _, test in compile_condition(quota, forward.auth))
    ]


def beyond(config: Quota, size: float, seconds: float) -> bool:
    """Tell whether a budget is used up."""
    return bool((config.bytes and size >= config.bytes) or (config.time and seconds >= config.time))


class Meter:
    """Measures one request or tunnel by all quotas that are about it."""

    __slots__ = ("_accounts", "_column", "_memory", "_periods", "places", "slowest", "used_up")

    def __init__(self, memory: QuotaMemory, column: int) -> None:
        self._memory = memory
        self._column = column
        self._accounts: list[tuple[_Rule, int, Access]] = []
        self._periods: Periods | None = None
        self.places: list[int] = []
        """Where it is counted as in progress."""
        self.slowest = 0
        """Bytes a second that the strictest of them allows; 0 for any."""
        self.used_up = ""
        """The budget that does not let it go on."""

    def add(self, rule: _Rule, key: int, periods: Periods, access: Access) -> None:
        """Measure by one more quota, which `access` is about."""
        self._periods = periods
        if not (rule.cost or rule.config.is_budget):
            return
        self._accounts.append((rule, key, access))
        if rule.spent is None:
            self._slow(rule.config.bandwidth)

    def _slow(self, bandwidth: int) -> None:
        if bandwidth:
            self.slowest = min(self.slowest, bandwidth) if self.slowest else bandwidth

    def charge(self, size: int) -> float:
        """Charge what has passed. Return for how many seconds nothing more may; see also `used_up`."""
        memory, now, wait = self._memory, time.monotonic(), 0.0
        for rule, key, access in self._accounts:
            config = rule.config
            if rule.spent is not None:
                if rule.spent(access) is not True:
                    continue
                self._slow(config.bandwidth)
            if rule.cost:
                debt = memory.debts.take(key, size * rule.cost, _NO_LIMIT, now) + _NO_LIMIT
                wait = max(wait, debt - rule.burst)
            if config.is_budget and self._periods is not None:
                used = memory.ledger.charge(key, self._periods.now(config.period), size, now)
                if config.over == "refuse" and beyond(config, *used):
                    self.used_up = rule.name
        return wait

    def close(self) -> None:
        """It is over: it is no more in progress."""
        places, self.places = self.places, []
        for place in places:
            self._memory.tallies.leave(place, self._column)
