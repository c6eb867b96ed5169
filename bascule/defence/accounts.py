"""Accounts of clients in shared memory: points that come with what they do and go with time, and where these lead.

Points are kept as a debt of time, as rates are: an account of *p* points is settled after *p* times what one point
takes to be forgiven. An account holds no more than a little over what its highest step asks for.
"""

from __future__ import annotations

from typing import Final

from bascule.config.account import Account
from bascule.config.challenge import NUMBERS
from bascule.defence.offences import FALSE_CRAWLER, INCONSISTENT, LOGIN_FAILED, NOT_FOUND
from bascule.state.buckets import Buckets
from bascule.telemetry import causes

_ROOM: Final = 1.25
"""How much more than its highest step an account holds: it takes a while to come down from there."""


class Accounts:
    """The accounts as one worker sees them."""

    __slots__ = (
        "_buckets",
        "_most",
        "_points",
        "_risk",
        "_rungs",
        "_seconds",
        "ban",
        "detect",
        "tarpit",
        "tarpit_time",
        "traps",
    )

    def __init__(self, config: Account, buckets: Buckets) -> None:
        self._buckets = buckets
        self._seconds = config.forgive.seconds / config.forgive.count
        steps, points = config.steps, config.points
        self.detect = config.mode == "detect"
        self.ban = steps.ban
        self.tarpit = float("inf") if steps.tarpit is None else steps.tarpit
        self.tarpit_time = config.tarpit
        self.traps = frozenset(path.encode() for path in config.traps)
        stated = ((NUMBERS[name], getattr(steps, name)) for name in ("captcha", "proof", "refresh", "cookie"))
        self._rungs = [(rung, least) for rung, least in stated if least is not None]
        highest = max((least for least in steps.model_dump().values() if least is not None), default=1.0)
        self._most = highest * _ROOM * self._seconds
        self._risk = points.waf
        self._points: dict[str, float] = {
            causes.RATE_LIMITED: points.rate_limited,
            causes.NO_ROUTE: points.not_found,
            causes.NO_SITE: points.no_site,
            causes.BAD_PATH: points.bad_path,
            causes.CHALLENGE_FAILED: points.challenge_failed,
            causes.TRAP: points.trap,
            INCONSISTENT: points.inconsistent,
            FALSE_CRAWLER: points.false_crawler,
            NOT_FOUND: points.not_found,
            LOGIN_FAILED: points.login_failed,
        }

    def charge(self, key: int, cause: str, risk: str, now: float) -> float:
        """Charge a client with what it did; return its points, 0 where that costs nothing."""
        points = getattr(self._risk, risk or "low") if cause == causes.WAF else self._points.get(cause, 0.0)
        return self._buckets.charge(key, points * self._seconds, self._most, now) / self._seconds if points else 0.0

    def clear(self, key: int, now: float) -> None:
        """Settle an account."""
        self._buckets.hold(key, now)

    def settled(self, key: int) -> float:
        """Return until when (monotonic) a client's account has points."""
        return self._buckets.until(key)

    def points(self, debt: float) -> float:
        """Return the points that a debt of so many seconds stands for."""
        return debt / self._seconds

    def rung(self, points: float) -> int:
        """Return the rung of the ladder that so many points lead to."""
        for rung, least in self._rungs:
            if points >= least:
                return rung
        return 0
