"""The names that rules with @rbl will ask DNS block lists for: told before the rules run, so that answers can be here.

Told are those for the client's address. A rule's links before its @rbl are tried out, without their actions, on what is
known of the request, so that a chain which asks only about who posts to /login does not ask about everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bascule.waf.seclang.evaluate import BoundLink, matches_any
from bascule.waf.seclang.model import Link, Rule, RuleSet
from bascule.waf.seclang.operators import Resolver
from bascule.waf.seclang.operators.lookup import Rbl

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

_CLIENT = ("REMOTE_ADDR", "TX")
"""Where the client's address is: CRS 3 has it in TX:real_ip."""


class _Question(NamedTuple):
    before: tuple[BoundLink, ...]
    operator: Rbl


class AskAhead:
    """The questions of one rule set, and who answers them."""

    def __init__(self, rules: RuleSet, resolver: Resolver) -> None:
        self._resolver = resolver
        self._questions = [
            _Question(tuple(map(BoundLink, rule.links[:place])), link.operator)
            for entries in rules.phases.values()
            for rule in entries
            if isinstance(rule, Rule)
            for place, link in enumerate(rule.links)
            if isinstance(link.operator, Rbl) and _asks_for_client(link)
        ]
        self.needed = bool(self._questions)

    def open_for(self, client: bytes) -> bool:
        """Whether any answer about a client may be lacking."""
        knows = self._resolver.knows
        return any(name is not None and not knows(name) for name in (q.operator.name(client) for q in self._questions))

    def names(self, t: Transaction) -> list[str]:
        """Return the names for which answers are lacking, for a transaction that was given a head."""
        client, knows = t.connection.client_address, self._resolver.knows
        found = []
        for before, operator in self._questions:
            name = operator.name(client)
            if name is not None and not knows(name) and all(matches_any(t, link) for link in before):
                found.append(name)
        return list(dict.fromkeys(found))


def _asks_for_client(link: Link) -> bool:
    return any(target.variable.name in _CLIENT and not target.exclude for target in link.targets)
