"""Overload: how fast new connections may come, and whose requests are shed first when there is too much to do."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model, Switched
from bascule.config.defence import RateField, Weight
from bascule.config.types import Count, Duration, PositiveDuration, Share, Size

_SHORT = re.compile(r"(?P<rate>\S+)(?:\s+burst\s+(?P<burst>\d{1,9}))?")
Part = Annotated[Share, Field(gt=0)]


class Flow(Model):
    """A rate of events, and how many may come at once; ``50/s burst 100`` is short for it."""

    short_forms: ClassVar = ({"type": "string"},)

    rate: RateField
    """Events and their period: ``50/s``, ``100/m``."""
    burst: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Events that may come at once after a pause; 0 means as many as the rate names."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        found = _SHORT.fullmatch(data.strip())
        if found is None:
            raise ValueError(f"{data!r} is not a rate with a burst: write 50/s, or 50/s burst 100")
        return {name: text for name, text in found.groupdict().items() if text is not None}

    @property
    def interval(self) -> float:
        """Seconds between two events at this rate."""
        return self.rate.seconds / self.rate.count

    @property
    def size(self) -> int:
        """How many may come at once."""
        return self.burst or self.rate.count


class Arrivals(Model):
    """How fast new connections may come, all workers taken together. Those beyond it are reset before anything is said,
    TLS included. Clients of `defence.allow`, and `trusted_proxies`, are not counted."""

    mode: Literal["block", "detect"] = "block"
    """``detect`` only counts what it would reset."""
    per_client: Flow | None = None
    """New connections of a client (see `defence.ipv4_prefix`)."""
    total: Flow | None = None
    """New connections of all clients."""
    handshakes_per_client: Flow | None = None
    """TLS handshakes of a client; each costs as much as a hundred requests."""
    handshakes: Flow | None = None
    """TLS handshakes of all clients."""
    handshakes_at_once: Count = 0
    """TLS handshakes in progress of all clients; 0 means any number. At this number, those that have taken over two
    seconds make room, before newcomers are reset."""


class Shedding(Switched):
    """Which requests are refused first, by 503 with `Retry-After`, when a worker has too much to do: those of
    suspicious clients, then of ordinary ones, never of those known to be good. A bare ``block``, ``detect`` or ``off``
    is short for `mode`. The pressure is 1 where `lag`, `wait`, `connections` or `memory` is reached, and less in
    proportion."""

    mode: Literal["off", "detect", "block"] = "off"
    """``detect`` only records what it would refuse."""
    lag: PositiveDuration = 0.25
    """By how much the event loop of a worker is late."""
    wait: PositiveDuration = 1.0
    """How long the next in the line of a request's pool has been waiting, or the request would have to."""
    connections: Part = 0.95
    """Share of `limits.connections` that is in use."""
    memory: Size = 0
    """Resident bytes of a worker; 0 means that they do not matter."""
    suspicious: Part = 0.5
    """Pressure from which on requests of suspicious clients are refused: at first some, from `ordinary` on all."""
    ordinary: Part = 0.75
    """Pressure from which on requests of ordinary clients are refused: at first some, at a pressure of 1 all."""
    points: Annotated[Weight, Field(gt=0)] = 10
    """Points of its account (see `account`) that make a client suspicious."""
    retry_after: Annotated[Duration, Field(ge=1)] = 10.0
    """What `Retry-After` says."""

    @model_validator(mode="after")
    def _ordered(self) -> Shedding:
        if not self.suspicious < self.ordinary < 1:
            raise ValueError(
                f"suspicious ({self.suspicious:g}) must be less than ordinary ({self.ordinary:g}), below 1"
            )
        return self
