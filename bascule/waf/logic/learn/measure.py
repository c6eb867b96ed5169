"""Measuring rules on rows: points by family, rates by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bascule.waf.logic.facts import loud
from bascule.waf.logic.learn.fit import Learned
from bascule.waf.logic.learn.matrix import Facts, Row
from bascule.waf.logic.rules import STRICT

Rules = Mapping[str, Sequence[Learned]]
Thresholds = Mapping[str, Mapping[str, int]]


class Scorer:
    """Points of sets of facts at strict presets or at the others, remembered."""

    def __init__(self, rules: Rules, strict: bool) -> None:
        self._rules = {
            family: [(frozenset(r.facts), r.points) for r in learned if strict or not r.strict]
            for family, learned in rules.items()
        }
        self._strict = strict
        self._memory: dict[Facts, dict[str, int]] = {}

    def of(self, facts: Facts) -> dict[str, int]:
        """Return the points of one set of facts, by family."""
        found = self._memory.get(facts)
        if found is None:
            counted = facts if self._strict else loud(facts)
            found = {f: sum(p for needed, p in rules if needed <= counted) for f, rules in self._rules.items()}
            self._memory[facts] = found = {family: points for family, points in found.items() if points}
        return found

    def of_row(self, row: Row) -> dict[str, int]:
        """Return the most points that any value of a row has, by family."""
        most: dict[str, int] = {}
        for shown in row.shown:
            for family, points in self.of(shown).items():
                most[family] = max(most.get(family, 0), points)
        return most


@dataclass(slots=True)
class Rate:
    """How many of `total` were refused."""

    refused: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        """The share in percent."""
        return 100 * self.refused / self.total if self.total else 0.0

    def count(self, refused: bool) -> None:
        """Count one more."""
        self.total += 1
        self.refused += refused


def rates(rules: Rules, limits: Thresholds, rows: Sequence[Row], preset: str) -> dict[tuple[str, str], Rate]:
    """Return the share refused by (label, source), over all families."""
    scorer = Scorer(rules, preset in STRICT)
    found: dict[tuple[str, str], Rate] = {}
    for row in rows:
        refused = any(points >= limits[family][preset] for family, points in scorer.of_row(row).items())
        kind = row.label or ("requests" if row.whole else "values")
        found.setdefault((kind, "browsers" if row.whole and not row.attack else row.source), Rate()).count(refused)
    return found
