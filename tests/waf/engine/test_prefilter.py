"""The prefilter nominates every rule the plain engine finds: properties, on rules and requests made up for it."""

from __future__ import annotations

import random
import re
from functools import reduce

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bascule.waf.libinjection import is_sqli
from bascule.waf.libinjection.sqli import FINGERPRINTS
from bascule.waf.libinjection.vocabulary import KEYWORDS
from bascule.waf.matcher import sqli as condition
from bascule.waf.matcher.automaton import OTHER_SEAM, Automaton, make_chain, mark
from bascule.waf.matcher.linear import linear_options
from bascule.waf.matcher.marks import as_set, bytes_of, clauses_of, hold
from bascule.waf.matcher.patterns import Patterns
from bascule.waf.matcher.scanner import ScannerBuilder
from bascule.waf.matcher.sqli import WEAK_KINDS, Guarded, necessary, outline
from bascule.waf.matcher.triggers import ACTIVE, ALPHABET, ALWAYS, BASE64, CASE_FOLDING, PLAIN, QUIET, features
from bascule.waf.seclang.operators import OPERATORS, LoadContext
from bascule.waf.seclang.transformations import TRANSFORMATIONS
from tests.waf.engine.world import HOST, Request, crs, fired, send, waf

PIECES = (
    b"select",
    b"union",
    b" or ",
    b"1=1",
    b"'",
    b'"',
    b"--",
    b"/*",
    b"*/",
    b"#",
    b"<script>",
    b"=",
    b"%27",
    b"%2e",
    b"%u0027",
    b"../",
    b"/./",
    b"//",
    b"\\",
    b"\\u0041",
    b"\\x41",
    b"&lt;",
    b"&#65;",
    b"&amp",
    b"+",
    b"  ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xc3\xa9",
    b"\xff",
    b"QUJD",
    b"c2VsZWN0",
    b"ABC",
    b"abc",
    b"^",
    b",",
    b";",
    b"(",
    b")",
    b"$",
    b"`",
    b"|",
    b"etc/passwd",
    b"cat",
    b"ping",
)
texts = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=8).map(b"".join)


@given(texts)
@settings(max_examples=400, deadline=None)
def test_a_transformation_changes_nothing_without_one_of_its_features(text: bytes) -> None:
    residue = text.translate(None, PLAIN)
    plain = ALWAYS | (BASE64 if not len(text) & 3 else 0)
    present = features(text, residue) if residue else plain
    for name, needs in ACTIVE.items():
        if not needs & present:
            expected = text.lower() if name in CASE_FOLDING else text
            assert TRANSFORMATIONS[name](text) == expected, name
        if name in QUIET and not residue:
            assert TRANSFORMATIONS[name](text) == text, name


@given(texts, st.lists(st.sampled_from(sorted(TRANSFORMATIONS)), max_size=4))
@settings(max_examples=400, deadline=None)
def test_the_automaton_yields_what_the_chain_yields(text: bytes, names: list[str]) -> None:
    result = text
    for name in names:
        result = TRANSFORMATIONS[name](result)
    chain = make_chain([(name, TRANSFORMATIONS[name]) for name in names], exact_case=False)
    forms = {text, *forms_of(Automaton([chain]), [text])}
    if any(name in CASE_FOLDING for name in names):
        assert result.lower() in {form.lower() for form in forms}
    else:
        assert result in forms


simple_texts = st.lists(
    st.sampled_from([b"QUJD", b"c2VsZWN0", b"abc", b"x", b"12", b" ", b"-", b".", b"/", b"_", b"Z", b"eval", b"0K"]),
    max_size=7,
).map(b"".join)


@given(st.lists(simple_texts, min_size=1, max_size=12), st.lists(st.sampled_from(sorted(ACTIVE)), max_size=5))
@example([b".", b"QUJD "], ["base64decode", "normalisepath", "removewhitespace"])
@settings(max_examples=300, deadline=None)
def test_many_simple_texts_take_the_forms_that_each_takes_step_by_step(values: list[bytes], names: list[str]) -> None:
    steps = [(name, TRANSFORMATIONS[name]) for name in names]
    automaton = Automaton([make_chain(steps, exact_case=False)])
    followed = {form for value, present in mark(values) for form in automaton.forms_of(value, present)}
    followed |= {reduce(lambda text, step: step[1](text), steps, value) for value in values}
    together = {*values, *forms_of(automaton, values)}
    if any(name in CASE_FOLDING for name in names):  # expressions behind such a chain are caseless
        followed, together = {form.lower() for form in followed}, {form.lower() for form in together}
    assert followed <= together


def forms_of(automaton: Automaton, values: list[bytes]) -> dict[bytes, None]:
    joined = OTHER_SEAM.join(values)
    return automaton.forms(values, joined, bytes_of(joined))


PATTERNS = (
    rb"^abc$",
    rb"\bcat\b",
    rb"[\n\r]",
    rb"(?i)union\s+select",
    rb"(?:^|[;|])\s*ping",
    rb"'$",
    rb"\Bc",
    rb"[^a-z]{3}",
    rb"a.b",
    rb"^\d+$",
    rb"@.+=\s*\(\s*select",
    rb"x{2,}",
    rb"(?:a|^)b|c$",
    rb"\.\./|/etc",
    rb"<script|[\"'](?:on|;)",
    rb"(?:\$|&dollar;?)\{",
    rb"[\w]+\(|--",
)


@given(texts, st.lists(st.sampled_from(sorted(TRANSFORMATIONS)), max_size=4), st.sampled_from(PATTERNS), st.booleans())
@settings(max_examples=500, deadline=None)
def test_what_an_operator_accepts_after_transformations_is_nominated(
    text: bytes, names: list[str], pattern: bytes, each: bool
) -> None:
    expressions = Patterns().regex(pattern)
    if expressions is None:
        return
    steps = tuple((name, TRANSFORMATIONS[name]) for name in names)
    forms, result = [text], text
    for _, step in steps:
        result = step(result)
        forms.append(result)
    accepts = OPERATORS["rx"](pattern, LoadContext()).evaluate
    builder = ScannerBuilder()
    builder.add(expressions, steps, 1, each)
    if any(accepts(form) is not None for form in (forms if each else forms[-1:])):
        assert builder.build(None).scan([text]) == 1


@given(texts)
@settings(max_examples=300, deadline=None)
def test_a_text_that_matches_meets_the_clauses(text: bytes) -> None:
    for pattern in PATTERNS:
        if OPERATORS["rx"](pattern, LoadContext()).evaluate(text) is not None:
            assert hold(clauses_of(pattern), as_set(bytes_of(text))), pattern


@given(
    st.lists(texts, min_size=1, max_size=4),
    st.sampled_from(PATTERNS),
)
@settings(max_examples=500, deadline=None)
def test_an_expression_that_matches_a_text_matches_the_joined_texts(values: list[bytes], pattern: bytes) -> None:
    expressions = Patterns().regex(pattern)
    operator = OPERATORS["rx"](pattern, LoadContext())
    if expressions is None:
        return
    builder = ScannerBuilder()
    builder.add(expressions, (), 1)
    if any(operator.evaluate(value) is not None for value in values):
        assert builder.build(None).scan(values) == 1


@given(
    st.lists(st.sampled_from([*PIECES, b"&lt;", b"%3Cscript", b"+", b"&", b"%253c", b'"']), max_size=6).map(b"".join)
)
@settings(max_examples=300, deadline=None)
def test_one_text_is_scanned_in_every_form_it_takes(text: bytes) -> None:
    builder = ScannerBuilder()
    expressions = Patterns().regex(rb"<script|union.select")
    assert expressions is not None
    for bit, names in enumerate((["urldecodeuni"], ["urldecodeuni", "htmlentitydecode"], [])):
        builder.add(expressions, tuple((name, TRANSFORMATIONS[name]) for name in names), 1 << bit)
    scanner = builder.build(None)
    assert scanner.scan_text(text) == scanner.scan([text])


@given(texts)
@settings(max_examples=500, deadline=None)
def test_what_fails_the_necessary_condition_is_no_sql_injection(text: bytes) -> None:
    if re2.search(necessary(), text, linear_options()) is None:
        assert is_sqli(text) is None
    assert is_sqli(outline(text)) == is_sqli(text)


def test_no_fingerprint_is_made_of_weak_kinds_alone() -> None:
    weak = {kind.upper() for kind in WEAK_KINDS} | set(",.:;?\\{}")
    assert not [fingerprint for fingerprint in FINGERPRINTS if set(fingerprint) <= weak]
    assert not [fingerprint for fingerprint in FINGERPRINTS if set(fingerprint) <= (weak | {"&"}) - {"1", "F"}]


sql = st.lists(
    st.sampled_from([*(w.decode() for w in KEYWORDS), "x", "foo.bar", "1", "0x1f", "2.5", "-", "+", ".", ",", ";", ":", "?", "!",
                     "~", "<", ">", "=", "%", "^", "|", "&", "*", "/", "[", "]", "\n", "\t", "\0", "\xa0", "", " ", " "]),
    max_size=9,
)  # fmt: skip


@given(sql, st.sampled_from(("", " ", "  ")))
@settings(max_examples=400, deadline=None)
def test_no_words_without_the_necessary_condition_are_sql_injection(parts: list[str], glue: str) -> None:
    text = glue.join(parts).encode("latin-1")
    if re2.search(necessary(), text, linear_options()) is None:
        assert is_sqli(text) is None
    assert is_sqli(outline(text)) == is_sqli(text)


@given(st.lists(texts | sql.map(lambda parts: " ".join(parts).encode("latin-1")), max_size=6))
@settings(max_examples=250, deadline=None)
def test_screening_many_texts_keeps_every_sql_injection(values: list[bytes]) -> None:
    operator = Guarded(OPERATORS["detectsqli"](b"", LoadContext()))
    suspects = operator.screen(values) if values else set()
    assert {value for value in values if is_sqli(value) is not None} <= suspects


addresses = st.lists(
    st.sampled_from([*(w.decode() for w in KEYWORDS if w.isalpha()), "not", "in", "like", "x", "anna", "x1"])
    | st.sampled_from([".", "@", "-", "+", "_", "1", "5", "5e", "\x01", "\n", " ", ".5", "@x-abs", "@x.example", "or"]),
    max_size=7,
).map(lambda parts: "".join(parts).encode("latin-1"))
SUSPECT = [b"not.5like@x", b"IN.5@x-abs", b"not@x and y", b"x\x011.5@x", b"5\nlike@x", b"1.5 like@x", b"5-not-like@x"]


@given(addresses)
@settings(max_examples=400, deadline=None)
@example(SUSPECT[0])
@example(SUSPECT[1])
def test_no_address_without_the_necessary_condition_is_sql_injection(text: bytes) -> None:
    operator = Guarded(OPERATORS["detectsqli"](b"", LoadContext()))
    assert (operator.evaluate(text) is not None) == (is_sqli(text) is not None)
    if is_sqli(text) is not None:
        assert text in operator.screen([b"bob@example.org", text, b"x.y@example.org"])
        assert text.translate(None, ALPHABET) or any(re.search(expression, text) for expression in condition.ordinary())


def test_every_keyword_may_stand_before_the_at_of_an_address() -> None:
    operator = Guarded(OPERATORS["detectsqli"](b"", LoadContext()))
    for word in [b"x", *(word for word in KEYWORDS if word.replace(b"_", b"").isalnum())]:
        for end in (b"@", b"1@", b".@", b".x@", b".5@", b".5like@"):
            for domain in (b"x.org", b"x-abs", b"x-5-abs-like", b"x-1 and abs-y", b"y and z", b"1.5.e", b"x-not-in-z"):
                text = word + end + domain
                assert (operator.evaluate(text) is not None) == (is_sqli(text) is not None), text


@pytest.mark.parametrize("text", SUSPECT[:3])
def test_what_only_looks_like_an_address_is_suspect(text: bytes) -> None:
    assert is_sqli(text) is not None
    assert any(re.search(expression, text) for expression in condition.ordinary())


@pytest.mark.parametrize("text", [b"anna@example.org", b"ben.li_1@shop-24.example", b"in@x", b"User@db-1.intern", b""])
def test_an_address_is_not_suspect(text: bytes) -> None:
    assert not any(re.search(expression, text) for expression in condition.ordinary())
    assert not Guarded(OPERATORS["detectsqli"](b"", LoadContext())).screen([b"x", text, b"y"])


words = st.sampled_from((b"a", b"q", b"id", b"page", b"password", b"_method", b"x.y", b"jsessionid", b"cmd"))
values = st.lists(
    st.sampled_from(
        (
            *PIECES,
            b"1",
            b"hello world",
            b"/bin/sh",
            b"alert(1)",
            b"{{7*7}}",
            b"sleep(5)",
            b"${jndi:ldap://x}",
            b"php://input",
            b"<?php",
            b".git/config",
            b"index.php",
            b"http://127.0.0.1/",
            b"%0d%0aSet-Cookie:",
            b"json.x",
            b"order by 1",
            b".bak~",
        ),
    ),
    max_size=5,
).map(b"".join)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    pairs = draw(st.lists(st.tuples(words, values), max_size=3))
    escape = draw(st.booleans())
    query = b"&".join(n + b"=" + (_escaped(v) if escape else _visible(v)) for n, v in pairs)
    path = b"/" + _visible(draw(values))
    headers = [HOST, (b"user-agent", b"Mozilla/5.0"), (b"accept", b"*/*")]
    names = (
        b"cookie",
        b"referer",
        b"x-filename",
        b"range",
        b"content-type",
        b"x-forwarded-for",
        b"accept",
        b"content-length",
    )
    for name, value in draw(st.lists(st.tuples(st.sampled_from(names), values), max_size=3)):
        headers.append((name, value.replace(b"\n", b"").replace(b"\r", b"")))
    if draw(st.booleans()):
        kind = draw(
            st.sampled_from(
                (b"application/x-www-form-urlencoded", b"application/json", b"text/xml", b"text/plain", b"")
            )
        )
        body = draw(st.sampled_from((query, b'{"a":"%s"}', b"<a b='%s'>%s</a>", b"%s")))
        body = body.replace(b"%s", draw(values))
        headers += [(b"content-type", kind)] if kind else []
        headers.append((b"content-length", b"%d" % len(body)))
        return Request(b"POST", path + b"?" + query, headers, body)
    return Request(draw(st.sampled_from((b"GET", b"HEAD", b"PUT"))), path + b"?" + query, headers)


def _visible(text: bytes) -> bytes:
    return re.sub(rb"[\x00-\x20\x7f-\xff#]", b"", text)


def _escaped(text: bytes) -> bytes:
    return b"".join(b"%%%02x" % byte for byte in text)


ordinary = st.lists(
    st.sampled_from(
        [b"a", b"q", b"1", b"x.y", b"theme", b"GA1.1.5", b"bakery", b"union", b"select", b"or", b"cat", b"process.env",
         b"proc", b"ess.env", b"eval", b"etc/passwd", b"ZXZhbCgx", b"onclick", b"http://", b"10.0.0.1", b"_", b"and"]
    )
    | st.sampled_from([b"=", b"&", b"+", b";", b"; ", b" ", b",", b"/", b".", b"..", b"--", b"-", b":", b"?", b"@", b"%41"]),
    max_size=9,
).map(b"".join)  # fmt: skip


@st.composite
def ordinary_requests(draw: st.DrawFn) -> Request:
    """Heads and forms of the bytes that most consist of, with little or nothing to decode, and short answers."""
    target = b"/" + _visible(draw(ordinary)) + draw(st.sampled_from([b"", b"?"])) + _visible(draw(ordinary))
    headers = [HOST, (b"user-agent", b"Mozilla/5.0"), (b"accept", b"*/*")]
    headers += [(name, draw(ordinary)) for name in draw(st.lists(st.sampled_from([b"cookie", b"referer"]), max_size=3))]
    page = draw(st.sampled_from([b"", b"in stock", b"<?php eval(", b"You have an error in your SQL syntax"]))
    if draw(st.booleans()):
        return Request(b"GET", target, headers, response_body=page)
    kind, body = draw(
        st.sampled_from(
            [(b"application/x-www-form-urlencoded", b"%b"), (b"application/json", b'{"q": ["%b", 1.5, null]}')]
        )
    )
    body = body.replace(b"%b", draw(ordinary))
    headers += [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    return Request(b"POST", target, headers, body, response_body=page)


@pytest.mark.parametrize("paranoia", [1, 4])
@given(requests() | ordinary_requests(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_the_prefiltered_engine_finds_what_the_plain_one_finds(paranoia: int, request: Request, cut: bool) -> None:
    one, _ = send(crs(paranoia, True), request, cut)
    other, _ = send(crs(paranoia, False), request, cut)
    assert fired(one) == fired(other)
    assert {k: v for k, v in one.tx.items() if b"score" in k} == {k: v for k, v in other.tx.items() if b"score" in k}


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize(
    "cookie", [b"a=<script>alert(1)</script>", b"a='or 1=1--", b"a=1; b=../../etc/passwd", b"a==x;cat"]
)
def test_no_cookie_is_dismissed_because_the_rest_is_ordinary(cookie: bytes, cut: bool) -> None:
    request = Request(headers=[HOST, (b"user-agent", b"Mozilla/5.0"), (b"accept", b"*/*"), (b"cookie", cookie)])
    one, _ = send(crs(1, True), request, cut)
    other, _ = send(crs(1, False), request, cut)
    assert fired(one) == fired(other)


OPERATOR_LINES = (
    '"@rx {}"',
    '"!@rx {}"',
    '"@contains {}"',
    '"@streq {}"',
    '"@beginsWith {}"',
    '"@endsWith {}"',
    '"@pm {} zz"',
    '"@within {} x"',
    '"!@within {}"',
    '"!@streq {}"',
    '"@validateByteRange 32-126"',
    '"@validateUtf8Encoding"',
    '"@validateUrlEncoding"',
    '"@detectSQLi"',
    '"@detectXSS"',
    '"@gt 3"',
    '"!@pm {}"',
    '"@containsWord {}"',
)
TARGETS = (
    "ARGS",
    "ARGS_NAMES",
    "ARGS:q",
    "REQUEST_COOKIES",
    "REQUEST_HEADERS",
    "REQUEST_HEADERS:cookie",
    "REQUEST_HEADERS_NAMES",
    "REQUEST_FILENAME",
    "REQUEST_BASENAME",
    "QUERY_STRING",
    "REQUEST_URI",
    "REQUEST_URI_RAW",
    "REQUEST_LINE",
    "REQUEST_BODY",
    "REQUEST_METHOD",
    "&ARGS",
    "&REQUEST_HEADERS:referer",
    "ARGS|REQUEST_HEADERS|!REQUEST_HEADERS:referer",
    "ARGS:/^[a-q]/",
    "REQUEST_COOKIES|!REQUEST_COOKIES:a",
    "REQBODY_PROCESSOR",
    "XML:/*",
    "ARGS_POST",
    "TX:seen",
    "MATCHED_VAR",
)
STEPS = (
    "lowercase",
    "urlDecodeUni",
    "removeWhitespace",
    "htmlEntityDecode",
    "cmdLine",
    "base64Decode",
    "length",
    "jsDecode",
    "normalizePath",
)


def rules(seed: int) -> str:
    """A rule set made up from a seed: single rules, chains, scores, skips, removals."""
    choose = random.Random(seed)
    lines = []
    for number in range(1, 25):
        phase = choose.choice((1, 2, 2, 2, 3))
        steps = ",".join(f"t:{name}" for name in choose.sample(STEPS, choose.randrange(3)))
        extra = choose.choice(
            (
                "setvar:tx.score=+1",
                "setvar:'tx.seen=%{MATCHED_VAR}'",
                "capture,setvar:tx.c=%{TX.0}",
                f"skipAfter:M{number % 3}",
                f"ctl:ruleRemoveById={number + 1}",
                "multiMatch",
                "tag:t",
            )
        )
        log = "nolog" if extra.startswith("skipAfter") and choose.random() < 0.5 else "log"
        actions = f"id:{number},phase:{phase},pass,{log},t:none{',' + steps if steps else ''},{extra}"
        chain = choose.random() < 0.3
        lines.append(f'SecRule {choose.choice(TARGETS)} {_operator(choose)} "{actions}{",chain" if chain else ""}"')
        if chain:
            lines.append(f'SecRule {choose.choice(TARGETS)} {_operator(choose)} "t:none,setvar:tx.chained=+1"')
        if number % 8 == 0:
            lines.append(f"SecMarker M{number // 8 - 1}")
    lines.append('SecRule TX:score "@ge 2" "id:90,phase:2,pass,log,setvar:tx.high=1"')
    lines.append('SecAction "id:91,phase:3,pass,nolog,setvar:tx.total=%{TX.score}"')
    return "SecRuleEngine On\nSecRequestBodyAccess On\n" + "\n".join(lines)


def _operator(choose: random.Random) -> str:
    argument = choose.choice(("abc", "cat", "select", "etc/passwd", "GET", "1", "ping", "q"))
    return choose.choice(OPERATOR_LINES).format(argument)


def test_phases_that_were_left_out_are_gone_through_as_soon_as_something_is_nominated() -> None:
    firewall = waf(
        "SecRuleEngine On\nSecResponseBodyAccess On\nSecResponseBodyMimeType text/html\n"
        'SecRule REQUEST_METHOD "@streq GET" "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=3"\n'
        'SecAction "id:2,phase:2,pass,nolog,setvar:tx.score=4"\n'
        'SecRule RESPONSE_BODY "@contains leak" "id:3,phase:4,pass,log"\n'
        'SecRule RESPONSE_BODY "@contains leak" "id:4,phase:4,pass,log,setvar:tx.score=+1"\n'
    )
    quiet, _ = send(firewall, Request(response_body=b"harmless"))
    asked, _ = send(firewall, Request(response_body=b"a leak"))
    posted, _ = send(firewall, Request(method=b"POST", response_body=b"a leak"))
    assert quiet.idle
    assert fired(quiet) == []
    assert not asked.idle
    assert fired(asked) == [4]
    assert asked.tx[b"score"] == b"5"
    assert fired(posted) == [3, 4]


def test_a_silent_jump_over_nothing_is_not_evaluated_and_one_over_a_candidate_is() -> None:
    firewall = waf(
        'SecRuleEngine On\nSecRule ARGS "!@rx zzz" "id:1,phase:2,pass,nolog,t:none,skipAfter:END"\n'
        'SecRule ARGS "@rx abc" "id:2,phase:2,pass,log,t:none"\nSecMarker END\n'
        'SecRule ARGS "@rx abc" "id:3,phase:2,pass,log,t:none"\n'
    )
    idle, _ = send(firewall, Request(target=b"/?a=1"))
    busy, _ = send(firewall, Request(target=b"/?a=abc"))
    passed, _ = send(firewall, Request(target=b"/?a=abczzz"))
    assert idle.matched_rules == []
    assert busy.matched_rules == [1, 3]
    assert passed.matched_rules == [2, 3]


@pytest.mark.parametrize("value", [b"secret", b"se'cret secret"])
def test_a_body_nominates_no_rule_that_looks_at_the_file_name_alone(value: bytes) -> None:
    firewall = waf(
        'SecRuleEngine On\nSecRequestBodyAccess On\nSecRule REQUEST_FILENAME "@pm secret" "id:1,phase:2,pass,log"\n'
        'SecRule ARGS "@pm secret" "id:2,phase:2,pass,log"\n'
    )
    form = [HOST, (b"content-type", b"application/x-www-form-urlencoded")]
    t, _ = send(firewall, Request(method=b"POST", headers=form, body=b"a=" + value))
    assert fired(t) == [2]
    (gate,) = firewall.plan.paths
    assert not t.mask & gate.bit
    t, _ = send(firewall, Request(target=b"/secret"))
    assert fired(t) == [1]


@pytest.mark.parametrize("seed", range(8))
def test_made_up_rules_find_the_same_with_and_without_prefilter(seed: int) -> None:
    text = rules(seed)
    fast, plain = waf(text), waf(text, prefilter=False)

    @given(requests())
    @settings(max_examples=25, deadline=None, database=None)
    def same(request: Request) -> None:
        one, _ = send(fast, request)
        other, _ = send(plain, request)
        assert fired(one) == fired(other)
        for name in (b"score", b"chained", b"high", b"total"):
            assert one.tx.get(name) == other.tx.get(name)

    same()


JSON_HEADERS = [HOST, (b"content-type", b"application/json")]


@pytest.mark.parametrize("others", [0, 4, 40])
def test_names_of_leaves_are_judged_as_often_as_they_come(others: int) -> None:
    for place, name in enumerate(
        (b"union select 1", b"sleep(1)", b"cursor", b"order by 1", b"x.exec master", b"a union cursor")
    ):
        more = b"".join(b',"limit%d-%d-%d":"1"' % (others, place, number) for number in range(others))
        request = Request(b"POST", b"/", JSON_HEADERS, b'{"%b":"1"%b}' % (name, more))
        wanted = fired(send(crs(2, False), request)[0])
        assert [fired(send(crs(2, True), request)[0]) for _ in range(3)] == [wanted] * 3


def test_a_word_of_sql_as_a_name_costs_honest_clients_nothing() -> None:
    for _ in range(2):
        t, _ = send(
            crs(1, True),
            Request(b"POST", b"/", [*JSON_HEADERS, (b"accept", b"*/*"), (b"user-agent", b"x")], b'{"cursor":"abc"}'),
        )
        ran = t.waf.program.phases[2].candidates(t.mask)
    assert 942100 not in {t.waf.program.phases[2].rules[index].rule.rule_id for index in ran}
