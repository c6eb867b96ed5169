"""Who is let in at all: the rules of `defence.rules`, by what is known of an address and the time of the week."""

from __future__ import annotations

from typing import NamedTuple

from bascule.config.access import AccessRule, Visitors
from bascule.defence.calendar import Calendar
from bascule.defence.geo import Geography
from bascule.http.addresses import TrustedNetworks

_KEPT = 8192
"""Addresses whose rule is remembered, for a minute at most; then all are forgotten at once."""


class Found(NamedTuple):
    """A rule that keeps a client out."""

    name: str
    detect: bool


class _Rule:
    """One rule made ready to run."""

    __slots__ = ("_geo", "_networks", "_operators", "_visitors", "_zone", "found")

    def __init__(self, number: int, rule: AccessRule, geo: Geography, calendar: Calendar) -> None:
        visitors: Visitors = rule.visitors
        self._visitors = visitors
        self._networks = TrustedNetworks(visitors.network)
        self._operators = frozenset(str(number).encode() for number in visitors.asn)
        self._geo = geo
        self._zone = calendar
        name = rule.name or f"rule {number}"
        self.found = Found(name, rule.mode == "detect") if rule.deny is not None else None
        """What it decides; None lets in."""

    def holds(self, address: bytes) -> bool:
        """Whether it is about a client, now."""
        visitors, geo = self._visitors, self._geo
        return (
            (not visitors.network or address in self._networks)
            and (not visitors.country or geo.country(address) in visitors.country)
            and (not self._operators or geo.operator(address) in self._operators)
            and (not visitors.kind or not geo.kinds(address).isdisjoint(visitors.kind))
            and (visitors.when is None or self._zone.holds(visitors.when))
        )


class AccessRules:
    """The rules of one worker."""

    __slots__ = ("_calendar", "_known", "_minute", "_rules", "detects")

    def __init__(self, rules: tuple[AccessRule, ...], geo: Geography, calendar: Calendar) -> None:
        self._rules = [_Rule(number, rule, geo, calendar) for number, rule in enumerate(rules, 1)]
        self._calendar = calendar
        self._known: dict[bytes, Found | None] = {}
        self._minute = 0
        self.detects = any(rule.found is not None and rule.found.detect for rule in self._rules)
        """Whether any rule only records."""

    def find(self, address: bytes) -> Found | None:
        """Return the rule that keeps a textual address out; None if nothing does."""
        minute = self._calendar.minute()
        if minute != self._minute or len(self._known) >= _KEPT:
            self._minute = minute
            self._known.clear()
        try:
            return self._known[address]
        except KeyError:
            found = self._known[address] = self._decide(address)
            return found

    def _decide(self, address: bytes) -> Found | None:
        return next((rule.found for rule in self._rules if rule.holds(address)), None)
