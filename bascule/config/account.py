"""The account of each client: what it did that honest clients seldom do, in points, and where these lead."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from bascule.config.base import Model, Switched
from bascule.config.defence import Rate, RateField, Risk, Weight
from bascule.config.types import PositiveDuration

Step = Annotated[float, Field(gt=0, le=100_000)]


def exact_path(text: str) -> str:
    """Return a path that is one; raises ValueError."""
    if not text.startswith("/") or "?" in text or len(text) < 2:
        raise ValueError(f"{text!r} is not a path such as /backup.zip")
    return text


class Points(Model):
    """What each thing costs a client, in points; 0 for nothing."""

    rate_limited: Weight = 4
    """A request beyond a rate limit."""
    waf: Risk = Risk(critical=40, high=20, medium=10, low=2)
    """A request that the firewall refused, by the risk of the gravest rule."""
    not_found: Weight = 1
    """A request answered with 404: scanners collect them."""
    bad_path: Weight = 4
    """A path that breaks the path policy."""
    no_site: Weight = 4
    """A host that is not served: who goes through addresses does not know its name."""
    challenge_failed: Weight = 5
    """A wrong answer to a challenge."""
    trap: Weight = 60
    """A request for one of `traps`."""
    false_crawler: Weight = 30
    """A request in the name of a crawler that it is not (`crawlers`)."""
    login_failed: Weight = 2
    """A login that failed, or was refused (`logins`)."""
    inconsistent: Weight = 5
    """A page asked for by a browser that it cannot be, by its fields and their order; once for each connection."""


class Steps(Model):
    """From how many points on something happens; ``null`` for never. Rungs are asked where `challenge` is."""

    null_is_a_value: ClassVar = True

    cookie: Step | None = 20
    """The rung ``cookie``."""
    refresh: Step | None = None
    """The rung ``refresh``."""
    proof: Step | None = 40
    """The rung ``proof``."""
    captcha: Step | None = None
    """The rung ``captcha``, which needs a provider where it is asked."""
    tarpit: Step | None = 100
    """Each request waits for `tarpit`."""
    ban: Step | None = 200
    """The client is banned, as `bans` say for how long."""


class Account(Switched):
    """Accounts of clients. A bare ``block``, ``detect`` or ``off`` is short for `mode`."""

    mode: Literal["off", "detect", "block"] = "off"
    """``block`` does what `steps` say; ``detect`` only records it."""
    forgive: RateField = Rate(10, 60.0)
    """Points that an account loses with time: ``10/m``."""
    points: Points = Points()
    """What fills it."""
    steps: Steps = Steps()
    """Where it leads."""
    tarpit: PositiveDuration = 5.0
    """How long a request waits in the tarpit; beyond 256 at a time in a worker, further ones get 429 at once."""
    traps: tuple[Annotated[str, AfterValidator(exact_path)], ...] = ()
    """Paths that nobody is led to and nothing is at (honeypots), such as ``/backup.zip``: whoever asks for one gets
    404, and the points of `trap`. Name them as disallowed in your robots.txt, so that no honest crawler does."""
