"""Exceptions proposed for an event: what rules, on which path, for which parameter, narrow enough to be safe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from bascule.telemetry.eventfiles import Fired, LoggedEvent
from bascule.waf.policy import OWN_IDS

EXPIRES_AFTER = timedelta(days=90)
"""Life proposed for an exception."""
MANY = 8
"""Learned rules that fired on one value, from which on an event does not list all: then the family is named instead."""
_COLLECTIONS = {
    "ARGS": "", "ARGS_GET": "", "ARGS_POST": "", "REQUEST_COOKIES": "cookie:", "REQUEST_HEADERS": "header:",
}  # fmt: skip
"""Collections whose members an exclusion can name, and how."""
_REPORTS = frozenset(("anomaly-evaluation", "reporting"))
"""Tags of CRS for such rules."""
_SCORE = re.compile(r"TX:(?:(in|out)bound_)?anomaly_score(?:_pl[1-4])?")
"""Without a direction it is inbound (CRS 3)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An exception as it may be written into a configuration."""

    path: str
    parameter: str
    rules: tuple[str | int, ...]

    def as_data(self, owner: str, reason: str, expires: date) -> dict[str, Any]:
        """Return it as the configuration has it (`config.waf.WafExclusion`)."""
        data: dict[str, Any] = {"path": self.path, "rules": list(self.rules), "owner": owner, "reason": reason}
        if self.parameter:
            data["parameter"] = self.parameter
        return {**data, "expires": expires}


def proposals(event: LoggedEvent) -> list[Proposal]:
    """Return what would let a harmless request pass: nothing where no rule refused, or would have."""
    path = normal_path(event.path)
    return [Proposal(path, parameter, tuple(rules)) for parameter, rules in _culprits(event).items()]


def is_report(rule: Fired) -> bool:
    """Tell whether a rule only adds up or reports what others found: it looks at their scores alone, or says so."""
    if _REPORTS.intersection(rule.tags):
        return True
    return bool(rule.matched) and all(matched.variable[:3] == "TX:" for matched in rule.matched)


def default_expiry(days: int = EXPIRES_AFTER.days) -> date:
    """Return the last day of an exception made today."""
    return (datetime.now(UTC) + timedelta(days=days)).date()


def points_of(rule: Fired, way: str) -> list[int]:
    """Return what a rule added to the anomaly score of a way ("in", "out")."""
    return [
        number_of(change.by)
        for change in rule.changes
        if (found := _SCORE.fullmatch(change.name)) and (found[1] or "in") == way and change.by[:1] in ("+", "-")
    ]


def number_of(text: str | None) -> int:
    """Return the number a text is, or 0."""
    try:
        return int(text or 0)
    except ValueError:
        return 0


def normal_path(path: str) -> str:
    """Return a path in the normal form that exclusions are written in."""
    return quote(unquote_to_bytes(path), safe="/~!$&'()*+,:=@[]-._;") or "/"


def _culprits(event: LoggedEvent) -> dict[str, list[str | int]]:
    """Return the rules that refused or added to the score, by the parameter that an exclusion can name."""
    found: dict[str, list[Fired]] = {}
    for rule in event.rules:
        alone = event.verdict is not None and (event.verdict.rule == rule.id or rule.id in OWN_IDS)
        if is_report(rule) or not (points_of(rule, "in") or points_of(rule, "out") or alone):
            continue
        names = {_parameter(matched.variable) for matched in rule.matched if matched.variable[:3] != "TX:"} or {""}
        for name in [""] if "" in names else sorted(names):
            found.setdefault(name, []).append(rule)
    return {name: _named(rules) for name, rules in found.items()}


def _named(rules: list[Fired]) -> list[str | int]:
    """Return rules by id; a learned family of which more fired than an event lists, by its tag."""
    families: dict[str, set[int]] = {}
    for rule in rules:
        family = next((tag for tag in rule.tags if tag.startswith("logic/")), "")
        families.setdefault(family, set()).add(rule.id)
    many = {family for family, ids in families.items() if family and len(ids) >= MANY}
    kept = {number for family, ids in families.items() if family not in many for number in ids}
    return [*sorted(kept), *(f"tag:{family}" for family in sorted(many))]


def _parameter(variable: str) -> str:
    collection, _, name = variable.partition(":")
    return f"{_COLLECTIONS[collection]}{name}" if name and collection in _COLLECTIONS else ""
