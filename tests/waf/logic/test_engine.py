"""Judging by rules, reading rule sets, and the texts of the grammars."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn import attacks, honest
from bascule.waf.logic.learn.grammar import expand, texts
from bascule.waf.logic.rules import (
    MAX_BYTES,
    SHIPPED,
    Family,
    LogicRule,
    Rates,
    RuleBook,
    RuleBookError,
    Threshold,
    read,
)

KNOWN = frozenset(("sql.a", "sql.b"))
FAMILY = Family("sql", 1, "SQL", "says", "high", "block", "A03", "A05", (89,), Threshold(12, 10, 8, 6))


def rule(number: int, points: int, *facts: str, enabled: bool = True, strict: bool = False) -> LogicRule:
    return LogicRule(number, "sql", f"r{number}", facts, points, "says", Rates(0, 0), enabled, strict)


def book(*rules: LogicRule) -> RuleBook:
    return RuleBook(1, "1", {}, (FAMILY,), rules)


def written(folder: Path, data: object) -> Path:
    file = folder / "rules.json"
    file.write_bytes(msgspec.json.encode(data))
    return file


@pytest.mark.parametrize(("preset", "found"), [("basic", 0), ("standard", 1), ("advanced", 1), ("detect-only", 1)])
def test_points_of_a_value_add_up_to_the_presets_threshold(preset: str, found: int) -> None:
    logic = Logic(book(rule(1, 7, "sql.a"), rule(2, 4, "sql.a", "sql.b"), rule(3, 90, "sql.a", enabled=False)), preset)
    assert len(logic.judge_facts(frozenset(KNOWN))) == found
    assert not logic.judge_facts(frozenset(("sql.b",)))


@pytest.mark.parametrize(("preset", "found"), [("basic", 0), ("standard", 0), ("advanced", 1), ("pci-dss", 1)])
def test_a_strict_rule_counts_at_strict_presets_only(preset: str, found: int) -> None:
    logic = Logic(book(rule(1, 50, "sql.a", strict=True), rule(2, 50, "sql.b", enabled=False, strict=True)), preset)
    assert len(logic.judge_facts(frozenset(("sql.a",)))) == found
    assert not logic.judge_facts(frozenset(("sql.b",)))


def test_a_finding_names_its_rules_most_points_first() -> None:
    (found,) = Logic(book(rule(1, 4, "sql.a"), rule(2, 8, "sql.b"))).judge_facts(frozenset(KNOWN))
    assert [each.id for each in found[3]] == [2, 1]
    assert found[1:3] == (12, 10)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ((rule(1, 1, "sql.c"),), "rule 1: there is no fact 'sql.c'"),
        ((rule(1, 1),), "rule 1 has no facts"),
        ((rule(1, 0, "sql.a"),), "rule 1 has no facts, no points"),
        ((rule(1, 1, "sql.a"), rule(1, 1, "sql.b")), "another rule's id"),
    ],
)
def test_a_rule_set_that_cannot_be_used_is_refused(tmp_path: Path, rules: tuple[LogicRule, ...], reason: str) -> None:
    with pytest.raises(RuleBookError, match=r"rules\.json") as caught:
        read(written(tmp_path, book(*rules)), KNOWN)
    assert reason in str(caught.value)


def test_unknown_keys_and_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleBookError, match="is no rule set"):
        read(written(tmp_path, {"format": 1, "surprise": 2}), KNOWN)
    with pytest.raises(RuleBookError, match="reads format 1"):
        read(written(tmp_path, RuleBook(9, "1", {}, (FAMILY,), ())), KNOWN)
    with pytest.raises(RuleBookError, match="cannot be read"):
        read(tmp_path / "absent", KNOWN)
    with pytest.raises(ValueError, match="preset must be one of"):
        Logic(book(), "harsh")


def test_the_shipped_rules_are_small_and_every_family_can_refuse() -> None:
    assert SHIPPED.stat().st_size < MAX_BYTES
    logic = Logic.load()
    for family in logic.book.families:
        everything = frozenset(fact for each in logic.book.rules if each.family == family.name for fact in each.facts)
        assert family.name in {found[0].name for found in logic.judge_facts(everything)}
        assert family.thresholds.basic >= family.thresholds.standard >= family.thresholds.advanced


def test_grammars_are_reproducible_and_bounded() -> None:
    for _, grammar in attacks.GRAMMARS.values():
        assert list(texts(grammar, 7, 20)) == list(texts(grammar, 7, 20))
    for grammar in honest.GRAMMARS.values():
        assert len(set(texts(grammar, 7, 50))) == 50
    with pytest.raises(ValueError, match="recurses too deep"):
        expand({"start": ["<start>"]}, __import__("random").Random(1))
