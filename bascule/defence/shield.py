"""What a worker decides about a request before it may ask for anything: allow list, bans, then limits.

It decides and tells; the answer itself is given by proxy/gate.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import monotonic, time
from typing import Any, Protocol

from bascule.config.overload import Arrivals
from bascule.config.plan import Plan, RoutePlan, ScopedLimit, SitePlan
from bascule.defence.access import AccessRules
from bascule.defence.accounts import Accounts
from bascule.defence.arrivals import Gatekeeper
from bascule.defence.browsers import Fields, contradiction
from bascule.defence.calendar import Calendar
from bascule.defence.challenges.ladder import Challenges, RouteChallenge, challenged, is_navigation, rung_name
from bascule.defence.clients import ClientPrefix
from bascule.defence.crawler_watch import CrawlerWatch
from bascule.defence.keys import Keys, Request
from bascule.defence.logins.guard import LoginGuard
from bascule.defence.logins.memory import defended
from bascule.defence.networks import NetworkMap
from bascule.defence.offences import INCONSISTENT
from bascule.defence.overload import Overload
from bascule.defence.rates import Found, Overrun, Rates, Rule
from bascule.defence.report import Reports, shown_key
from bascule.defence.shared import Shared, every_limit
from bascule.defence.standing import Standing
from bascule.defence.waiting_room import Room, rooms_of
from bascule.http.addresses import TrustedNetworks
from bascule.state.buckets import ROUNDING, Buckets, hash_of
from bascule.state.queue import Queue
from bascule.telemetry import causes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request: refused where there is a `status`, else it waits for `delay` seconds, perhaps 0."""

    status: int = 0
    cause: str = ""
    fields: bytes = b""
    """Field lines of the answer, whoever gives it."""
    delay: float = 0.0


class RateSharing(Protocol):
    """What machines share of limits (machines/sharing.py)."""

    def rule(self, scoped: ScopedLimit, keys: Keys, buckets: Buckets) -> Rule: ...

    def close(self) -> None: ...


class Shield:
    """The defence of one worker. Without `sharing` each machine counts for itself."""

    def __init__(self, plan: Plan, shared: Shared, reports: Reports, sharing: RateSharing | None = None) -> None:
        defence = plan.config.defence
        self.allowed = TrustedNetworks(defence.allow)
        self.trusted = TrustedNetworks(plan.config.trusted_proxies)
        self.reports = reports
        self.offender: Callable[[str, str, str], object] = lambda client, reason, evidence: None
        """Told of a client that banned itself: who, why, and what shows it."""
        self._bans = defence.bans
        self.closes = self._bans.answer == "close"
        """Whether who is banned gets no answer."""
        self._offences = frozenset(self._bans.of) if self._bans.after else frozenset()
        self._networks = NetworkMap(())
        self._watched = NetworkMap(())
        self.watches = False
        """Whether any list or rule only records whom it would keep out."""
        self.lists = object()
        """Another one whenever what lists and rules say may be another."""
        self.changes = shared.changes
        """See Buckets: of bans and accounts."""
        self._lists = bool(shared.denied or shared.watched or defence.rules or defence.crowdsec)
        self.any_banned = self._lists
        """Whether anybody may be banned; else nothing is looked up."""
        self._shared = shared
        self._sharing = sharing
        self.crawlers: CrawlerWatch | None = None
        """What is known of the crawlers that come, where anybody cares."""
        if shared.crawlers is not None:
            self.crawlers = CrawlerWatch(plan.config.crawlers, shared.crawlers, monotonic, _traps(plan))
        self.accounts: Accounts | None = None
        """What clients did, where that is kept account of."""
        if shared.accounts is not None and plan.config.account.mode != "off":
            self.accounts = Accounts(plan.config.account, shared.accounts)
        self.overload = Overload(plan.config.shedding) if plan.config.shedding.mode != "off" else None
        """What presses on the worker, where that makes it shed load."""
        self.arrivals: Gatekeeper | None = None
        """The limits of new connections, if there are any (`watch_arrivals`)."""
        clients = ClientPrefix(defence.ipv4_prefix, defence.ipv6_prefix)
        self._clients = clients
        self._keys = Keys(clients, shared.geo.countries, shared.geo.operators)
        self._calendar = Calendar(defence.timezone)
        self.access = AccessRules(defence.rules, shared.geo, self._calendar) if defence.rules else None
        """Who is let in at all, where that is ruled."""
        self.set_watched("", ())
        self._limited = bool(every_limit(plan)) or defended(plan)
        self.rates = self._make(plan.rates)
        """The limits of the whole, if there are any."""
        self._rooms = {
            name: Room(name, room.config, Queue(*shared.rooms[name]), shared.secret, clients, time)
            for name, room in rooms_of(plan.routes).items()
        }
        self.challenges: Challenges | None = None
        """What is asked of clients, if anything ever is."""
        if shared.spent is not None and challenged(plan.routes):
            self.challenges = Challenges(plan, shared.secret, shared.spent, clients, time)

    def watch_arrivals(self, config: Arrivals, underway: memoryview, worker: int) -> None:
        """Limit new connections; `underway` is the workers' memory of their handshakes in progress."""
        self.arrivals = Gatekeeper(config, self._clients, self._shared.arrivals, underway, worker)

    def of_route(self, route: RoutePlan) -> Rates | None:
        """Return the limits of a route, if there are any."""
        return self._make(route.rates)

    def challenge_of(self, route: RoutePlan) -> RouteChallenge | None:
        """Return the challenge of a route, if it ever asks anything."""
        return None if self.challenges is None else self.challenges.of_route(route)

    def logins_of(self, site: SitePlan) -> LoginGuard | None:
        """Return the defence of a site's logins, if there is any."""
        memory = self._shared.logins
        if site.logins.mode == "off" or memory is None:
            return None
        return LoginGuard(site, memory, self._clients, self._shared.secret, self.reports, self.offended)

    def room_of(self, route: RoutePlan) -> Room | None:
        """Return the waiting room of a route, if it has one."""
        return None if route.waiting_room is None else self._rooms[route.waiting_room.scope]

    def _make(self, limits: tuple[ScopedLimit, ...]) -> Rates | None:
        rule = Rule if self._sharing is None else self._sharing.rule
        rules = [rule(scoped, self._keys, self._shared.buckets(scoped)) for scoped in limits]
        return Rates(tuple(rules), self._calendar) if rules else None

    @property
    def needed(self) -> bool:
        """Whether there is anything to defend by now; a ban may make it so later."""
        return (
            self.any_banned
            or bool(self._offences)
            or self._limited
            or bool(self.challenges or self.accounts or self.crawlers or self.arrivals or self.overload or self._rooms)
        )

    def set_networks(self, topic: str, payload: Any) -> None:
        """Take the banned networks from the keeper."""
        self._networks = NetworkMap([(str(network), str(source)) for network, source in payload or ()])
        self.lists = object()

    def set_any(self, topic: str, payload: Any) -> None:
        """Hear from the keeper whether there is any ban."""
        self.any_banned = bool(payload) or self._lists

    def close(self) -> None:
        """Let go of everything."""
        if self._sharing is not None:
            self._sharing.close()
        if self.crawlers is not None:
            self.crawlers.close()

    def banned(self, address: bytes) -> str:
        """Return what keeps a client out: ``ban``, or the name of a list; empty if nothing does, or it is allowed."""
        return self.keeps_out(self.standing(None, address))

    def standing(self, known: Standing | None, address: bytes) -> Standing:
        """Return what is known of a client: looked for anew only where something changed near it.

        `known` is what its connection remembers.
        """
        if known is None or known.address != address:
            known = Standing(address, hash_of(self._clients.of(address)), address in self.allowed)
        changes = self.changes[known.lane]
        if changes != known.changes:
            known.changes, known.free = changes, False
            known.banned_until = self._shared.bans.until(known.key)
            known.settled = 0.0 if self.accounts is None else self.accounts.settled(known.key)
        if known.lists is not self.lists:
            known.lists, known.free = self.lists, False
            known.listed = self._shared.denied.find(address) or self._networks.find(address)
        if not known.free:
            known.free = self._is_free(known)
        return known

    def _is_free(self, standing: Standing) -> bool:
        if self.access is not None:  # what rules say may be another at any minute
            return False
        now = monotonic()
        owes = standing.banned_until > now or standing.settled > now
        return not (owes or standing.listed or (self.watches and self._watched_by(standing.address)))

    def keeps_out(self, standing: Standing) -> str:
        """Return what `banned` does, for a client whose standing is known."""
        if standing.free or standing.spared:
            return ""
        if standing.banned_until and standing.banned_until > monotonic():
            return "ban"
        if standing.listed or self.access is None:
            return standing.listed
        found = self.access.find(standing.address)
        return found.name if found is not None and not found.detect else ""

    def weigh(self, request: Request, standing: Standing) -> tuple[float, int]:
        """Return for how long a request waits for what its client did before, and the rung that its client passes."""
        accounts = self.accounts
        now = monotonic()
        if accounts is None or standing.settled <= now or standing.spared:
            return 0.0, 0
        points = accounts.points(standing.settled - now)
        rung = accounts.rung(points)
        wait = accounts.tarpit_time if points >= accounts.tarpit else 0.0
        if not (wait or (rung and accounts.detect)):
            return 0.0, rung
        name, decision = "tarpit" if wait else rung_name(rung), "detect" if accounts.detect else "delay"
        self.reports.count("account", name, decision)
        self.reports.event(
            request, 0, f"the account of the client leads to: {name}", [f"{points:.0f} points", decision]
        )
        return (0.0, 0) if accounts.detect else (wait, rung)

    def points(self, standing: Standing) -> float:
        """Return the points of a client's account."""
        return 0.0 if self.accounts is None else self.accounts.points(max(0.0, standing.settled - monotonic()))

    def springs(self, request: Request, accounts: Accounts) -> bool:
        """Tell of a request for a trap. Return whether that is refused; in detect mode it is only charged."""
        self.reports.count("account", causes.TRAP, "detect" if accounts.detect else "refuse")
        self.reports.event(request, 0 if accounts.detect else 404, "asked for a trap", [])
        if accounts.detect:
            self.offended(request, causes.TRAP)
        return not accounts.detect

    def judge_browser(self, request: Request, fields: Fields, secure: bool) -> None:
        """Charge a client whose request for a page cannot come from the browser that it names."""
        if self.accounts is None or not is_navigation(request) or not (why := contradiction(fields, secure)):
            return
        self.reports.count("account", INCONSISTENT, "detect")
        self.reports.event(request, 0, "not the browser that it says it is", [why])
        self.offended(request, INCONSISTENT)

    def set_watched(self, topic: str, payload: Any) -> None:
        """Take from the keeper the networks that would be kept out, if that were not only recorded."""
        self._watched = NetworkMap([(str(network), "crowdsec") for network in payload or ()])
        ruled = self.access is not None and self.access.detects
        self.watches = ruled or bool(self._watched or self._shared.watched)
        self.lists = object()

    def _watched_by(self, address: bytes) -> str:
        """Return the list or rule which only records that it would keep an address out."""
        found = self.access.find(address) if self.access is not None else None
        word = found.name if found is not None and found.detect else ""
        return word or self._shared.watched.find(address) or self._watched.find(address)

    def notice(self, request: Request, standing: Standing) -> None:
        """Tell of a client that would be kept out by a list or rule which only records."""
        if not standing.spared and (word := self._watched_by(standing.address)):
            self.reports.count("ban", word, "detect")
            self.reports.event(request, 0, f"the client would be kept out: {word}", [])

    def refuse(self, request: Request, word: str) -> None:
        """Tell that a banned client was refused."""
        self.reports.count("ban", word, "refuse")
        self.reports.event(request, 403, f"the client is banned: {word}", [])

    def offended(self, request: Request, cause: str, risk: str = "") -> None:
        """Note what a request was refused for; too many offences ban its client.

        `risk` is that of the gravest rule which the firewall found broken: it weighs the offence.
        """
        address = request.client
        if address in self.allowed or address in self.trusted:
            return
        if self.accounts is not None and not self._charge(self.accounts, request, cause, risk):
            return
        if cause not in self._offences:
            return
        rate, client = self._bans.after, self._clients.of(address)
        if rate is None or not client:
            return
        weight = getattr(self._bans.risk, risk) if risk else 1.0
        if not weight:
            return
        cost, key, now = weight * rate.seconds / rate.count, hash_of(client), monotonic()
        if self._shared.offences.take(key, cost, rate.seconds + ROUNDING, now) <= 0:
            return
        self._shared.offences.hold(key, now)  # it begins anew, after the ban or in detect mode
        reason = f"more than {rate} offences ({', '.join(self._bans.of)})"
        self._ban(request, client, reason, f"the last one: {cause}", self._bans.mode == "detect")

    def _charge(self, accounts: Accounts, request: Request, cause: str, risk: str) -> bool:
        """Charge the account of a client; False where that banned it."""
        client, now = self._clients.of(request.client), monotonic()
        if not client:
            return True
        key = hash_of(client)
        points = accounts.charge(key, cause, risk, now)
        if accounts.ban is None or points < accounts.ban:
            return True
        accounts.clear(key, now)
        self._ban(request, client, f"{points:.0f} points", f"the last: {cause}", accounts.detect)
        return False

    def _ban(self, request: Request, client: bytes, reason: str, evidence: str, detect: bool) -> None:
        """Ban a client at all workers, and tell the keeper, which knows for how long; or only tell."""
        evidence = f"{evidence}, {request.reference()}"
        self.reports.count("ban", "auto", "detect" if detect else "refuse")
        self.reports.event(request, 0 if detect else 403, f"banned: {reason}", [evidence])
        if not detect:
            self._shared.bans.hold(hash_of(client), monotonic() + self._bans.time)
            self.any_banned = True
            self.offender(client.decode("latin-1"), reason, evidence)

    def judge(self, request: Request, found: Found) -> Verdict:
        """Decide about a request that limits have something to say to."""
        over, fields = found
        return self._beyond(request, over, fields) if over else Verdict(fields=fields)

    def _beyond(self, request: Request, over: list[Overrun], fields: bytes) -> Verdict:
        """Decide about a request that is beyond some limit, and tell it."""
        delay = 0.0
        for found in over:
            rule = found.rule
            if found.delays and not rule.detect:
                self.reports.count("rate", rule.name, "delay")
                delay = max(delay, found.wait)
                continue
            refused = not rule.detect
            self.reports.count("rate", rule.name, "refuse" if refused else "detect")
            self._tell(request, found, 429 if refused else 0)
            if refused:
                own = b"" if rule.headers else rule.fields(found.wait)
                retry = b"retry-after: %d\r\n" % max(1, ceil(found.wait - rule.delay))
                return Verdict(429, causes.RATE_LIMITED, fields + own + retry)
        return Verdict(fields=fields, delay=delay)

    def _tell(self, request: Request, found: Overrun, status: int) -> None:
        limit, rule = found.rule.limit, found.rule
        text = f"beyond the rate limit of {limit.rate} (burst {limit.size}) per {', '.join(limit.per)}: {rule.name}"
        self.reports.event(
            request, status, text, [shown_key(limit.per, found.key), f"would pass in {found.wait - rule.delay:.3f} s"]
        )


def _traps(plan: Plan) -> tuple[str, ...]:
    """Return the paths that honest crawlers are told to stay away from: traps, and what decoys in pages link to."""
    decoys = (route.waf.response.decoys for route in plan.routes if route.waf.mode != "off")
    links = (link for decoy in decoys if decoy is not None for link in decoy.links)
    return tuple(sorted({*plan.config.account.traps, *links}))
