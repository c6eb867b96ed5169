"""Measuring rules on rows: points by family, rates by source, thresholds that keep a promise on harmless requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bascule.waf.logic.learn.fit import STANDARD, Learned
from bascule.waf.logic.learn.matrix import Facts, Row
from bascule.waf.logic.rules import PRESETS, STRICT

Rules = Mapping[str, Sequence[Learned]]
Thresholds = Mapping[str, Mapping[str, int]]

BUDGETS = {"basic": 0.00002, "standard": 0.0001, "advanced": 0.0005, "pci-dss": 0.0008}
"""The share of harmless requests that one family may refuse in a preset."""
BOUNDS = {
    "basic": (12, 15),
    "standard": (STANDARD, STANDARD),
    "advanced": (4, STANDARD),
    "pci-dss": (3, STANDARD),
}
"""Between which points a threshold may lie."""
HOST_CAP = 5
"""Requests of one host that count: one site's odd parameter is not the web's."""


class Scorer:
    """Points of sets of facts at strict presets or at the others, remembered."""

    def __init__(self, rules: Rules, strict: bool) -> None:
        self._rules = {
            family: [(frozenset(r.facts), r.points) for r in learned if strict or not r.strict]
            for family, learned in rules.items()
        }
        self._memory: dict[Facts, dict[str, int]] = {}

    def of(self, facts: Facts) -> dict[str, int]:
        """Return the points of one set of facts, by family."""
        found = self._memory.get(facts)
        if found is None:
            found = {f: sum(p for needed, p in rules if needed <= facts) for f, rules in self._rules.items()}
            self._memory[facts] = found = {family: points for family, points in found.items() if points}
        return found

    def of_row(self, row: Row) -> dict[str, int]:
        """Return the most points that any value of a row has, by family."""
        most: dict[str, int] = {}
        for shown in row.shown:
            for family, points in self.of(shown).items():
                most[family] = max(most.get(family, 0), points)
        return most


def thresholds(rules: Rules, rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Return, by family and preset, the lowest threshold that keeps within the budget of false positives."""
    harmless = [row for row in rows if row.whole and not row.attack]
    reached = {strict: _reached(Scorer(rules, strict), harmless) for strict in (False, True)}
    return {
        family: {preset: _lowest(reached[preset in STRICT][family], len(harmless), preset) for preset in PRESETS}
        for family in rules
    }


def _reached(scorer: Scorer, harmless: Sequence[Row]) -> dict[str, Counter[int]]:
    """Return, by family, how many harmless requests reach which points."""
    hosts: Counter[tuple[str, str, int]] = Counter()
    reached: dict[str, Counter[int]] = defaultdict(Counter)
    for row in harmless:
        for family, points in scorer.of_row(row).items():
            hosts[family, row.host, points] += 1
            if hosts[family, row.host, points] <= HOST_CAP:
                reached[family][points] += 1
    return reached


def _lowest(reached: Counter[int], total: int, preset: str) -> int:
    low, high = BOUNDS[preset]
    for threshold in range(low, high):
        if sum(count for points, count in reached.items() if points >= threshold) <= BUDGETS[preset] * total:
            return threshold
    return high


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
