"""What workers share about logins: made before the fork, kept over a reload."""

from __future__ import annotations

from typing import Final

from bascule.config.plan import Plan
from bascule.defence.logins.passwords import Breached
from bascule.state.buckets import Buckets
from bascule.state.locks import Lock
from bascule.state.records import Records
from bascule.state.windows import Windows

SPAN: Final = 300.0
"""Seconds over which the logins of a site are summed up."""
FAILED, SUCCEEDED, FIRST = range(3)
"""Counts of a site: failed logins, successful ones, and of the failed ones the first tries at an account."""


class LoginMemory:
    """The tables of logins, and the lists of breached passwords. Pairs have a table of their own, for there are as many
    as an attacker cares to make.

    Raises BreachedError for a list that cannot be used.
    """

    def __init__(self, plan: Plan, clients: int, locks: tuple[Lock, ...], previous: LoginMemory | None = None) -> None:
        self.sites = tuple(site.name for site in plan.sites if site.logins.mode != "off")
        self.pairs: Buckets = previous.pairs if previous else Buckets(clients, locks)
        """Failed logins of an account from a client, and from a known device."""
        self.others: Buckets = previous.others if previous else Buckets(clients, locks)
        """Failed logins of clients and of accounts."""
        same = previous is not None and previous.sites == self.sites
        self.windows: Windows = previous.windows if previous and same else Windows(len(self.sites), 3, SPAN, locks)
        limited = any(site.logins.sessions is not None for site in plan.sites if site.logins.mode != "off")
        self.sessions: Records | None = previous.sessions if previous else None
        """The sessions of each account."""
        self.ended: Buckets | None = previous.ended if previous else None
        """Sessions that ended for newer ones."""
        if limited and (self.sessions is None or self.ended is None):
            self.sessions, self.ended = Records(locks), Buckets(clients, locks)
        paths = {site.logins.passwords.breached for site in plan.sites if site.logins.passwords is not None}
        self.breached = {path: Breached(path) for path in paths if path}


def defended(plan: Plan) -> bool:
    """Whether logins of any site are defended."""
    return any(site.logins.mode != "off" for site in plan.sites)
