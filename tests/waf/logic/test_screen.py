"""What the screen dismisses, rules find nothing in: the engine finds the same with it as without."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterable, Iterator
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bascule.waf.logic.engine import PRESETS, Finding, Logic
from bascule.waf.logic.facts import facts_of
from bascule.waf.logic.learn import attacks, honest
from bascule.waf.logic.learn.grammar import texts
from bascule.waf.logic.values import Value, request_values
from tests.support.shared import shared_dir

ATTACKS = [text.encode() for _, grammar in attacks.GRAMMARS.values() for text in texts(grammar, 9, 30)]
HONEST = [text.encode() for grammar in honest.GRAMMARS.values() for text in texts(grammar, 9, 30)]
PLACES = st.sampled_from(["path", "query", "name", "cookie", "header:referer", "header:user-agent", "body", "file"])


@cache
def logic(preset: str = "standard") -> Logic:
    return Logic.load(preset)


def one_by_one(engine: Logic, values: list[Value]) -> list[Finding]:
    """What the engine finds without a screen."""
    return [
        Finding(*found, value)
        for value in values
        for found in engine.judge_facts(facts_of(value[2], value[0]))
    ]  # fmt: skip


def agree(triples: Iterable[tuple[str, bytes, bytes]], preset: str = "standard") -> None:
    engine = logic(preset)
    values = [Value(*triple) for triple in triples]
    assert engine.judge(values) == one_by_one(engine, values)


_PIECES = st.sampled_from(
    [b"' or ", b"1=1", b"--", b"/*", b"*/", b"<a ", b"onx=", b"../", b"%2e", b";id", b"${", b"}", b"\\", b"&lt;", b"(",
     b"=", b"select ", b"union ", b"/etc/passwd", b"//", b"/./", b" ", b"word", b"\n", b"\r\n", b"+", b"x'61626364'",
     b"0x61626364", b"char(97,98)", b"PHNjcmlwdD5hbGVydA==", b"cat ", b"|", b"\x00", b"\xc0\xae", b"http://127.0.0.1",
     b"{{7*7}}", b"$", b"^", b"'", b'"', b"://", b"set-cookie:", b"1", b".", b":"]
)  # fmt: skip
_TEXTS = (
    st.lists(_PIECES, min_size=1, max_size=6).map(b"".join)
    | st.sampled_from(ATTACKS + HONEST)
    | st.binary(min_size=1, max_size=40)
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.builds(Value, PLACES, st.just(b"n"), _TEXTS), max_size=8), st.sampled_from(PRESETS))
@example([("query", b"n", b"union"), ("query", b"n", b"select a from b")], "pci-dss")
@example([("query", b"n", b"a''/*"), ("query", b"n", b"*/ or 1=1--")], "standard")
@example([("query", b"n", b"char(97,"), ("query", b"n", b"98)<script>alert(1)")], "standard")
@example([("file", b"n", b"shell.php")], "standard")
def test_neighbours_do_not_hide_each_other(values: list[Value], preset: str) -> None:
    agree(values, preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_attacks_among_honest_values(preset: str) -> None:
    company: list[tuple[str, bytes, bytes]] = [
        ("query", b"a", b"red shoes"),
        ("cookie", b"s", b"3f2a9bd07c1e"),
        ("body", b"t", b"a (b)"),
    ]
    for text in ATTACKS:
        agree([*company, ("query", b"q", text), *company], preset)
    for start in range(0, len(HONEST), 6):
        agree([("body", b"q", text) for text in HONEST[start : start + 6]], preset)


def test_long_values_and_many() -> None:
    long = b"The quick brown fox, said O'Brien. " * 2000
    agree([("body", b"x", long + b"<script>alert(1)</script>"), ("body", b"y", long)])
    agree([("name", b"", b"p%d" % n) for n in range(3000)] + [("body", b"", b"' or 1=1--")])


def _requests(name: str, every: int) -> Iterator[list[Value]]:
    with gzip.open(shared_dir("corpora") / "train" / name, "rt", encoding="utf-8") as lines:
        for line in itertools.islice(lines, 0, None, every):
            row = json.loads(line)
            headers = [(key.lower().encode(), value.encode()) for key, value in row["headers"]]
            yield list(request_values(row["target"].encode(), headers, row["body"].encode()))


@pytest.mark.parametrize(("name", "every"), [("benign_requests.jsonl.gz", 90), ("attack_requests.jsonl.gz", 60)])
def test_whole_requests(name: str, every: int) -> None:
    for values in _requests(name, every):
        agree(values)
