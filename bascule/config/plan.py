"""The immutable Plan: the configuration with everything resolved that can be resolved at load.

Built by `compile.py`, consumed by every room; holds plain data only, no sockets, no contexts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bascule.config.cache import NO_CACHE, Cache
from bascule.config.challenge import NOBODY, Challenge
from bascule.config.defence import Limit
from bascule.config.errors import KeyPath, Problem
from bascule.config.findings import Locator
from bascule.config.logins import NO_LOGINS, Logins
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
from bascule.config.schema import Config, Forward, Listener, Match
from bascule.config.tls import SiteTls
from bascule.config.waf import WafConfig
from bascule.config.waiting_room import WaitingRoom


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
class ScopedRoom:
    """A waiting room, and its name: that of the site or the route whose visitors share it."""

    scope: str
    config: WaitingRoom


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
    challenge: Challenge = NOBODY
    cache: Cache = NO_CACHE
    rates: tuple[ScopedLimit, ...] = ()
    """Rate limits of its site and its own, in this order."""
    waiting_room: ScopedRoom | None = None
    waf_from: tuple[KeyPath, ...] = ()
    """Where something is stated of its firewall, lowest level first."""


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A site: its hosts (lower case, ``*`` wildcards as written), its TLS and its routes as written, in order."""

    name: str
    hosts: tuple[str, ...]
    tls: SiteTls | None
    path: PathPolicy
    routes: tuple[RoutePlan, ...]
    logins: Logins = NO_LOGINS


@dataclass(frozen=True, slots=True)
class ForwardPlan:
    """The forward proxy: a site of no host whose one route leads to wherever a client asks for."""

    config: Forward
    site: SitePlan
    parents: dict[str, RoutePlan] = field(default_factory=dict)
    """The route through each parent: that of the site, with a pool."""

    @property
    def route(self) -> RoutePlan:
        """Deadlines, limits, header policy and firewall of all its requests."""
        return self.site.routes[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs. `digest` identifies the content; `files` are those it was read from, and the folders of
    include patterns (to be watched)."""

    config: Config
    listeners: tuple[Listener, ...]
    """Those of the sites, then those of the forward proxy."""
    sites: tuple[SitePlan, ...]
    pools: tuple[PoolPlan, ...]
    digest: str
    files: tuple[str, ...]
    rates: tuple[ScopedLimit, ...] = ()
    """Rate limits of the whole."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed but probably not meant."""
    forward: ForwardPlan | None = None
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)
    """Masks, in whatever is shown of the plan, the values that must not be seen."""
    locator: Locator = field(default_factory=Locator, repr=False, compare=False)
    """Tells where in its files a key stands."""

    @property
    def logs_all(self) -> bool:
        """Whether every request is written to the access log, if there is one."""
        private = self.forward is not None and bool(self.forward.config.privacy.no_log)
        return not private and all(route.log for route in self.routes)

    @property
    def caches(self) -> bool:
        """Whether any route keeps responses."""
        return any(route.cache.enabled for route in self.routes)

    @property
    def all_sites(self) -> tuple[SitePlan, ...]:
        """Return the sites, and the forward proxy's own."""
        return self.sites if self.forward is None else (*self.sites, self.forward.site)

    @property
    def routes(self) -> tuple[RoutePlan, ...]:
        """Return every route, that of the forward proxy among them."""
        return tuple(route for site in self.all_sites for route in site.routes)
