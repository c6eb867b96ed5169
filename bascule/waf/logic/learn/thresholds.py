"""Thresholds that spend a stated budget of false positives where it finds most, judged by sources and hosts not learned from.

Points of samples that rules were learned from say too little of what a lower threshold costs. So the rows are divided
once more: each source of attacks and each harmless host is measured with rules that saw neither. From the highest
thresholds on, the family is lowered that finds most for the hosts it refuses, while the budget lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bascule.waf.logic.learn.families import KINDS
from bascule.waf.logic.learn.fit import MAX_SINGLE, STANDARD
from bascule.waf.logic.learn.matrix import Row
from bascule.waf.logic.rules import PRESETS, STRICT

Points = Mapping[str, int]
"""The most points that any value of a row has, by family."""
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a preset may cost, and between which points its thresholds lie."""

    low: int
    high: int
    requests: float
    """The share of harmless requests that may be refused in all."""
    hosts: float
    """The same where every harmless host weighs alike: the mean of the shares of each host."""
    texts: float
    """The share of each source of harmless texts that one lower threshold may refuse more."""
    worth: float
    """The share of a family's attacks that a lower threshold has to find for each harmless host it refuses."""
    least: float
    """The share of a family's attacks for which alone a threshold is lowered; none: for nothing, too, where it costs nothing."""


BUDGETS = {
    "basic": Budget(12, 15, 0.0005, 0.0005, 0.01, 0.001, 0.0002),
    "standard": Budget(MAX_SINGLE + 1, STANDARD, 0.001, 0.001, 0.03, 0.0005, 0.0002),
    "advanced": Budget(4, STANDARD, 0.005, 0.005, 0.1, 0.0002, 0.0),
    "pci-dss": Budget(3, STANDARD, 0.008, 0.008, 0.2, 0.0001, 0.0),
}
"""At `standard` no single fact that was not reviewed refuses, whatever browsers send: people write `../logo.png`."""


@dataclass(frozen=True, slots=True)
class Price:
    """What it costs to refuse rows."""

    requests: float
    """Of all harmless requests, the share."""
    hosts_alike: float
    """The same where every host weighs alike."""
    hosts: int
    """Harmless hosts that have any request refused."""
    texts: float
    """The largest share of any source of harmless texts."""


class Judged:
    """Rows and their points at one preset, of rules that did not see them; what they weigh, and what refusing them costs."""

    def __init__(self, rows: Sequence[Row], points: Sequence[Points], families: Sequence[str]) -> None:
        self._points = {f: np.array([each.get(f, 0) for each in points], dtype=np.int16) for f in families}
        of = Counter((row.label, row.source) for row in rows if row.attack)
        self._attacks: dict[str, Floats] = {}
        for kind in (kind for kind in KINDS if kind.name in self._points):
            weights = [of[row.label, row.source] ** -0.5 if row.label in kind.classes else 0.0 for row in rows]
            self._attacks[kind.name] = np.array(weights) / (sum(weights) or 1.0)
        self._harmless = np.array([not row.attack for row in rows])
        self._rows = rows
        self._hosts = Counter(row.host for row in rows if row.whole and not row.attack)
        self._texts = Counter(row.source for row in rows if not row.whole and not row.attack)

    def refused(self, limits: Mapping[str, int]) -> Flags:
        """Return which rows thresholds refuse."""
        found = np.zeros(len(self._rows), dtype=bool)
        for family, limit in limits.items():
            found |= self._points[family] >= limit
        return found

    def more(self, family: str, limit: int, refused: Flags) -> Flags:
        """Return which further rows a threshold refuses."""
        return (self._points[family] >= limit) & ~refused

    def share(self, family: str, among: Flags) -> float:
        """Return which share of a family's attacks some rows are; every source weighs as the root of what it has."""
        return float(self._attacks[family][among].sum())

    def price(self, refused: Flags) -> Price:
        """Return what it costs to refuse some rows."""
        hosts: Counter[str] = Counter()
        texts: Counter[str] = Counter()
        for number in np.flatnonzero(refused & self._harmless).tolist():
            row = self._rows[number]
            if row.whole:
                hosts[row.host] += 1
            else:
                texts[row.source] += 1
        return Price(
            hosts.total() / max(1, self._hosts.total()),
            sum(count / self._hosts[host] for host, count in hosts.items()) / max(1, len(self._hosts)),
            len(hosts),
            max((count / self._texts[source] for source, count in texts.items()), default=0.0),
        )


def choose(laxer: Judged, strict: Judged, families: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return thresholds by family and preset; `strict` has the points of the presets that count strict rules, too.

    Those of a stricter preset are never higher than those of a laxer one.
    """
    found: dict[str, dict[str, int]] = {family: {} for family in families}
    for preset in PRESETS:
        chosen = spend(strict if preset in STRICT else laxer, families, BUDGETS[preset])
        for family, limits in found.items():
            limits[preset] = min(chosen[family], *limits.values(), BUDGETS[preset].high)
    return found


def spend(judged: Judged, families: Sequence[str], budget: Budget) -> dict[str, int]:
    """Return a threshold for each family: from the highest on, the one is lowered that finds most for what it costs."""
    limits = dict.fromkeys(families, budget.high)
    refused = judged.refused(limits)
    while True:
        best = 0.0
        for family in families:
            for limit in range(budget.low, limits[family]):
                more = judged.more(family, limit, refused)
                gain = judged.share(family, more)
                price, spent = judged.price(more), judged.price(refused | more)
                if gain < budget.worth * price.hosts or gain <= budget.least or price.texts > budget.texts:
                    continue
                if spent.requests > budget.requests or spent.hosts_alike > budget.hosts:
                    continue
                if (value := gain / (price.hosts + 1)) > best:
                    best, chosen = value, (family, limit, more)
        if not best:
            break
        limits[chosen[0]] = chosen[1]
        refused |= chosen[2]
    return limits if budget.least else {f: _free(judged, f, limit, budget, refused) for f, limit in limits.items()}


def _free(judged: Judged, family: str, limit: int, budget: Budget, refused: Flags) -> int:
    """Return the lowest threshold that refuses no harmless host and no harmless text more."""
    prices = ((low, judged.price(judged.more(family, low, refused))) for low in range(budget.low, limit))
    return next((low for low, price in prices if not price.hosts and not price.texts), limit)
