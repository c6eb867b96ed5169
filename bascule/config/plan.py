"""The immutable Plan: the configuration with everything resolved that can be resolved at load.

Built by `compile.py`, consumed by every room; holds plain data only, no sockets, no contexts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bascule.config.defence import Limit
from bascule.config.errors import Problem
from bascule.config.policies import (
    CookieMap,
    ErrorPages,
    Headers,
    Limits,
    Maintenance,
    PathPolicy,
    Redirect,
    Respond,
    Rewrite,
    Timeouts,
)
from bascule.config.pools import Pool
from bascule.config.references import Secrets
from bascule.config.schema import Config, Listener, Match, SiteTls
from bascule.config.waf import WafConfig


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """A pool and the name it goes by in logs and metrics (never sent to a client)."""

    index: int
    name: str
    config: Pool


@dataclass(frozen=True, slots=True)
class ScopedLimit:
    """A rate limit, and the name of what is counted together: a site, a route, or empty for all."""

    scope: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """A route with all it inherits resolved. Exactly one of `pool`, `redirect`, `respond` is set."""

    index: int
    """Unique over the plan; the slot of its metrics."""
    name: str
    """``host path`` as written, for logs and metrics."""
    site: str
    kind: str
    """``prefix``, ``exact`` or ``pattern``."""
    path: str
    match: Match
    pool: int | None
    redirect: Redirect | None
    respond: Respond | None
    rewrite: Rewrite
    headers: Headers
    cookies: CookieMap
    timeouts: Timeouts
    limits: Limits
    errors: ErrorPages
    maintenance: Maintenance | None
    waf: WafConfig
    upgrades: tuple[str, ...]
    log: bool
    rates: tuple[ScopedLimit, ...] = ()
    """Rate limits of its site and its own, in this order."""


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A site: its hosts (lower case, ``*`` wildcards as written), its TLS and its routes as written, in order."""

    name: str
    hosts: tuple[str, ...]
    tls: SiteTls | None
    path: PathPolicy
    routes: tuple[RoutePlan, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs. `digest` identifies the content; `files` are those it was read from, and the folders of
    include patterns (to be watched)."""

    config: Config
    listeners: tuple[Listener, ...]
    sites: tuple[SitePlan, ...]
    pools: tuple[PoolPlan, ...]
    digest: str
    files: tuple[str, ...]
    rates: tuple[ScopedLimit, ...] = ()
    """Rate limits of the whole."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed but probably not meant."""
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)
    """Masks, in whatever is shown of the plan, the values that must not be seen."""
