"""Which route answers a request: host, then path, then the further conditions of the route.

Hosts: the exact name, then the longest ``*.suffix``, then ``*``. Paths (in normal form, without parameters):
exact, then patterns in their order, then the longest prefix; a prefix matches whole segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from bascule.config.grammar import compile_pattern
from bascule.config.plan import Plan, SitePlan
from bascule.config.schema import Listener, Match
from bascule.http.errors import HttpError
from bascule.http.fields import Field
from bascule.http.path import Path
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.logins.guard import LoginGuard

_HOSTS_KEPT = 1024


class Asked(Protocol):
    """What routing asks of a request's head."""

    @property
    def method(self) -> bytes: ...
    @property
    def target(self) -> bytes: ...
    @property
    def fields(self) -> Sequence[Field | tuple[bytes, bytes]]: ...


Condition = Callable[[Asked], bool]


class Conditional(Protocol):
    """What routing asks of a route: its further conditions."""

    @property
    def condition(self) -> Condition | None: ...


R = TypeVar("R", bound=Conditional)


class SiteRuntime(Generic[R]):
    """A site with its routes sorted for matching."""

    __slots__ = ("_exact", "_patterns", "_prefixes", "logins", "only", "plan", "secure_suffix", "strict_transport")

    def __init__(
        self,
        plan: SitePlan,
        routes: dict[int, R],
        secure_suffix: bytes | None,
        logins: LoginGuard | None = None,
    ) -> None:
        self.plan = plan
        self.logins = logins
        self.secure_suffix = secure_suffix if plan.tls is not None and plan.tls.redirect else None
        """What follows the host where plain requests are sent to https: its port, unless 443. None: they are not."""
        self.strict_transport = _strict_transport(plan)
        self._exact: dict[bytes, list[R]] = {}
        self._patterns: list[tuple[Any, R]] = []
        prefixes: dict[bytes, list[R]] = {}
        for route_plan in plan.routes:
            route = routes[route_plan.index]
            path = route_plan.path.encode()
            if route_plan.kind == "exact":
                self._exact.setdefault(path, []).append(route)
            elif route_plan.kind == "pattern":
                self._patterns.append((compile_pattern(route_plan.path), route))
            else:
                prefixes.setdefault(path.rstrip(b"/"), []).append(route)
        self._prefixes = sorted(prefixes.items(), key=lambda item: -len(item[0]))
        only = next(iter(routes[p.index] for p in plan.routes))
        whole = len(plan.routes) == 1 and b"" in prefixes and only.condition is None
        self.only: R | None = only if whole else None
        """The route of every request, if there is but one."""

    def route_of(self, head: Asked, path: Path) -> R | None:
        """Return the route of a request, or None if there is none.

        Raises HttpError(400) where a server that decodes slashes would be asked for what another route answers for.
        """
        route = self.route(head, path.route)
        if path.decoded and self.route(head, path.decoded) is not route:
            raise HttpError(400, causes.BAD_PATH, "encoded slash changes the route")
        return route

    def route(self, head: Asked, where: bytes) -> R | None:
        """Return the route of a request for a path (in normal form, without parameters), or None if there is none."""
        if (exact := self._exact.get(where)) and (found := _first(exact, head)):
            return found
        for pattern, route in self._patterns:
            if pattern.search(where) and (route.condition is None or route.condition(head)):
                return route
        for prefix, routes in self._prefixes:
            size = len(prefix)
            inside = where.startswith(prefix) and (len(where) == size or where[size] == 0x2F)
            if (inside or not prefix) and (found := _first(routes, head)):
                return found
        return None


def _strict_transport(plan: SitePlan) -> bytes:
    """Return the Strict-Transport-Security line of a site (RFC 6797 6.1), or empty."""
    if plan.tls is None or not plan.tls.hsts:
        return b""
    subdomains = b"; includeSubDomains" if plan.tls.hsts_subdomains else b""
    return b"strict-transport-security: max-age=%d%b\r\n" % (plan.tls.hsts, subdomains)


class Router(Generic[R]):
    """The sites of a plan by host name."""

    __slots__ = ("_default", "_exact", "_known", "_suffixes")

    def __init__(self, sites: list[SiteRuntime[R]]) -> None:
        self._exact: dict[bytes, SiteRuntime[R]] = {}
        self._suffixes: dict[bytes, SiteRuntime[R]] = {}
        self._default: SiteRuntime[R] | None = None
        self._known: dict[bytes, SiteRuntime[R] | None] = {}
        for site in sites:
            for name in site.plan.hosts:
                host = name.encode("idna") if not name.isascii() else name.encode()
                if host == b"*":
                    self._default = site
                elif host.startswith(b"*."):
                    self._suffixes[host[1:]] = site
                else:
                    self._exact[host] = site

    def site(self, host: bytes) -> SiteRuntime[R] | None:
        """Return the site of a lower-case host name, or None."""
        try:
            return self._known[host]
        except KeyError:
            pass
        site = self._exact.get(host) or self._wildcard(host) or self._default
        if len(self._known) >= _HOSTS_KEPT:
            self._known.clear()
        self._known[host] = site
        return site

    def _wildcard(self, host: bytes) -> SiteRuntime[R] | None:
        position = host.find(b".")
        while position >= 0:
            if site := self._suffixes.get(host[position:]):
                return site
            position = host.find(b".", position + 1)
        return None


def build_router(
    plan: Plan, routes: dict[int, R], logins: Callable[[SitePlan], LoginGuard | None] = lambda site: None
) -> Router[R]:
    """Return the router of a plan; `logins` makes the defence of a site's logins."""
    suffix = _secure_suffix(plan.config.listen)
    return Router([SiteRuntime(site, routes, suffix, logins(site)) for site in plan.sites])


def _secure_suffix(listeners: Sequence[Listener]) -> bytes | None:
    """Return what follows a host in URLs that lead to one of the listeners with TLS, best to port 443; None without."""
    ports = [item.tls.public_port or item.address.port or 443 for item in listeners if item.tls is not None]
    if not ports:
        return None
    return b"" if 443 in ports else b":%d" % ports[0]


def compile_condition(match: Match) -> Condition | None:
    """Return the test for a route's further conditions, or None if it has none."""
    tests: list[Condition] = []
    if match.methods:
        methods = frozenset(method.upper().encode() for method in match.methods)
        tests.append(lambda head: head.method in methods)
    for name, wanted in match.headers.items():
        tests.append(_field_test(name.lower().encode(), _value_test(wanted)))
    for name, wanted in match.query.items():
        tests.append(_query_test(name, _value_test(wanted)))
    if not tests:
        return None
    return lambda head: all(test(head) for test in tests)


def _value_test(wanted: str) -> Callable[[bytes], bool]:
    if wanted == "*":
        return lambda value: True
    if wanted.startswith("~"):
        pattern = compile_pattern(wanted[1:])
        return lambda value: pattern.search(value) is not None
    expected = wanted.encode()
    return lambda value: value == expected


def _field_test(name: bytes, test: Callable[[bytes], bool]) -> Condition:
    return lambda head: any(field[0] == name and test(field[1]) for field in head.fields)


def _query_test(name: str, test: Callable[[bytes], bool]) -> Condition:
    def holds(head: Asked) -> bool:
        query = head.target.partition(b"?")[2].decode("latin-1")
        pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
        return any(key == name and test(value.encode("latin-1")) for key, value in pairs[:1000])

    return holds


def _first(routes: list[R], head: Asked) -> R | None:
    for route in routes:
        if route.condition is None or route.condition(head):
            return route
    return None
