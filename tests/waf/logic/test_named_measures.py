"""What is shipped of the named rules' measurements: all of them, and what can be made again here is what is shipped."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from bascule.waf.filters.table import measured, table
from bascule.waf.logic.learn.corpora import FILES
from bascule.waf.logic.learn.named import heads, measure, pages, positive, responses
from bascule.waf.logic.learn.named.figures import share
from bascule.waf.logic.learn.named.identifiers import KINDS
from bascule.waf.logic.learn.named.leaking import GRAMMARS, maker
from bascule.waf.logic.learn.named.requests import REQUESTS
from bascule.waf.response.identifiers import Finder
from bascule.waf.response.leaks import Leaks

SEED = 1
NAMES = {rule.id: rule.name for rule in table().rules}
LEAST = 75.0
"""Percent of its made-up cases that a rule must find: some are of forms that it does not know."""


def test_every_named_rule_was_measured_and_no_other() -> None:
    assert set(measured()) == set(NAMES)


def test_rules_find_what_they_are_for_and_seldom_more() -> None:
    for number, rates in measured().items():
        if rates.found is not None:
            assert rates.found >= LEAST, NAMES[number]
        rule = next(rule for rule in table().rules if rule.id == number)
        if rates.browsers is not None and rule.preset in ("basic", "standard", "default"):
            assert rates.browsers <= 0.1, f"{NAMES[number]}: more than a preset's budget"


@pytest.mark.parametrize("number", [number for number, case in REQUESTS.items() if case.make is not None])
def test_what_rules_about_requests_find_is_what_is_shipped(number: int) -> None:
    case = REQUESTS[number]
    assert case.make is not None
    firewall = measure.alone(case.given, NAMES[number])
    assert measure.found(firewall, number, case.make, SEED) == measured()[number].found


def test_what_is_found_in_pages_heads_and_contracts_is_what_is_shipped() -> None:
    for number, rates in {**heads.measure(SEED), **pages.measure(SEED), **positive.contract(SEED)}.items():
        shipped = measured()[number]
        assert (rates.found, rates.browsers, rates.given) == (shipped.found, shipped.browsers, shipped.given), number


@pytest.mark.parametrize("number", GRAMMARS)
def test_what_is_found_of_leaks_is_what_is_shipped(number: int) -> None:
    pattern = dict(Leaks("all").patterns)[number]
    source, make = random.Random(f"{SEED} {number}"), maker(number)
    found = sum(pattern.search(make(source)) is not None for _ in range(responses.CASES))
    assert share(found, responses.CASES) == measured()[number].found


@pytest.mark.parametrize("kind", KINDS)
def test_made_up_numbers_are_valid(kind: str) -> None:
    finder, source = Finder((kind,)), random.Random(7)
    for _ in range(200):
        number = KINDS[kind](source)
        assert finder.find(number.encode()), number


def test_measuring_gives_every_rule_the_same_shares_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (measure, responses, heads, pages, positive):
        monkeypatch.setattr(module, "CASES", 12)
    monkeypatch.setattr(responses, "PAGES", 2)
    monkeypatch.setattr(positive, "LEAST_REQUESTS", 20)
    kept = [f"/list?page={n % 7}&q=word{n % 3}" for n in range(60)]
    rows = {
        FILES[0]: [{"text": "<script>alert(1)</script>", "class": "xss", "source": "list"}],
        FILES[1]: [{"method": "GET", "target": "/a.bak", "headers": [], "body": "", "class": "scanner", "source": "tool"}],
        FILES[2]: [{"text": f"a sentence of {n} words", "kind": "sentence", "source": "news"} for n in range(300)],
        FILES[3]: [
            {"method": "GET", "target": target, "headers": [["Host", "a.example"], ["Cookie", "sid=a1; theme=dark"]],
             "body": "", "source": "s"} for target in kept
        ],
    }  # fmt: skip
    for name, some in rows.items():
        with gzip.open(tmp_path / name, "wt") as out:
            out.write("\n".join(map(json.dumps, some)))
    first, second = (measure.measure(tmp_path, SEED) for _ in range(2))
    assert set(first) == set(NAMES)
    for number, rates in first.items():
        again = second[number]
        assert (rates.found, rates.attacks, rates.browsers) == (again.found, again.attacks, again.browsers), number
        assert rates.microseconds >= 0
    assert first[705_001].attacks == 100.0
    assert first[705_001].sources == {"tool": 100.0}
    assert first[702_001].found == 100.0
    assert first[702_001].browsers == 0.0
