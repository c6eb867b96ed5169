"""Profiles in a worker: what requests are held to, and what the keeper hears of them, once a second.

What is learned is noted at the end of an exchange, of at most so many requests a second; the rest costs a comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bascule.config.plan import Plan, RoutePlan
from bascule.defence.clients import ClientPrefix
from bascule.waf.profile.inspector import Held, Holding
from bascule.waf.profile.observation import Observation, observe
from bascule.waf.profile.paths import template_of
from bascule.waf.profile.usual import Usual, from_plain

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.waf.transaction import Transaction

USUAL: Final = "profile/usual/"
"""Topic of the bus, with the site's name: what is usual there (`Usual`), from the keeper."""
SEEN: Final = "profile/seen"
"""Topic of the bus, from workers: ``{"seen": [...], "alerts": [...], "tallies": [...]}``."""
IN_MESSAGE: Final = 64
"""Observations that are sent in one message."""
MAX_ALERTS: Final = 256
MAX_TALLIES: Final = 256
"""Clients with alerts, and places, that are told of a second."""
MAX_TOLD: Final = 8
PROFILE_RULES: Final = range(722_000, 723_000)
_RESPONSE = 3
"""The first phase that is about the response: what fires there is not the client's doing."""


class Tally:
    """What was judged at one place since the last message."""

    __slots__ = ("clients", "deviating", "judged", "place", "words")

    def __init__(self, place: str) -> None:
        self.place = place
        self.judged = self.deviating = 0
        self.clients: list[str] = []
        self.words: list[str] = []


class RouteProfile:
    """The profile of one route's site, as the route uses it."""

    __slots__ = ("_left", "_profiles", "_rate", "holding", "site")

    def __init__(self, site: str, plan: RoutePlan, profiles: Profiles) -> None:
        settings = plan.waf.profile
        self.site = site
        self.holding = Holding(settings.stage, settings.points, settings.unknown_paths == "refuse")
        self._profiles = profiles
        self._rate = self._left = settings.rate

    def hold(self, exchange: Exchange) -> Held | None:
        """Begin with a request."""
        return self.holding.hold(exchange.path)

    def watch(self, exchange: Exchange, t: Transaction) -> None:
        """Learn from a request that has ended, or remember that its client attacks."""
        held = t.profile
        if t.fired and any(fired.phase < _RESPONSE and fired.rule.rule_id not in PROFILE_RULES for fired in t.fired):
            self._profiles.alert(self.site, exchange.client)
        elif held is not None and held.known:
            self._profiles.tally(self, held, exchange.client)
        elif self._left > 0 and self._is_lesson(exchange, t):
            self._left -= 1
            client = self._profiles.client(exchange.client)
            self._profiles.seen.append(observe(t, self.site, client, exchange.path))

    @staticmethod
    def _is_lesson(exchange: Exchange, t: Transaction) -> bool:
        """Whether a request was served by a server, whole and unchanged: only then it shows what is right."""
        return (
            200 <= exchange.status < 400
            and not exchange.cause
            and not t.fired
            and not t.rewrites
            and not t.inbound_data_error
        )

    def every_second(self) -> None:
        """Allow the observations of another second."""
        self._left = self._rate


class Profiles:
    """The profiles of one worker. `usual` is what was known at the start, by site; `send` reaches the keeper."""

    def __init__(self, plan: Plan, usual: Mapping[str, Usual], send: Callable[[str, Any], object]) -> None:
        self.client_of = ClientPrefix(plan.config.defence.ipv4_prefix, plan.config.defence.ipv6_prefix)
        self.seen: list[Observation] = []
        self._send = send
        self._alerts: set[tuple[str, str]] = set()
        self._tallies: dict[tuple[str, int, str], Tally] = {}
        self._usual = dict(usual)
        self._routes: list[RouteProfile] = []

    def of_route(self, site: str, plan: RoutePlan) -> RouteProfile | None:
        """Return the profile of a route; None where there is none."""
        if plan.waf.mode == "off" or plan.waf.profile.stage == "off":
            return None
        route = RouteProfile(site, plan, self)
        route.holding.usual = self._usual.get(site)
        self._routes.append(route)
        return route

    def client(self, address: bytes) -> str:
        """Return what counts as one client."""
        return self.client_of.of(address).decode("latin-1")

    def hear(self, topic: str, payload: Any) -> None:
        """Take what the keeper says is usual in a site."""
        site = topic.removeprefix(USUAL)
        usual = from_plain(payload) if payload is not None else None
        for route in self._routes:
            if route.site == site:
                route.holding.usual = usual
        self._tallies.clear()  # by the old places

    def alert(self, site: str, address: bytes) -> None:
        """Note that a client attacks."""
        if len(self._alerts) < MAX_ALERTS:
            self._alerts.add((site, self.client(address)))

    def tally(self, route: RouteProfile, held: Held, address: bytes) -> None:
        """Count a request that was judged."""
        key = route.site, id(held.spot), held.method
        tally = self._tallies.get(key)
        if tally is None:
            usual = route.holding.usual
            if len(self._tallies) >= MAX_TALLIES or usual is None:
                return
            tally = self._tallies[key] = Tally(f"{held.method} {template_of(usual.root, held.path)}")
        tally.judged += 1
        if held.deviates:
            tally.deviating += 1
            if len(tally.clients) < MAX_TOLD and (client := self.client(address)) not in tally.clients:
                tally.clients.append(client)
            if len(tally.words) < MAX_TOLD and (words := held.told()) not in tally.words:
                tally.words.append(words)

    def every_second(self) -> None:
        """Tell the keeper."""
        for route in self._routes:
            route.every_second()
        if not (self.seen or self._alerts or self._tallies):
            return
        tallies = [
            [site, tally.place, tally.judged, tally.deviating, tally.clients, tally.words]
            for (site, *_), tally in self._tallies.items()
        ]
        alerts = sorted(self._alerts)
        for start in range(0, max(len(self.seen), 1), IN_MESSAGE):
            self._send(SEEN, {"seen": self.seen[start : start + IN_MESSAGE], "alerts": alerts, "tallies": tallies})
            alerts, tallies = [], []
        self.seen.clear()
        self._alerts.clear()
        self._tallies.clear()
