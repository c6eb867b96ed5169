"""Learning: what operators say is heard, and sources can be left out."""

import gzip
import json
from pathlib import Path

import pytest

from bascule.waf.logic.facts import FACTS
from bascule.waf.logic.learn.corpora import VOUCHED, attack_values, feedback
from bascule.waf.logic.learn.families import KINDS
from bascule.waf.logic.learn.matrix import Row, row_of
from bascule.waf.logic.rules import PRESETS

FALSE_POSITIVE = {
    "text": "1 union select 2",
    "kind": "value",
    "source": "feedback abc",
    "place": "ARGS_GET:q",
    "site": "shop.example.com",
}


def kept(folder: Path, *examples: dict[str, str]) -> Path:
    file = folder / "feedback.jsonl"
    file.write_text("".join(json.dumps(example) + "\n" for example in examples))
    return file


def test_an_operators_word_is_a_harmless_value_in_its_place(tmp_path: Path) -> None:
    header = {**FALSE_POSITIVE, "place": "REQUEST_HEADERS:x-note"}
    query, field = feedback(kept(tmp_path, FALSE_POSITIVE, header))
    assert (query.label, query.place, query.host, query.voices) == ("", "query", "shop.example.com", VOUCHED)
    assert field.place == "header:x-note"
    assert "sql.union_select" in row_of(query).shown[0]


def test_a_row_without_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1: no text"):
        list(feedback(kept(tmp_path, {"kind": "value"})))


def test_what_an_operator_calls_harmless_no_longer_decides_alone(tmp_path: Path) -> None:
    fit = pytest.importorskip("bascule.waf.logic.learn.fit", reason="needs the extra named train", exc_type=ImportError)
    sql = next(kind for kind in KINDS if kind.name == "sql")
    attack = Row("sqli", "a list", "", (frozenset(("sql.union_select",)),), False)
    said = [row_of(sample) for sample in feedback(kept(tmp_path, FALSE_POSITIVE))]
    facts = ("sql.union_select", "sql.file_access")
    assert {rule.facts for rule in fit.decide_alone(sql, [attack], facts)} == {(fact,) for fact in facts}
    assert {rule.facts for rule in fit.decide_alone(sql, [attack, *said], facts)} == {("sql.file_access",)}


def test_weak_evidence_that_browsers_do_not_send_is_a_verdict_at_strict_presets_only() -> None:
    fit = pytest.importorskip("bascule.waf.logic.learn.fit", reason="needs the extra named train", exc_type=ImportError)
    import numpy as np

    from bascule.waf.logic.learn.measure import rates

    weak, common = frozenset(("sql.subselect",)), frozenset(("sql.quote_then_logic",))
    seen = np.array([0.0, 30.0])
    known = fit.Examples([weak, common], np.array([0.5, 0.002]), seen / 30, seen, seen, np.array([0.0, 0.0]))
    rules = fit._complete(known, fit._incidence(known, [weak, common]), [weak, common], [])
    assert rules == [fit.Learned(("sql.subselect",), fit.STANDARD, strict=True)]
    attack = Row("sqli", "a list", "", (weak,), False)
    refused = {
        preset: rates({"sql": rules}, {"sql": dict.fromkeys(PRESETS, 10)}, [attack], preset) for preset in PRESETS
    }
    assert [each["sqli", "a list"].refused for each in refused.values()] == [0, 0, 1, 1]


def test_thresholds_come_down_where_that_finds_attacks_and_hurts_few_hosts() -> None:
    thresholds = pytest.importorskip(
        "bascule.waf.logic.learn.thresholds", reason="needs the extra named train", exc_type=ImportError
    )
    hosts = [Row("", "browsers", f"{number}.example", (), True) for number in range(2000)]
    texts = [Row("", "a list of words", "", (), False) for _ in range(100)]
    attacks = [Row(label, "a list", "", (), False) for label in ("sqli", "xss", "rce", "traversal") for _ in range(10)]
    rows = [*hosts, *texts, *attacks]
    points: list[dict[str, int]] = [{} for _ in rows]
    for number, family in enumerate(("sql", "xss", "command", "traversal")):
        for attack in points[2100 + 10 * number : 2110 + 10 * number]:
            attack[family] = 12 if family == "sql" else 9
    points[0]["xss"] = 9  # one host for all of these attacks
    for host in points[:100]:
        host["command"] = 9  # too many hosts
    for text in points[2000:2050]:
        text["traversal"] = 9  # half of a list of harmless words
    points[1]["sql"] = 9  # nothing more to find
    judged = thresholds.Judged(rows, points, ("sql", "xss", "command", "traversal", "xml"))
    found = thresholds.choose(judged, judged, ("sql", "xss", "command", "traversal", "xml"))
    assert {family: limits["standard"] for family, limits in found.items()} == {
        "sql": 10, "xss": 8, "command": 10, "traversal": 10, "xml": 10,
    }  # fmt: skip
    assert found["xml"] == {"basic": 15, "standard": 10, "advanced": 4, "pci-dss": 3}  # where that costs nothing
    assert found["sql"]["advanced"] == 10
    assert all(list(limits.values()) == sorted(limits.values(), reverse=True) for limits in found.values())


def test_sources_can_be_left_out(tmp_path: Path) -> None:
    recipe = pytest.importorskip(
        "bascule.waf.logic.learn.recipe", reason="needs the extra named train", exc_type=ImportError
    )
    for name in ("attacks", "attack_requests", "benign_values", "benign_requests"):
        (tmp_path / f"{name}.jsonl.gz").write_bytes(b"")
    all_of_them = {sample.source for sample in recipe.samples(tmp_path, 1)}
    left = {sample.source for sample in recipe.samples(tmp_path, 1, ("shell", "forum"))}
    assert all_of_them - left == {"grammar: shell", "grammar: forum"}


def test_what_lists_leave_blank_is_filled_in(tmp_path: Path) -> None:
    rows = [
        {"class": "rce", "source": "list", "text": ";{cmd}|"},
        {"class": "traversal", "source": "list", "text": "../{file}"},
    ]
    with gzip.open(tmp_path / "attacks.jsonl.gz", "wt") as handle:
        handle.write("".join(json.dumps(row) + "\n" for row in rows))
    assert [sample.text for sample in attack_values(tmp_path)] == [b";id|", b"../etc/passwd"]


def test_the_value_that_stands_for_an_attack_does_not_hang_on_the_order_of_its_values() -> None:
    fit = pytest.importorskip("bascule.waf.logic.learn.fit", reason="needs the extra named train", exc_type=ImportError)
    kind = next(kind for kind in KINDS if kind.name == "sql")
    values = [frozenset({name}) for name in FACTS if name.startswith("sql.")]
    known = fit.examples(kind, [Row("sqli", "list", "", tuple(values), False)], FACTS)
    chosen = [facts for facts, weight in zip(known.sets, known.attacks, strict=True) if weight]
    assert len(values) > 2
    assert chosen == [max(values, key=sorted)]
