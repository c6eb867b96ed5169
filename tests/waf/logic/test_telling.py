"""Facts that attackers' values show where little else does, and what looks like them and is honest."""

import pytest

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.facts import ALL, DECISIVE, TELLING, facts_of
from bascule.waf.logic.facts.continuation import goes_on
from bascule.waf.logic.learn.corpora import BENIGN
from bascule.waf.logic.learn.families import KINDS
from bascule.waf.logic.learn.matrix import Row

SHOWN = [
    (b"http://127\xe3\x80\x820\xe3\x80\x820\xe3\x80\x821/", "ssrf.odd_number_address"),
    (b"http://shop.example:25/", "ssrf.service_port"),
    (b"https://[fe80::1]:27017/x", "ssrf.service_port"),
    (b"localhost:6379", "ssrf.service_port"),
    (b"[::1]:11211", "ssrf.service_port"),
    (b"zerodiumsystem('id');", "code.php_runs"),
    (b"http://billing:8080/run", "ssrf.bare_name"),
    (b"/Library/Preferences/com.example.plist", "path.system_tree"),
    (b"http://billing/", "ssrf.bare_name"),
    (b"http://wiki.corp/", "ssrf.private_name"),
    (b"http://rancher-metadata/2015-12-19/", "ssrf.cloud_metadata"),
    (b"<b>x", "html.markup"),
    (b"</div>", "html.markup"),
    (b"<img src=//h.example/p.gif>", "html.markup"),
    (b"7--", "sql.number_comment"),
    (b"7#", "sql.number_comment"),
    (b"id,user()", "sql.continues"),
    (b"((select(1)))", "sql.continues"),
    (b"7 and not 3=4", "sql.goes_on"),
    (b"7 or@@version", "sql.goes_on"),
    (b"_SESSION[admin]", "code.php_setting"),
    (b"\xadd allow_url_include=1", "code.php_setting"),
    (b"-d auto_prepend_file=x", "code.php_setting"),
    (b'{"alg":"RS256","jku":"http://127.0.0.1/keys"}', "code.jwt_unsigned"),
    (b'os:cmd("id").', "code.web_shell"),
    (b'Assembly.Load(Convert.FromBase64String("x"))', "code.dotnet"),
    (b"/wEyxBEAAQAAAP", "code.dotnet"),
    (b"MATCH (n) DETACH DELETE n", "nosql.query"),
    (b"{!func}sum(1)", "nosql.query"),
    (b"a) OR (b:*", "nosql.query"),
    (b"{" + b"".join(b"a%c:me{id}" % letter for letter in b"abcdefghijklmnop") + b"}", "nosql.graphql"),
    (b"{" + b"x:me " * 30 + b"}", "nosql.graphql"),
    (b"'or//user/x or'", "xpath.leaves_predicate"),
    (b"//user[1]/password", "xpath.numbered_path"),
    (b"__pro__proto__to__[x]", "http.prototype_pollution"),
    (b"/__proto__/admin", "http.prototype_pollution"),
    (b"\xe3\x80\xb1h.example", "http.redirect_trick"),
    (b">/tmp/a", "shell.runs_command"),
    (b"/*/*[1]", "xpath.leaves_predicate"),
    (b"{{.}}", "template.object_chain"),
]

UPLOADED = [
    b"%!PS\nmark /OutputFile (%pipe%id) currentdevice putdeviceprops",
    b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd",
    b"push graphic-context\nfill 'url(https://h.example/a.jpg\"|id\")'",
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://169.254.169.254/latest/"/></svg>',
]

HONEST = [
    b"https://cdn.example.com:443/a.css",
    b"https://shop.example.com:8443/cart?x=1",
    b"https://www.example.com/how-to-use-localhost:6379",
    b"the cache runs on localhost:6379 here",
    b"1---",
    b"C:\\Users\\Pat\\Photo.jpg",
    b"/library",
    b"<p>Hello <b>world</b>, see this.</p>",
    b"10:30",
    b"]mJV<A'x/",
    b"{!tag=rooms}rooms:2",
    b"5 and not 6",
    b"7 or 8",
    b"1-2",
    b"C#",
    b"zerodium",
    b"localhost:8081",
    b"10 - 20",
    b"price,user",
    b"a < b and c > d",
    b"i <3 you",
    b"highlight=<em>",
    b"{{name}}",
    b"//*[@id='x']",
    b"https://www\xe3\x80\x82example\xe3\x80\x82com",
    b"session[admin]",
    b"#EXTM3U of the concert",
    b"match (a) with (b)",
    b"a:hover{color:red}" * 20,
    b"{open:issues{total} closed:issues{total} mine:issues{total}}",
    b"{" + b"a:b," * 40 + b"}",
    b"1) or (note: x)",
    b"(a) OR (b:c)",
    b"'and/or' clause",
    b"//example.com/a[1]",
    b"/html/body/div[2]/a",
]


@pytest.mark.parametrize(("value", "fact"), SHOWN)
def test_what_shows_little_else_shows_this(value: bytes, fact: str) -> None:
    assert fact in facts_of(value, "query")


@pytest.mark.parametrize("content", UPLOADED)
def test_what_runs_or_loads_where_a_file_is_converted_is_found_in_an_upload(content: bytes) -> None:
    assert "code.converted" in facts_of(content, "upload")


def test_a_playlist_a_drawing_and_a_page_that_load_their_like_are_kept() -> None:
    for content in (
        b"#EXTM3U\n#EXTINF:10,\nhttps://cdn.example/1.ts\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="https://cdn.example/a.png"/></svg>',
        b'<html><link rel=File-List href="file:///C:/a/filelist.xml"><body>letter</body></html>',
        b"%!PS\n/OutputFile (page.pdf) def",
    ):
        assert facts_of(content, "upload") == frozenset()


@pytest.mark.parametrize("value", HONEST)
def test_honest_values_show_nothing_that_decides_at_any_preset(value: bytes) -> None:
    assert facts_of(value, "query").isdisjoint(DECISIVE | TELLING)


def test_markup_tells_nothing_in_a_body_where_editors_send_it() -> None:
    body = b"text=%3Cp%3Ehello%3C%2Fp%3E"
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    for place, _, value in request_values(b"/post", headers, body):
        assert "html.markup" not in facts_of(value, place)
    assert "html.handler_alone" not in facts_of(b"onclick=showLogin();", "body")  # as a tool for readers reports it


def test_a_grammar_of_conditions_takes_operators_that_people_do_not_write() -> None:
    assert all(goes_on(text) for text in (b"1 or!0", b"1 or~1", b"1 collate nocase or 1", b"1 and not 1=2"))
    assert not any(goes_on(text) for text in (b"1 or 0", b"5 and not 3", b"4 mod 3", b"1 or -1"))


def test_no_fact_is_decisive_and_telling() -> None:
    assert not DECISIVE & TELLING
    assert {fact.name for fact in ALL if fact.telling} == TELLING


def test_a_telling_fact_is_a_rule_of_strict_presets_unless_harmless_hosts_show_it() -> None:
    fit = pytest.importorskip("bascule.waf.logic.learn.fit", reason="needs the extra named train", exc_type=ImportError)
    xss = next(kind for kind in KINDS if kind.name == "xss")
    shown = (frozenset(("html.markup",)),)
    attack = Row("xss", "a list", "", shown, False)
    rules = fit.decide_alone(xss, [attack], ("html.markup",))
    assert rules == [fit.Learned(("html.markup",), fit.STANDARD, strict=True)]
    harmless = [Row(BENIGN, "browsers", f"h{number}.example", shown, True) for number in range(fit.VETO)]
    assert fit.decide_alone(xss, [attack, *harmless], ("html.markup",)) == []


def test_what_is_learned_for_all_presets_leaves_telling_facts_out() -> None:
    fit = pytest.importorskip("bascule.waf.logic.learn.fit", reason="needs the extra named train", exc_type=ImportError)
    xss = next(kind for kind in KINDS if kind.name == "xss")
    facts = ("html.event_handler", "html.markup", "html.tag")
    marked = frozenset(("html.markup", "html.tag"))
    attacks = [
        Row("xss", f"list {number}", "", (shown,), False)
        for number in range(8)
        for shown in (marked, marked | {"html.event_handler"})
    ]
    honest = [Row(BENIGN, "browsers", f"h{n}.example", (frozenset(("html.tag",)),), True) for n in range(fit.VETO)]
    rules = fit.learn(xss, attacks + honest, facts, 1)
    assert [rule.strict for rule in rules if "html.markup" in rule.facts] == [True]
    assert any("html.event_handler" in rule.facts and not rule.strict for rule in rules)
