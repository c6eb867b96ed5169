"""Rate limits: which of them a request meets, and what they say.

The algorithm and the memory are `state/buckets.py`. A limit that is met twice is one limit: a limit of a site counts
all its routes together.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from time import monotonic

from bascule.config.plan import ScopedLimit
from bascule.defence.calendar import Calendar
from bascule.defence.keys import Key, Keys, Request
from bascule.state.buckets import HASH_MASK, ROUNDING, Buckets

BYTES_SHOWN = 128
"""Bytes of a key that evidence repeats."""


@dataclass(frozen=True, slots=True)
class Overrun:
    """A limit that a request is beyond, and by how much."""

    rule: Rule
    wait: float
    """Seconds until it would pass."""
    delays: bool
    """Whether it may wait for its turn."""
    key: bytes


class Rule:
    """A limit made ready to run."""

    __slots__ = ("_cost", "_key", "_most", "_take", "delay", "detect", "headers", "limit", "name", "policy", "when")

    def __init__(self, scoped: ScopedLimit, keys: Keys, buckets: Buckets) -> None:
        limit = self.limit = scoped.limit
        self.when = limit.when
        self.name = f"{scoped.scope} {limit.label}".strip()
        self.detect = limit.mode == "detect"
        self.headers = limit.headers
        self._key: Key = keys.of(limit)
        self._take = buckets.take
        self._cost = limit.rate.seconds / limit.rate.count
        self.delay = limit.max_delay if limit.over == "delay" else 0.0
        self._most = self._cost * limit.size + self.delay + ROUNDING
        window = max(1, round(limit.span))
        self.policy = b'ratelimit-policy: "%b";q=%d;w=%d\r\n' % (limit.label.encode(), limit.size, window)

    def check(self, request: Request, now: float) -> float:
        """Count a request. Return the seconds by which it is beyond its burst; what is not more than 0 is within it.

        Beyond the longest delay (or the burst, where there is none) it was not counted.
        """
        # hash_of, written out: this runs for each limit of each request
        return self._take(hash(self._key(request)) & HASH_MASK, self._cost, self._most, now) + self.delay

    def overrun(self, request: Request, beyond: float) -> Overrun:
        """Tell what a `check` that returned more than 0 means."""
        return Overrun(self, beyond, beyond <= self.delay, self._key(request)[:BYTES_SHOWN])

    def remaining(self, beyond: float) -> int:
        """Return how many requests may still come at once after a `check`."""
        return max(0, int(-beyond / self._cost + ROUNDING))

    def fields(self, beyond: float) -> bytes:
        """Return the `RateLimit` fields of a response (draft-ietf-httpapi-ratelimit-headers-10, 3 and 4)."""
        left = self.remaining(beyond)
        reset = ceil(beyond) if beyond > 0 else ceil(self._most - self.delay + beyond - 2 * ROUNDING)
        return b'%bratelimit: "%b";r=%d;t=%d\r\n' % (self.policy, self.limit.label.encode(), left, reset)


class Rates:
    """The limits of one level (the whole program, or a route), in their order."""

    __slots__ = ("_calendar", "_rules")

    def __init__(self, rules: tuple[Rule, ...], calendar: Calendar) -> None:
        self._rules = rules
        self._calendar = calendar

    def check(self, request: Request) -> tuple[list[Overrun], bytes]:
        """Count a request against every limit. Return those it is beyond, and fields for the response.

        A request that one limit refuses is not counted by those that follow.
        """
        now = monotonic()
        fields = b""
        over: list[Overrun] = _NONE
        for rule in self._rules:
            if rule.when is not None and not self._calendar.holds(rule.when):
                continue
            beyond = rule.check(request, now)
            if rule.headers:
                fields += rule.fields(beyond)
            if beyond > 0.0:
                found = rule.overrun(request, beyond)
                over = [*over, found]
                if not (found.delays or rule.detect):
                    break
        return over, fields


_NONE: list[Overrun] = []
