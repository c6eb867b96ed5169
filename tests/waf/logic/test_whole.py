"""Values that are nothing but a program, a command, a name in brackets or an address of this host, and what looks like them."""

import pytest

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts import facts_of, meant

CALL, STATEMENT = "code.whole_call", "code.whole_statement"
WORD, NAME = "shell.word_behind_separator", "template.only_name"
SHOWN = [
    (b"requests.get('http://h.example')", CALL),
    (b"';mkdir('x');//", CALL),
    (b'new Socket("h.example",9)', CALL),
    (b"io.open('f'):read()", CALL),
    (b"os:getenv()", CALL),
    (b"print(open('f').read())", "code.python_call"),
    (b"die(1);", CALL),
    (b"Assembly.Load(\"x\")", CALL),
    (b"Foo::bar('x')->baz", CALL),
    (b"from os import system", STATEMENT),
    (b"print 7*7;", STATEMENT),
    (b"require 'os'", STATEMENT),
    (b"(load-file \"x\")", STATEMENT),
    (b"[open f]", STATEMENT),
    (b"lambda: 1", STATEMENT),
    (b"T(System).exit(0)", STATEMENT),
    (b"$ENV{'HOME'}", STATEMENT),
    (b"process.version", STATEMENT),
    (b";service ssh start", WORD),
    (b"|nid", WORD),
    (b"&& lscpu", WORD),
    (b"& notepad", WORD),
    (b"A=id;$A", WORD),
    (b"id>f", WORD),
    (b"${x}", NAME),
    (b"{$x}", NAME),
    (b"{{this}}", NAME),
    (b"#{request}", NAME),
    (b"{'a'|upper}", NAME),
    (b"%(secret)s", NAME),
    (b"[[class.getResource('')]]", "template.object_chain"),
    (b"#(class.getResource(''))", "template.object_chain"),
    (b"{Smarty_Internal_Write_File::writeFile('x','y')}", "template.object_chain"),
    (b"{user.__class__}", "template.object_chain"),
    (b"''.__class__", "template.object_chain"),
    (b"${xml:f:x}", "template.jndi"),
    (b"BAhvOhFHZW06Og==", "code.ruby_call"),
    (b"[\"id\"].execute()", "code.java_call"),
    (b"127.0.0.1", "ssrf.own_number"),
    (b"[::1]:80", "ssrf.own_number"),
    (b"192.168.0.1:80", "ssrf.own_number"),
    (b"telnet://h.example:23", "ssrf.service_scheme"),
    (b"view-source:http://127.0.0.1/", "ssrf.odd_scheme"),
    (b"http+unix://%2ftmp%2fs", "ssrf.odd_scheme"),
    (b"http://localhost./", "ssrf.loopback"),
    (b"http://[::1%25lo]/", "ssrf.loopback"),
    (b"http://metadata.goog/", "ssrf.cloud_metadata"),
    (b"http://app.local/", "ssrf.private_name"),
    (b"/..................../x", "path.climbs_encoded"),
    (b"0x2e0x2e0x2fx", "path.climbs_encoded"),
    (b".../x", "path.climbs_oddly"),
    (b"0x2e0x2e/x", "path.climbs_oddly"),
    (b"..\t/x", "path.climbs_oddly"),
    (b"/C:\\Program Files\\x\\y.txt", "path.windows_tree"),
    (b"%APPDATA%\\x", "path.windows_tree"),
    (b"=INDIRECT(\"A1\")", "http.formula_start"),
    (b"x\nX: y", "http.field_after_line_end"),
    (b"2f6574632f706173737764", "path.unix_secret"),
    (b"ZXRjL3Bhc3N3ZA==", "path.unix_secret"),
]  # fmt: skip
ASKED_FOR = [
    b"/index.asp.",
    b"/a.php ",
    b"/a.php;x",
    b"/scripts/tools/drvrs.exe",
    b"/cgi-bin/x.exe",
    b"/aux.php",
    b"/c$/x",
]
HONEST = [
    b"rgba(0, 0, 0, 0)", b"rotate(45)", b"translate(10px, 5px)", b"calc(100% - 5px)", b"url(#a)", b"Windows(10)", b"Draft (2)",
    b"f(x)", b"Smith (Anna)", b"in.(1,2)", b"javascript:void(0)", b"count(id)", b"Products(1)", b":-)", b"(id, name)", b"[x]",
    b"$UID", b"|Hx2c.aB3", b"||ab|", b"&nbsp;", b"a & b", b"red|blue", b";", b"|x", b"$5", b"> quote", b"-> here",
    b"${AUCTION_PRICE}", b"{{viewer_token}}", b"{{name}}", b"{0}", b"#1", b"#hashtag", b"@anna", b"10:30", b"0:18", b"12:5",
    b"ssh://git@h.example/r.git", b"rtsp://h.example/s", b"https://h.example:80/", b"zk:7:k:9", b"telnet",
    b"wait...", b"v1...v2", b"C:\\fakepath\\photo.jpg", b"C:\\Users\\Anna\\a.txt", b"D:\\data", b"50%",
    b"=SUM(A1:A5)", b"=)", b"=1", b"+1", b"-Anna", b"Name: Anna", b"print this", b"return soon", b"import export",
    b"the lambda: a letter", b"import os and be happy", b"48656c6c6f20776f726c64", b"dXNlcjoxMjM0", b"process", b"this",
    b"v1.2.3", b"x.y", b"a->b", b"Foo::Bar",
]  # fmt: skip
NEW = {
    CALL, STATEMENT, WORD, NAME, "ssrf.own_number", "ssrf.service_scheme", "path.climbs_oddly", "path.windows_tree",
    "path.odd_name", "http.formula_start", "http.field_after_line_end", "template.object_chain", "path.climbs_encoded",
    "ssrf.odd_scheme", "ssrf.loopback", "ssrf.cloud_metadata", "ssrf.private_name", "path.unix_secret",
}  # fmt: skip


@pytest.fixture(scope="module")
def engines() -> dict[str, Logic]:
    return {preset: Logic.load(preset) for preset in ("standard", "advanced")}


@pytest.mark.parametrize(("value", "fact"), SHOWN)
def test_what_is_nothing_but_this_shows_it(value: bytes, fact: str) -> None:
    assert fact in facts_of(value, "query")


@pytest.mark.parametrize("path", ASKED_FOR)
def test_a_script_asked_for_by_another_name_is_told_from_others(path: bytes) -> None:
    assert "path.odd_name" in facts_of(path, "path")


@pytest.mark.parametrize(
    "path",
    [
        b"/index.asp",
        b"/a.php/b",
        b"/x.jsp;jsessionid=1",
        b"/download/setup.exe",
        b"/wiki/E.T.",
        b"/api/v1/con",
        b"/a$/b",
    ],
)
def test_other_paths_are_not(path: bytes) -> None:
    assert "path.odd_name" not in facts_of(path, "path")


@pytest.mark.parametrize("value", HONEST)
def test_honest_values_show_none_of_it(value: bytes) -> None:
    assert facts_of(value, "query").isdisjoint(NEW)


@pytest.mark.parametrize("value", [b"a\nprint('x')\nb", b"| a |\n| b |\n&& next", b"first\n;service ssh start"])
def test_a_line_of_a_longer_text_is_no_value(value: bytes) -> None:
    assert facts_of(value, "body").isdisjoint({CALL, STATEMENT, WORD, NAME})


@pytest.mark.parametrize("place", ["path", "header:x-version", "name"])
def test_where_no_program_takes_a_value_as_a_whole_it_tells_nothing(place: str) -> None:
    assert facts_of(b"mkdir('x')", place).isdisjoint({CALL, STATEMENT})


@pytest.mark.parametrize("name", [b"q", b"search", b"json.filter.keyword"])
def test_whoever_looks_for_a_call_may_find_it(name: bytes) -> None:
    facts = facts_of(b"import os", "query")
    assert STATEMENT in meant(facts, "query", b"page", b"import os")
    assert STATEMENT not in meant(facts, "query", name, b"import os")


@pytest.mark.parametrize("name", [b"json.comment", b"json.cells.array_0.source.array_1", b"json.frames.array_2.vars.x"])
def test_whoever_writes_about_a_call_may_name_it(name: bytes) -> None:
    facts = facts_of(b"df.head('x')", "body")
    assert CALL in meant(facts, "body", b"json.page", b"df.head('x')")
    assert CALL not in meant(facts, "body", name, b"df.head('x')")


def test_they_count_at_strict_presets_only(engines: dict[str, Logic]) -> None:
    for query in (
        b"page=mkdir('x')",
        b"host=;service ssh start",
        b"id=${x}",
        b"url=127.1:80",
        b"file=.../x",
        b"page=process.version",
    ):
        target = b"/?" + query.replace(b" ", b"%20")
        values = list(request_values(target, [], b""))
        assert not engines["standard"].judge(values), query
        assert engines["advanced"].judge(values), query
