"""Rate limits: which of them a request meets, and what they say.

The algorithm and the memory are `state/buckets.py`. A limit that is met twice is one limit: a limit of a site counts
all its routes together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from bascule.config.plan import ScopedLimit
from bascule.defence.calendar import Calendar
from bascule.defence.keys import Key, Keys, Request
from bascule.defence.standing import Standing
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

    __slots__ = (
        "_cost", "_most", "delay", "detect", "headers", "key", "limit", "name", "passed", "per_client", "policy",
        "take", "when",
    )  # fmt: skip

    def __init__(self, scoped: ScopedLimit, keys: Keys, buckets: Buckets) -> None:
        limit = self.limit = scoped.limit
        self.when = limit.when
        self.name = f"{scoped.scope} {limit.label}".strip()
        self.detect = limit.mode == "detect"
        self.headers = limit.headers
        self.key: Key = keys.of(limit)
        self.per_client = limit.per == ("client",)
        """Whether the key is the client that a standing has the hash of."""
        self._cost = limit.rate.seconds / limit.rate.count
        self.delay = limit.max_delay if limit.over == "delay" else 0.0
        self._most = self._cost * limit.size + self.delay + ROUNDING
        self.take = buckets.taker(self._cost, self._most)
        """Counts a request. It returns the seconds by which that is beyond burst and longest delay; then it was not
        counted."""
        self.passed: Callable[[bytes], object] | None = None
        """Told of the key of each that was counted."""
        window = max(1, round(limit.span))
        self.policy = b'ratelimit-policy: "%b";q=%d;w=%d\r\n' % (limit.label.encode(), limit.size, window)

    def overrun(self, request: Request, beyond: float) -> Overrun:
        """Tell what being beyond a burst by more than 0 seconds means."""
        return Overrun(self, beyond, beyond <= self.delay, self.key(request)[:BYTES_SHOWN])

    def remaining(self, beyond: float) -> int:
        """Return how many requests may still come at once."""
        return max(0, int(-beyond / self._cost + ROUNDING))

    def fields(self, beyond: float) -> bytes:
        """Return the `RateLimit` fields of a response (draft-ietf-httpapi-ratelimit-headers-10, 3 and 4)."""
        left = self.remaining(beyond)
        reset = ceil(beyond) if beyond > 0 else ceil(self._most - self.delay + beyond - 2 * ROUNDING)
        return b'%bratelimit: "%b";r=%d;t=%d\r\n' % (self.policy, self.limit.label.encode(), left, reset)


Found = tuple[list[Overrun], bytes]
"""The limits that a request is beyond, and fields for its response."""


class Rates:
    """The limits of one level (the whole program, or a route), in their order."""

    __slots__ = ("_calendar", "_rules")

    def __init__(self, rules: tuple[Rule, ...], calendar: Calendar) -> None:
        self._rules = rules
        self._calendar = calendar

    def check(self, request: Request, standing: Standing, now: float) -> Found | None:
        """Count a request against every limit (at a monotonic time), if its client is not spared.

        Return those it is beyond, and fields for the response; None where there is neither. A request that one limit
        refuses is not counted by those that follow.
        """
        if standing.spared:
            return None
        fields = b""
        over: list[Overrun] = _NONE
        for rule in self._rules:
            if rule.when is not None and not self._calendar.holds(rule.when):
                continue
            # hash_of, written out: this runs for each limit of each request
            key = standing.key if rule.per_client else hash(rule.key(request)) & HASH_MASK or 1
            beyond = rule.take(key, now)
            if rule.passed is not None and beyond <= 0.0:
                rule.passed(rule.key(request))
            beyond += rule.delay
            if rule.headers:
                fields += rule.fields(beyond)
            if beyond > 0.0:
                found = rule.overrun(request, beyond)
                over = [*over, found]
                if not (found.delays or rule.detect):
                    break
        return (over, fields) if over or fields else None


_NONE: list[Overrun] = []
