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

from bascule.waf.bodies import parse_json
from bascule.waf.logic.body_values import body_lines, body_values, operators, request_values
from bascule.waf.logic.engine import Finding, Logic
from bascule.waf.logic.facts import ALL, facts_of
from bascule.waf.logic.facts.recogniser import CLOSER
from bascule.waf.logic.learn import attacks, honest
from bascule.waf.logic.learn.grammar import texts
from bascule.waf.logic.rules import PRESETS
from bascule.waf.logic.values import Value, head_values, lines_of, lines_of_pairs
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
@example([("body", b"n", b"union+select+a+from+b"), ("body", b"n", b"+49 1")], "pci-dss")
@example([("body", b"n", b"+ADw-script+AD4-"), ("body", b"n", b"1+1")], "pci-dss")
@example([("body", b"n", b"+PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg"), ("body", b"n", b"a+b")], "pci-dss")
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
        agree([*company, ("query", b"c", text), *company], preset)
    for start in range(0, len(HONEST), 6):
        agree([("body", b"c", text) for text in HONEST[start : start + 6]], preset)


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


_WORDS = st.sampled_from(
    [b"%2b", b"%27", b"%3cscript%3e", b"@", b"'", b"$where", b"{", b"\xc3\xbc", b"union", b"select", b"a", b"from", b"b", b" ", b"+", b"&", b"=", b"/etc/", b"passwd", b"../", b"cat ", b"1", b"or",
     b"like", b";", b"?", b"//", b".", b"/./", b"http://a", b"127.0.0.1", b"%20", b"x", b",", b"-", b"_", b"(", b"|"]
)  # fmt: skip
_LINES = st.lists(_WORDS, max_size=10).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(_LINES, _LINES, _LINES, st.sampled_from(PRESETS))
@example(b"x?a=b=union", b"", b"https://a/b?q=union+select+a+from+b", "pci-dss")
@example(b"x?'='", b"", b"https://a/b?'='", "standard")
@example(b"x?a=/etc/passwd", b"s=../../etc/passwd", b"", "standard")
def test_what_is_clear_as_it_was_sent_has_no_findings(
    target: bytes, cookie: bytes, referer: bytes, preset: str
) -> None:
    varying = [(b"cookie", cookie), (b"referer", referer)]
    lines = lines_of(b"/" + target, varying)
    if lines is not None and logic(preset).screen.clears(lines):
        assert one_by_one(logic(preset), head_values(b"/" + target, varying)) == []


_JSON = st.recursive(
    _LINES.map(bytes.decode) | st.integers() | st.booleans() | st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_LINES.map(bytes.decode), inner, max_size=3),
)
_BODIES = st.tuples(st.just(b"application/json"), _JSON.map(json.dumps).map(str.encode)) | st.tuples(
    st.sampled_from([b"application/x-www-form-urlencoded", b"application/json", b"", b"text/xml", b"text/plain"]),
    _LINES,
)


@settings(deadline=None, max_examples=300)
@given(_BODIES, st.sampled_from(PRESETS))
@example((b"application/json", b'{"a.union select a from b": 1, "c": "cat /etc/passwd"}'), "pci-dss")
@example((b"application/json", b'{"c": "x", "c": "cat /etc/passwd"} '), "pci-dss")
@example((b"application/json", b'{"phone": "+49 1", "a.$where.b": 1}'), "pci-dss")
@example((b"application/json", b'{"phone": "+49 1", "constructor": {"prototype": {"x": 1}}}'), "pci-dss")
@example((b"application/json", b'{"phone": "+49 1", "q": "{\\"$where\\": 1}"}'), "pci-dss")
@example((b"application/x-www-form-urlencoded", b"%27=%27"), "basic")
@example((b"application/x-www-form-urlencoded", b"phone=%2b49&a=%27+or+1%3d1--"), "standard")
@example((b"application/x-www-form-urlencoded", b"a=x%0a&b=%7b%22%24where%22%3a1%7d"), "pci-dss")
def test_bodies_that_are_clear_as_they_were_sent_have_no_findings(body: tuple[bytes, bytes], preset: str) -> None:
    lines = body_lines(*body)
    if lines is not None and logic(preset).screen.clears_values(lines):
        assert one_by_one(logic(preset), list(body_values(*body))) == []


def test_plain_requests_are_clear_as_they_were_sent() -> None:
    screen = logic().screen
    head = lines_of(
        b"/a/b?q=red+shoes&page=2", [(b"cookie", b"s=3f2a; t=light"), (b"referer", b"https://a.example/x?y=z")]
    )
    assert head is not None
    assert screen.clears(head)
    form = body_lines(b"application/x-www-form-urlencoded", b"name=Ada&mail=ada%40a.example&phone=%2b44+20&at=see+you")
    document = body_lines(b"application/json", '{"a": ["K\u00f6ln", 7, "+44 20"], "b": {"c": null}}'.encode())
    pairs = lines_of_pairs([(b"json.a.b", b"+44 20"), (b"json.mail", b"ada@a.example")], True)
    for lines in (form, document, pairs):
        assert lines is not None
        assert screen.clears_values(lines)


@settings(deadline=None, max_examples=300)
@given(_JSON.map(json.dumps).map(str.encode), st.sampled_from(PRESETS))
@example(b'{"phone": "+49 1", "a.$where.b": 1}', "pci-dss")
@example(b'{"phone": "+49 1", "constructor": {"prototype": {"x": 1}}}', "pci-dss")
def test_leaves_that_are_clear_as_they_were_read_have_no_findings(body: bytes, preset: str) -> None:
    pairs = parse_json(body).pairs
    lines = lines_of_pairs(pairs, True)
    if not operators(body) and lines is not None and logic(preset).screen.clears_values(lines):
        assert one_by_one(logic(preset), list(body_values(b"application/json", body, None, pairs))) == []


def test_every_fact_without_a_pattern_is_known_to_the_screen() -> None:
    known = frozenset().union(*CLOSER.values())
    unseen = {fact.name for fact in ALL if not fact.patterns and not fact.name.startswith("enc.")} - known
    assert unseen == {"path.script_upload"}  # names of files are looked at one by one


@pytest.mark.parametrize(
    "body",
    [
        b'{"constructor":{"prototype":{"isAdmin":true}}}',
        b'{"constructor":{"proto\\u0074ype":{"isAdmin":true}}}',
        b'{"constructor":{"proto\\u0074ype.isAdmin":"+1"}}',
    ],
)
def test_a_prototype_in_a_document_is_judged_with_what_it_belongs_to(body: bytes) -> None:
    """No line of its own says so: that of `constructor` stands before it."""
    lines = body_lines(b"text/plain", body)
    assert lines is None or not logic().screen.clears_values(lines)
    assert one_by_one(logic(), list(body_values(b"text/plain", body)))
