"""The waiting room: how many visitors a site or a route has at a time, and how fast new ones come in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bascule.config.base import Switched
from bascule.config.types import PositiveDuration


class WaitingRoom(Switched):
    """Visitors beyond `total_active_users` wait, on a page that tells their place, and come in in the order in which
    they came. A bare ``block`` or ``off`` is short for `mode`. Names are those of Cloudflare's Waiting Room."""

    mode: Literal["off", "detect", "block"] = "block"
    """``off`` spares a route what its site says; ``detect`` gives out the places and only counts the requests of
    visitors that would not have got one: in no order, since nobody waits."""
    total_active_users: Annotated[int, Field(ge=1, le=200_000)] = 200
    """Visitors that are in at a time, all workers taken together."""
    new_users_per_minute: Annotated[int, Field(ge=1, le=2_000_000)] = 200
    """Visitors that come in within a minute, at most a tenth of them at once."""
    session_duration: Annotated[PositiveDuration, Field(ge=1, le=86400)] = 300.0
    """How long after its last request a visitor is still in."""
    total_waiting_users: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Visitors that wait at a time; further ones get 503 without a place, and may try again."""
    refresh: Annotated[PositiveDuration, Field(ge=1, le=120)] = 10.0
    """How often the page asks again. Who has not for three times as long has given up its place."""
