"""A route made ready to run: everything about it that can be decided at load is decided here."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

from bascule.config.plan import Plan, RoutePlan, SitePlan
from bascule.config.policies import HeaderOps, Limits, Timeouts
from bascule.config.types import parse_network
from bascule.config.waf import WafConfig
from bascule.defence.challenges.ladder import RouteChallenge
from bascule.defence.logins.passwords import PASSWORD_WORD
from bascule.defence.rates import Rates
from bascule.defence.waiting_room import Room
from bascule.http.addresses import TrustedNetworks
from bascule.http.answers import ErrorAnswers
from bascule.proxy.caching import HIDDEN, RouteCache
from bascule.proxy.fieldguard import FieldGuard
from bascule.proxy.profiles import RouteProfile
from bascule.proxy.rewrite import Origins, PlaceMap, compile_cookies, compile_rewrite
from bascule.proxy.router import compile_condition
from bascule.upstream.connector import Connector
from bascule.upstream.pool import PoolState
from bascule.waf.engine import Waf

OWN_NAME = b"bascule"
"""What Bascule calls itself in Via (RFC 9110 7.6.3)."""
CLIENT_CERTIFICATE = "x-client-cert-subject"
"""What a server is told of a client's certificate, and nobody but Bascule may tell."""
STRICT_TRANSPORT = "strict-transport-security"
"""The server's own is not passed on where the site has one: browsers go by the first (RFC 6797 8.1)."""
UNMASKABLE = ("accept-encoding", "range", "if-range")
"""What servers are not told where responses are masked: a number cannot be found in what is compressed or cut."""
IDENTITY = b"accept-encoding: identity\r\n"
_PLACEHOLDERS = ("{client_address}", "{host}", "{scheme}", "{request_id}", "{path}")


class Times:
    """Deadlines and lowest rates as plain numbers, read on the hot path. See config.policies: Timeouts, Limits."""

    __slots__ = (
        "body_idle",
        "header",
        "keep_alive",
        "response_idle",
        "send_grace",
        "send_idle",
        "send_min_rate",
    )

    def __init__(self, timeouts: Timeouts, limits: Limits) -> None:
        self.header = timeouts.header
        self.body_idle = timeouts.body_idle
        self.keep_alive = timeouts.keep_alive
        self.send_idle = timeouts.send_idle
        self.send_min_rate = limits.send_min_rate
        self.send_grace = limits.send_grace
        self.response_idle = timeouts.response_idle


class HeaderPlan:
    """One direction's header changes: names to drop, constant lines, and lines that depend on the request."""

    __slots__ = ("drop", "static", "templates")

    def __init__(self, ops: HeaderOps, hide: tuple[str, ...] = ()) -> None:
        self.drop = frozenset(name.lower().encode() for name in (*ops.remove, *ops.set, *hide))
        lines = [(name.lower(), value) for name, value in (*ops.set.items(), *ops.add.items())]
        constant = [f"{name}: {value}\r\n" for name, value in lines if not _has_placeholder(value)]
        self.static = "".join(constant).encode("latin-1", "replace")
        self.templates = tuple((n.encode(), v.encode()) for n, v in lines if _has_placeholder(v))

    def dynamic(self, facts: dict[bytes, bytes]) -> bytes:
        """Return the lines that depend on the request; values are made safe for a field."""
        lines = []
        for name, value in self.templates:
            for key, fact in facts.items():
                value = value.replace(key, fact)
            lines.append(name + b": " + value.translate(None, b"\r\n\0") + b"\r\n")
        return b"".join(lines)


class RouteRuntime:
    """What the exchange asks of a route."""

    __slots__ = (
        "answers",
        "asks",
        "body_grace",
        "body_limit",
        "body_min_rate",
        "cache",
        "challenge",
        "condition",
        "connect_timeout",
        "connector",
        "cookie_guard",
        "cookies",
        "forwarded",
        "glance",
        "guarded",
        "host",
        "host_of_origin",
        "index",
        "intercept",
        "links",
        "maintenance",
        "maintenance_allows",
        "max_ranges",
        "max_requests",
        "own_limits",
        "place",
        "plan",
        "pool",
        "profile",
        "queue_timeout",
        "rates",
        "request",
        "request_buffer",
        "request_tail",
        "response",
        "response_fields",
        "response_filter",
        "response_tail",
        "response_timeout",
        "retry_attempts",
        "retry_body",
        "retry_methods",
        "retry_on",
        "retry_status",
        "rewrite",
        "signature_glance",
        "sticky",
        "times",
        "total",
        "underscore",
        "unwelcome",
        "upgrades",
        "usual_forwarding",
        "waf",
        "waiting_room",
    )

    def __init__(
        self,
        plan: RoutePlan,
        site: SitePlan,
        whole: Plan,
        pool: PoolState | None,
        connector: Connector | None,
        answers: ErrorAnswers,
        origins: Origins,
        waf: Waf | None = None,
        rates: Rates | None = None,
        profile: RouteProfile | None = None,
        challenge: RouteChallenge | None = None,
        waiting_room: Room | None = None,
        via: bytes = OWN_NAME,
        cache: RouteCache | None = None,
    ) -> None:
        self.plan = plan
        self.cache = cache
        self.index = plan.index
        self.pool = pool
        self.sticky = pool is not None and pool.config.sticky is not None
        self.connector = connector
        self.answers = answers
        self.condition = compile_condition(plan.match)
        self.rewrite = compile_rewrite(plan.rewrite)
        self.cookies = compile_cookies(plan.cookies)
        guards = waf.response if waf is not None else None
        self.cookie_guard = guards.cookies if guards is not None else None
        plain = waf if profile is None and self.cookie_guard is None else None
        self.glance = plain.glance if plain is not None else None
        """What tells of requests that they need no transaction of the firewall."""
        self.signature_glance = plain.signature_glance if plain is not None else None
        """The same where there are rules in SecLang."""
        self.links = guards.links if guards is not None and plan.waf.mode == "block" else None
        if self.cookie_guard is not None and plan.waf.mode == "block":
            self.cookies = _then(self.cookies, self.cookie_guard.seal)
        self.place = PlaceMap(plan.rewrite, origins)
        self.intercept = frozenset(plan.errors.intercept)
        self.maintenance = plan.maintenance
        allow = plan.maintenance.allow if plan.maintenance else ()
        self.maintenance_allows = TrustedNetworks([parse_network(text) for text in allow]) if allow else None
        self.waf = waf
        self.rates = rates
        self.profile = profile
        self.challenge = challenge
        self.waiting_room = waiting_room
        self.asks = challenge is not None or waiting_room is not None
        """Whether a client may have to do or to wait for something before its request is let on."""
        self.underscore = site.path.underscore_headers
        self._headers(plan, site, via)
        self._policies(plan, whole, site)

    def _headers(self, plan: RoutePlan, site: SitePlan, name: bytes) -> None:
        headers = plan.headers
        masks = self.waf is not None and masks_responses(plan.waf)
        self.request = HeaderPlan(headers.request, (CLIENT_CERTIFICATE, PASSWORD_WORD, *(UNMASKABLE if masks else ())))
        self.response_filter = self.waf.response if self.waf is not None and masks_responses(plan.waf, False) else None
        own: tuple[str, ...] = (STRICT_TRANSPORT,) if site.tls is not None and site.tls.hsts else ()
        own += self.cache.hidden if self.cache is not None else ()
        self.response = HeaderPlan(headers.response, headers.hide + own)
        rules = self.waf.response if self.waf is not None and plan.waf.mode != "off" else None
        fields = rules.fields if rules is not None else None
        dropped = self.response.drop
        self.response_fields = FieldGuard(rules, fields, dropped) if rules is not None and fields is not None else None
        via = b"via: 1.1 %b\r\n" % name if headers.via else b""
        server = f"server: {headers.server}\r\n".encode() if headers.server else b""
        self.request_tail = via + self.request.static + (IDENTITY if masks else b"")
        self.response_tail = via + server + self.response.static + b"\r\n"
        """The constant end of the head, its closing empty line included."""
        self.forwarded = headers.forwarded
        self.host_of_origin = headers.host == "origin"
        self.host = b"" if headers.host in ("preserve", "origin") else headers.host.encode()

    def _policies(self, plan: RoutePlan, whole: Plan, site: SitePlan) -> None:
        timeouts, limits = plan.timeouts, plan.limits
        self.times = Times(timeouts, limits)
        self.own_limits = limits != whole.config.limits
        self.max_requests: float = limits.requests_per_connection or math.inf
        self.body_grace = limits.body_grace
        self.body_min_rate = limits.body_min_rate
        self.max_ranges = limits.ranges
        self.body_limit = limits.body_bytes
        self.request_buffer = limits.request_buffer
        self.connect_timeout = timeouts.connect
        self.response_timeout = timeouts.response
        self.queue_timeout = timeouts.queue
        self.total = timeouts.total
        self.upgrades = frozenset(name.lower().encode() for name in plan.upgrades)
        retries = whole.pools[plan.pool].config.retries if plan.pool is not None else None
        self.retry_attempts = retries.attempts if retries else 0
        self.retry_methods = (
            frozenset(method.upper().encode() for method in retries.methods) if retries else frozenset()
        )
        self.retry_on = frozenset(retries.on) if retries else frozenset()
        self.retry_status = frozenset(int(what) for what in self.retry_on if what.isdigit())
        self.unwelcome = self.retry_status | self.intercept
        """Statuses of servers that are not simply passed on."""
        self.retry_body = retries.body_buffer if retries else 0
        asked = site.tls is not None and site.tls.client_auth is not None
        self.usual_forwarding = self.forwarded == "x-forwarded" and not asked
        """Whether what servers are told of a client depends on nothing but its address and the host asked for."""
        self.guarded = bool(
            (site.tls is not None and (site.tls.redirect or asked))
            or self.maintenance
            or self.own_limits
            or self.underscore == "reject"
            or self.body_limit
            or self.pool is None
        )
        """Whether a plain request may meet anything here but its server."""

    @property
    def in_maintenance(self) -> bool:
        """Whether maintenance mode is on now (its file, if any, is looked for)."""
        mode = self.maintenance
        if mode is None:
            return False
        return os.path.exists(mode.file) if mode.file else mode.enabled


def _then(first: Callable[[bytes], bytes] | None, second: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return second if first is None else lambda value: second(first(value))


def masks_responses(waf: WafConfig, changes: bool = True) -> bool:
    """Whether responses are looked at on their way, and changed: in detect mode nothing is, and servers are asked as
    ever."""
    response = waf.response
    wanted = bool(response.mask or response.words or response.forms or response.links or response.decoys)
    return wanted and (waf.mode == "block" if changes else waf.mode != "off")


def watched_names(plan: Plan) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Return the request and response field names that some route acts on."""
    request: set[str] = set()
    response: set[str] = set()
    for route in plan.routes:
        headers = route.headers
        request.update(headers.request.remove, headers.request.set)
        response.update(headers.response.remove, headers.response.set, headers.hide)
        if masks_responses(route.waf):
            request.update(UNMASKABLE)
        if route.cache.enabled:
            response.update(HIDDEN)
    if any(site.tls and site.tls.client_auth for site in plan.sites):
        request.add(CLIENT_CERTIFICATE)
    if any(site.logins.passwords is not None for site in plan.sites):
        request.add(PASSWORD_WORD)
    if any(site.tls and site.tls.hsts for site in plan.sites):
        response.add(STRICT_TRANSPORT)
    return (
        frozenset(name.lower().encode() for name in request),
        frozenset(name.lower().encode() for name in response),
    )


def _has_placeholder(value: str) -> bool:
    return any(name in value for name in _PLACEHOLDERS)
