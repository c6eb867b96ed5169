"""The recipe: from corpora to `rules.json`, and how well that does on what it was not shown."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from bascule.waf.logic.facts import ALL, FACTS
from bascule.waf.logic.learn import corpora
from bascule.waf.logic.learn.corpora import Sample
from bascule.waf.logic.learn.families import KINDS
from bascule.waf.logic.learn.fit import Learned, learn
from bascule.waf.logic.learn.matrix import Row
from bascule.waf.logic.learn.measure import Rate, Rules, Scorer, Thresholds, rates
from bascule.waf.logic.learn.numbering import Numbering
from bascule.waf.logic.learn.thresholds import Judged, Points, choose
from bascule.waf.logic.rules import FORMAT, PRESETS, Family, LogicRule, Rates, RuleBook, Threshold

FOLDS = 5
INNER_FOLDS = 3
"""Parts by which thresholds are chosen."""
_SAYS = {fact.name: fact.says for fact in ALL}


def samples(folder: Path, seed: int, excluded: Collection[str] = (), feedback: Iterable[Path] = ()) -> Iterator[Sample]:
    """Yield all samples to learn from: corpora, what grammars make, files of feedback; not `excluded` sources.

    Raises:
        OSError, ValueError: a file cannot be read; says which.
        ValueError: at the end, if a name to exclude is in no source's.
    """
    everything = chain(
        corpora.attack_values(folder),
        corpora.attack_requests(folder),
        corpora.benign_values(folder),
        corpora.benign_requests(folder),
        corpora.generated(seed),
        *(corpora.feedback(file) for file in feedback),
    )
    unused = set(excluded)
    for sample in everything:
        if names := [name for name in excluded if name in sample.source]:
            unused.difference_update(names)
        else:
            yield sample
    if unused:
        raise ValueError(f"no source to leave out is called {' or '.join(sorted(unused))}")


def train(rows: Sequence[Row], seed: int) -> tuple[Rules, Thresholds]:
    """Return the rules of each family that has any, and its thresholds, which are chosen on parts that were not learned from."""
    rules = _learned(rows, seed)
    return rules, choose(*_judged_unseen(rows, tuple(rules), seed), tuple(rules))


def _learned(rows: Sequence[Row], seed: int) -> dict[str, list[Learned]]:
    rules = {kind.name: learn(kind, rows, FACTS, seed) for kind in KINDS}
    return {family: learned for family, learned in rules.items() if learned}


def _judged_unseen(rows: Sequence[Row], families: Sequence[str], seed: int) -> tuple[Judged, Judged]:
    """Return the points of rows at lax and at strict presets, each of rules that saw neither its source nor its host."""
    parts = [zlib.crc32(b"threshold" + _group(row).encode()) % INNER_FOLDS for row in rows]
    points: tuple[list[Points], list[Points]] = ([{}] * len(rows), [{}] * len(rows))
    for fold in range(INNER_FOLDS):
        rules = _learned([row for row, part in zip(rows, parts, strict=True) if part != fold], seed)
        for found, scorer in zip(points, (Scorer(rules, False), Scorer(rules, True)), strict=True):
            for number, (row, part) in enumerate(zip(rows, parts, strict=True)):
                if part == fold and row.shown:
                    found[number] = scorer.of_row(row)
    return Judged(rows, points[0], families), Judged(rows, points[1], families)


def _group(row: Row) -> str:
    return row.host if row.whole and not row.attack else row.source


def fold_of(row: Row) -> int:
    """Return the part a row is in: all of a source of attacks, or all of a harmless host, is in one."""
    return zlib.crc32(_group(row).encode()) % FOLDS


def cross_validate(rows: Sequence[Row], seed: int) -> dict[str, dict[tuple[str, str], Rate]]:
    """Return rates by preset and (label, source), each measured with rules that saw neither the source nor the host."""
    found: dict[str, dict[tuple[str, str], Rate]] = {preset: {} for preset in PRESETS}
    parts = [fold_of(row) for row in rows]
    for fold in range(FOLDS):
        rules, limits = train([row for row, part in zip(rows, parts, strict=True) if part != fold], seed)
        held = [row for row, part in zip(rows, parts, strict=True) if part == fold]
        for preset, known in found.items():
            for key, rate in rates(rules, limits, held, preset).items():
                total = known.setdefault(key, Rate())
                total.refused += rate.refused
                total.total += rate.total
    return found


def book(
    rules: Rules, limits: Thresholds, rows: Sequence[Row], version: str, recipe: dict[str, str],
    costs: Mapping[str, float], numbering: Numbering | None = None,
) -> RuleBook:  # fmt: skip
    """Return the rule set of what was learned, every rule with its measured rates; `costs` are those of facts.

    Raises ValueError where `numbering` has no ids left.
    """
    numbering = numbering or Numbering()
    numbers = {kind.name: number for number, kind in enumerate(KINDS, 1)}
    families = tuple(
        Family(
            name=kind.name, number=numbers[kind.name], title=kind.title, says=kind.says, risk=kind.risk, answer=kind.answer,
            owasp_2021=kind.owasp_2021, owasp_2025=kind.owasp_2025, cwe=kind.cwe,
            thresholds=Threshold(*(limits[kind.name][preset] for preset in PRESETS)),
        )
        for kind in KINDS if kind.name in rules
    )  # fmt: skip
    shipped = tuple(
        LogicRule(
            id=number, family=family, name=name_of(rule.facts), facts=rule.facts,
            points=rule.points, strict=rule.strict, says="; ".join(_SAYS[fact] for fact in rule.facts), measured=measured,
        )
        for family, learned in rules.items()
        for number, rule, measured in zip(
            numbering.ids(family, numbers[family], [rule.facts for rule in learned]),
            learned, _measure(family, learned, rows, costs), strict=True,
        )
    )  # fmt: skip
    return RuleBook(FORMAT, version, recipe, families, shipped)


def name_of(facts: Sequence[str]) -> str:
    """Return the name of a rule: what its facts are called, the languages once."""
    return "-and-".join(fact.replace(".", "-").replace("_", "-") for fact in facts)


def _measure(family: str, learned: Sequence[Learned], rows: Sequence[Row], costs: Mapping[str, float]) -> list[Rates]:
    """Return for each rule the percentages of the family's attacks and of harmless requests in which it fires."""
    classes = next(kind.classes for kind in KINDS if kind.name == family)
    attacks = [row for row in rows if row.label in classes]
    browsers = [row for row in rows if row.whole and not row.attack]

    def share(rule: Learned, among: Sequence[Row]) -> float:
        hits = sum(any(shown.issuperset(rule.facts) for shown in row.shown) for row in among)
        return round(100 * hits / len(among), 3) if among else 0.0

    by_source: dict[str, list[Row]] = {}
    for row in attacks:
        by_source.setdefault(row.source, []).append(row)

    def measured(rule: Learned) -> Rates:
        sources = {source: found for source, some in sorted(by_source.items()) if (found := share(rule, some))}
        cost = round(sum(costs.get(fact, 0.0) for fact in rule.facts), 2)
        return Rates(share(rule, attacks), share(rule, browsers), sources, cost)

    return [measured(rule) for rule in learned]
