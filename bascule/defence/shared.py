"""What the workers share for defence: made before the fork, and handed on from generation to generation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bascule.config.defence import Rate
from bascule.config.plan import Plan, ScopedLimit
from bascule.defence.arrivals import flows
from bascule.defence.bans import BanError, read_list
from bascule.defence.challenges.keys import load_secret
from bascule.defence.challenges.ladder import challenged
from bascule.defence.crawlers import Book
from bascule.defence.geo import countries, operators
from bascule.defence.logins.memory import LoginMemory, defended
from bascule.defence.networks import NetworkMap
from bascule.defence.waiting_room import Rooms, make_memory, rooms_of
from bascule.state.buckets import MIN_KEYS, Buckets
from bascule.state.locks import Lock, make_locks

MOST_BANNED = 1 << 18
"""Clients that can be banned at a time; beyond it those give way whose ban ends first."""
_Identity = tuple[str, Rate, int, tuple[str, ...], int]


class Shared:
    """The accounts of every limit of a plan, and its databases. A limit that stays as it is keeps them over a reload.

    `challenge_key` is the file of the key of challenges, for a plan that has some. Raises OSError where the system has
    no shared semaphores, GeoError for a database that cannot be used, KeyFileError, and BreachedError.
    """

    def __init__(self, plan: Plan, previous: Shared | None = None, challenge_key: str = "") -> None:
        geo = plan.config.defence.geo
        self.countries = countries(geo.country) if geo.country else None
        self.operators = operators(geo.asn) if geo.asn else None
        defence = plan.config.defence
        self.denied = NetworkMap([*((str(network), "deny") for network in defence.deny), *_feeds(defence.feeds)])
        """Whom the configuration keeps out, with the name of the list that says so."""
        self._clients = defence.clients
        known = previous._tables if previous else {}
        self._locks: tuple[Lock, ...] = previous._locks if previous else make_locks()
        self.bans: Buckets = previous.bans if previous else Buckets(MOST_BANNED, self._locks)
        """Clients and until when they are banned, as a debt of time."""
        self.offences: Buckets = previous.offences if previous else Buckets(self._clients, self._locks)
        """Offences of clients, as a rate."""
        asks = challenged(plan.routes)
        logins = defended(plan)
        rooms = rooms_of(plan.routes)
        self.rooms: Rooms = make_memory(rooms, previous.rooms if previous else {})
        """The queue of each waiting room, and its limits."""
        signs = asks or logins or rooms
        self.secret = load_secret(defence.challenge_key or challenge_key) if signs else b""
        """What signs challenges and the cookies of devices and waiting rooms; empty where there are none."""
        self.spent: Buckets | None = previous.spent if previous else None
        """Tickets that were answered, until they would be too old anyhow."""
        if asks and self.spent is None:
            self.spent = Buckets(self._clients, self._locks)
        crawlers = plan.config.crawlers
        self.crawlers = Book(crawlers) if crawlers.mode != "off" else None
        """What is known of crawlers."""
        self.accounts: Buckets | None = previous.accounts if previous else None
        """Points of clients, as a debt of time."""
        if plan.config.account.mode != "off" and self.accounts is None:
            self.accounts = Buckets(self._clients, self._locks)
        before = previous.logins if previous else None
        self.logins: LoginMemory | None = LoginMemory(plan, self._clients, self._locks, before) if logins else before
        """What is known of logins."""
        self.arrivals: dict[str, Buckets] = dict(previous.arrivals) if previous else {}
        """New connections and handshakes by the limit they count against, as rates."""
        for name, _ in flows(plan.config.arrivals):
            if name not in self.arrivals:
                self.arrivals[name] = Buckets(self._clients if name.endswith("client") else MIN_KEYS, self._locks)
        self._tables: dict[_Identity, Buckets] = {}
        for scoped in every_limit(plan):
            identity = self._identity(scoped)
            if identity not in self._tables:
                self._tables[identity] = known.get(identity) or Buckets(self._clients, self._locks)

    def buckets(self, scoped: ScopedLimit) -> Buckets:
        """Return the accounts of a limit of the plan."""
        return self._tables[self._identity(scoped)]

    def _identity(self, scoped: ScopedLimit) -> _Identity:
        limit = scoped.limit
        return scoped.scope, limit.rate, limit.size, limit.per, self._clients


def _feeds(files: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the networks of lists, with the name of the list. Raises BanError naming file and line."""
    for file in files:
        try:
            text = Path(file).read_text()
            yield from ((network, Path(file).name) for network in read_list(text))
        except (OSError, ValueError) as error:
            raise BanError(f"{file}: {error}") from None


def every_limit(plan: Plan) -> list[ScopedLimit]:
    """Return all rate limits of a plan; those of a site once for each of its routes, the forward proxy's among them."""
    return [*plan.rates, *(scoped for route in plan.routes for scoped in route.rates)]
