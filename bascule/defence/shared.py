"""What the workers share for defence: made before the fork, and handed on from generation to generation."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bascule.config.defence import Defence, Rate
from bascule.config.plan import Plan, ScopedLimit
from bascule.config.types import is_url
from bascule.defence.arrivals import flows
from bascule.defence.bans import BanError, check_networks, read_file
from bascule.defence.challenges.keys import load_secret
from bascule.defence.challenges.ladder import challenged
from bascule.defence.crawlers import Book
from bascule.defence.geo import Geography
from bascule.defence.logins.memory import LoginMemory, defended
from bascule.defence.networks import NetworkMap
from bascule.defence.waiting_room import Rooms, make_memory, rooms_of
from bascule.lists.remote import RemoteList, place_of
from bascule.state.buckets import Buckets
from bascule.state.locks import Lock, make_locks
from bascule.state.sets import MIN_KEYS

MOST_BANNED = 1 << 18
"""Clients that can be banned at a time; beyond it those give way whose ban ends first."""
_Identity = tuple[str, Rate, int, tuple[str, ...], int]


class Shared:
    """The accounts of every limit of a plan, and its databases. A limit that stays as it is keeps them over a reload.

    `challenge_key` is the file of the key of challenges, for a plan that has some; `lists` the folder of fetched lists.
    Raises OSError where the system has no shared semaphores, GeoError for a database that cannot be used, KeyFileError,
    BreachedError, and BanError for a list that is none.
    """

    def __init__(self, plan: Plan, previous: Shared | None = None, challenge_key: str = "", lists: str = "") -> None:
        self.geo = Geography(plan.config.defence.geo)
        defence = plan.config.defence
        listed, blocks = list(_feeds(defence.feeds, lists)), defence.feeds_mode == "block"
        denied = [(str(network), "deny") for network in defence.deny]
        self.denied = NetworkMap([*denied, *(listed if blocks else ())])
        """Whom the configuration keeps out, with the name of the list that says so."""
        self.watched = NetworkMap(() if blocks else listed)
        """Whom lists would keep out that only record."""
        self._clients = defence.clients
        known = previous._tables if previous else {}
        self._locks: tuple[Lock, ...] = previous._locks if previous else make_locks()
        self.bans: Buckets = previous.bans if previous else Buckets(MOST_BANNED, self._locks, inherits=False)
        """Clients and until when they are banned, as a debt of time."""
        self.changes = self.bans.changes
        """What changes in the tables of bans and accounts, by lane."""
        self.offences: Buckets = previous.offences if previous else self._strict()
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
            self.spent = self._strict()
        crawlers = plan.config.crawlers
        self.crawlers = Book(crawlers) if crawlers.mode != "off" else None
        """What is known of crawlers."""
        self.accounts: Buckets | None = previous.accounts if previous else None
        """Points of clients, as a debt of time."""
        if plan.config.account.mode != "off" and self.accounts is None:
            self.accounts = Buckets(self._clients, self._locks, inherits=False, changes=self.changes)
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

    def _strict(self) -> Buckets:
        """Return a table in which no client can be held to what others did."""
        return Buckets(self._clients, self._locks, inherits=False)

    def buckets(self, scoped: ScopedLimit) -> Buckets:
        """Return the accounts of a limit of the plan."""
        return self._tables[self._identity(scoped)]

    def tables(self) -> Iterator[Buckets]:
        """Yield every table of clients' debts."""
        logins = () if self.logins is None else (self.logins.pairs, self.logins.others, self.logins.ended)
        made = (self.bans, self.offences, self.spent, self.accounts, *logins)
        yield from (table for table in made if table is not None)
        yield from self.arrivals.values()
        yield from self._tables.values()

    def _identity(self, scoped: ScopedLimit) -> _Identity:
        limit = scoped.limit
        return scoped.scope, limit.rate, limit.size, limit.per, self._clients


def _feeds(places: tuple[str, ...], folder: str) -> Iterator[tuple[str, str]]:
    """Yield the networks of lists, with the name of the list; of lists at a URL, if they were fetched before.

    Raises BanError naming file and line.
    """
    for place in places:
        file = place_of(place, folder) if is_url(place) else place
        if is_url(place) and not os.path.exists(file):
            continue
        try:
            yield from ((network, os.path.basename(place)) for network in read_file(file))
        except (OSError, ValueError) as error:
            raise BanError(f"{place}: {error}") from None


def remote_feeds(defence: Defence, folder: str) -> list[RemoteList]:
    """Return the feeds that are at a URL."""
    return [RemoteList.of(place, folder, check_networks) for place in dict.fromkeys(defence.feeds) if is_url(place)]


def every_limit(plan: Plan) -> list[ScopedLimit]:
    """Return all rate limits of a plan; those of a site once for each of its routes, the forward proxy's among them."""
    return [*plan.rates, *(scoped for route in plan.routes for scoped in route.rates)]
