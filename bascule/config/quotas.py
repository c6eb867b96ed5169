"""Quotas of the forward proxy: how fast, how much, how long and how many at a time, for whom and of what."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from bascule.config.defence import RateField
from bascule.config.forward import Condition
from bascule.config.types import Count, Duration, Size

Period = Literal["hour", "day", "week", "month"]


class Quota(Condition):
    """What each of those may use whom its conditions are about; all quotas that hold count.

    As for `ways`, `ip` and `country` hold for addresses only, and what is not known of a request does not hold.
    """

    per: Literal["user", "client", "all"] = "user"
    """Who has an account of its own: a user (or an address, where no user is known), an address, or all together."""
    bandwidth: Size = 0
    """Bytes a second, both directions together, over all connections; 0 for any."""
    burst: Size = 0
    """Bytes that may pass at once after a pause; 0 means those of two seconds."""
    requests: RateField | None = None
    """Requests and tunnels, such as ``100/m``; what is beyond gets 429."""
    connections: Count = 0
    """Requests and tunnels at a time; 0 for any."""
    bytes: Size = 0
    """Bytes a period, both directions together; 0 for any."""
    time: Duration = 0.0
    """Time of use a period; pauses of up to 30 s between transfers count as use. 0 for any."""
    period: Period = "day"
    """When bytes and time begin anew, in `timezone`."""
    over: Literal["refuse", "note"] = "refuse"
    """What becomes of who used up bytes or time: what is asked for is refused and what is open is cut; or nothing but
    that conditions `quota` hold, of rules, of ways and of other quotas."""

    @model_validator(mode="after")
    def _says_something(self) -> Quota:
        if not (self.bandwidth or self.requests or self.connections or self.bytes or self.time):
            raise ValueError("a quota limits `bandwidth`, `requests`, `connections`, `bytes` or `time`")
        if self.burst and not self.bandwidth:
            raise ValueError("`burst` is that of `bandwidth`")
        return self

    @property
    def is_budget(self) -> bool:
        """Whether it can be used up."""
        return bool(self.bytes or self.time)

    @property
    def burst_bytes(self) -> int:
        """Bytes that may pass at once."""
        return self.burst or 2 * self.bandwidth
