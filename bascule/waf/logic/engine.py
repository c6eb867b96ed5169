"""The logic engine: values in, findings out.

`Logic.load` reads the rule set and builds the recognisers once, before the fork. `Logic.search` dismisses most values
together (`screen.py`) and looks at the others one by one: what facts they show (`facts/`), which rules those fulfil,
and whether the points of a family reach its threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bascule.waf.logic.facts import FACTS, as_text, facts_in_turns, facts_of, kept, loud, meant, warm
from bascule.waf.logic.facts.recogniser import MAX_REMEMBERED
from bascule.waf.logic.rules import PRESETS, SHIPPED, STRICT, Family, LogicRule, RuleBook, RuleBookError, read
from bascule.waf.logic.screen import Screen
from bascule.waf.logic.values import Value

__all__ = ["ALL_PRESETS", "Finding", "Logic", "RuleBookError"]

ALL_PRESETS = ("bypass", "detect-only", *PRESETS, "block-all")
"""`bypass` looks at nothing, `detect-only` judges as `standard` and refuses nothing, `block-all` refuses everything."""
PORTION = 1 << 12
"""Bytes of values, and numbers of them, that are screened in one go: well below a millisecond."""
MOST_TOGETHER = 256
MEMORY = 8192
"""Distinct sets of facts of which the judgement is remembered."""

_UNSCREENED = ("file", "upload")
"""Places whose values are looked at in ways of their own."""

Facts = frozenset[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a value does: the family, its points, the threshold it reached, and the rules, most points first."""

    family: Family
    points: int
    threshold: int
    rules: tuple[LogicRule, ...]
    value: Value


class Logic:
    """A rule set at one preset. Immutable but for its memory, so that workers may inherit it."""

    def __init__(self, book: RuleBook, preset: str = "standard") -> None:
        if preset not in ALL_PRESETS:
            raise ValueError(f"preset must be one of {', '.join(ALL_PRESETS)}, not {preset!r}")
        self.book, self.preset = book, preset
        self._strict = preset in STRICT
        level = preset if preset in PRESETS else "standard"
        counting = [rule for rule in book.rules if rule.counts_at(level)]
        self._families = [
            (family, family.thresholds.of(level),
             [(frozenset(rule.facts), rule) for rule in counting if rule.family == family.name])
            for family in book.families
        ]  # fmt: skip
        self.screen = Screen(self.judge_facts)
        self._memory: dict[Facts, tuple[tuple[Family, int, int, tuple[LogicRule, ...]], ...]] = {}

    @classmethod
    def load(cls, preset: str = "standard", file: Path = SHIPPED, cache_dir: Path | None = None) -> Logic:
        """Read a rule set and build what recognises facts; `cache_dir` keeps that for the next start.

        Raises:
            RuleBookError: the rule set cannot be used.
            ValueError: there is no such preset.
        """
        logic = cls(read(file, frozenset(FACTS)), preset)
        warm(cache_dir)
        return logic

    def judge(self, values: Iterable[Value]) -> list[Finding]:
        """Return what is found in values, in their order; nothing for most requests."""
        return [finding for finding in self.search(values) if finding is not None]

    def search(self, values: Iterable[Value]) -> Iterator[Finding | None]:
        """Yield what is found in values, in their order, and None wherever the search may rest for a while."""
        portion: list[Value] = []
        size = 0
        for value in values:
            portion.append(value)
            size += len(value[2])
            if size >= PORTION or len(portion) >= MOST_TOGETHER:
                yield from self._search(portion)
                yield None
                portion, size = [], 0
        if portion:
            yield from self._search(portion)

    def _search(self, values: list[Value]) -> Iterator[Finding | None]:
        suspects = set(self.screen.suspects([value[2] for value in values if value[0] not in _UNSCREENED]))
        for value in values:
            if value[2] not in suspects and value[0] not in _UNSCREENED:
                continue
            if len(value[2]) <= MAX_REMEMBERED:
                facts = facts_of(value[2], value[0])
                yield None
            else:
                facts = yield from facts_in_turns(value[2], value[0])
            findings = self.judge_facts(facts) if facts else ()
            if findings:
                findings = self.judge_facts(meant(facts, *value))
            for found in findings:
                yield Finding(*found, value)

    def judge_text(self, value: Value, anything: bool) -> frozenset[str]:
        """Return the families that find something in a value of a field for texts, at any preset.

        `anything`: the operator says so, and it may be a text of any form; else its form tells, too.
        """
        facts = meant(facts_of(value.data, value.place), *value)
        facts = kept(facts, value.data) if anything else loud(as_text(facts, value.data))
        return frozenset(family.name for family, *_ in self.judge_facts(facts))

    def judge_facts(self, facts: Facts) -> tuple[tuple[Family, int, int, tuple[LogicRule, ...]], ...]:
        """Return (family, points, threshold, rules) for each family whose threshold a set of facts reaches."""
        known = self._memory.get(facts)
        if known is None:
            counted = facts if self._strict else loud(facts)
            known = tuple(
                (family, points, threshold, tuple(sorted(rules, key=lambda rule: -rule.points)))
                for family, points, threshold, rules in self.points(counted)
                if points >= threshold
            )
            if len(self._memory) < MEMORY:
                self._memory[facts] = known
        return known

    def points(self, facts: Facts) -> list[tuple[Family, int, int, list[LogicRule]]]:
        """Return (family, points, threshold, rules that fire) of a set of facts, for every family with any points."""
        scored = []
        for family, threshold, rules in self._families:
            fired = [rule for needed, rule in rules if needed <= facts]
            if fired:
                scored.append((family, sum(rule.points for rule in fired), threshold, fired))
        return scored
