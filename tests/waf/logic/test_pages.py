"""Pages that only lay out, forms of newsletters, words behind an XPath, a query in its file, settings: honest, and what is not."""

from __future__ import annotations

from functools import partial

import pytest

from bascule.waf.logic.body_values import body_values
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts.compiles import is_no_xpath
from bascule.waf.logic.facts.pages import is_layout
from bascule.waf.logic.facts.players import without_players
from bascule.waf.logic.values import Value
from tests.support.linear import assert_linear

_MAIL = (
    b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
    b'<html xmlns="http://www.w3.org/1999/xhtml"><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"/>'
    b'<style type="text/css">.x{width:100%!important} @import url("https://fonts.example/css?family=A");</style>'
    b'<!--[if mso]><style>td{font-family:Arial}</style><![endif]--></head><body bgcolor="#fff" style="margin:0"><table width="600">'
    b'<tr><td background="https://cdn.example/bg.png"><a href="{{unsubscribe_url}}" target="_blank">Bye</a></td></tr></table></body></html>'
)
_FORM = b'<form action="https://list.us1.list-manage.com/subscribe/post?u=1&amp;id=2" method="post"><input type="email" name="EMAIL"></form>'
_QUERY = (
    b"SELECT u.id, COUNT(*) FROM users u WHERE u.name LIKE 'O''%' GROUP BY u.id HAVING COUNT(*) > 3 ORDER BY 2 DESC;"
)


@pytest.fixture(scope="module", params=["standard", "advanced"])
def logic(request: pytest.FixtureRequest) -> Logic:
    return Logic.load(request.param)


def test_a_page_that_only_lays_out_does_nothing(logic: Logic) -> None:
    assert is_layout(_MAIL)
    assert not logic.judge([Value("body", b"newsletter", _MAIL)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Bye", b"<script>alert(1)</script>"),
        (b"Bye", b'<img src="https://a.example/x" onerror="alert(1)">'),
        (b"{{unsubscribe_url}}", b"javascript:alert(1)"),
        (b"{{unsubscribe_url}}", b"java&#115;cript:alert(1)"),
        (b"target=", b"/onclick=alert(1) target="),
        (b".x{", b"input[value^=a]{background:url(https://a.example/a)} .x{"),
        (b"Content-Type", b"refresh"),
        (b"Bye", b"<iframe src=//a.example></iframe>"),
        (b"Bye", b"<form action=//a.example><input name=password>"),
        (b"Bye", b"<svg/onload=alert(1)>"),
        (b"<!--[if", b"<!--><img src=x onerror=alert(1)><!--[if"),
        (b"<![endif]-->", b"--!><base href=//a.example/>-->"),
    ],
)
def test_a_page_that_acts_is_judged_as_ever(logic: Logic, old: bytes, new: bytes) -> None:
    page = _MAIL.replace(old, new)
    assert page != _MAIL
    assert not is_layout(page)


def test_forms_of_newsletters_lead_to_their_lists() -> None:
    assert b"<form" not in without_players(_FORM)
    for other in (
        _FORM.replace(b"list-manage.com", b"list-manage.com.a.example"),
        _FORM.replace(b"method=", b"onsubmit="),
    ):
        assert without_players(other) == other


def test_words_behind_an_xpath_make_it_none() -> None:
    assert is_no_xpath(b"//div[@class='a']/text() is my XPath")
    for attack in (
        b"' or '1'='1",
        b"x'] | //user/*[contains(*,'a",
        b"') or count(/*)=1 or ('a'='b",
        b"1 or //a is //b",
    ):
        assert not is_no_xpath(attack)


def test_a_query_in_a_file_of_its_own_is_kept(logic: Logic) -> None:
    def upload(name: bytes, text: bytes) -> list[Value]:
        body = (
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="'
            + name
            + b'"\r\n\r\n'
            + text
            + b"\r\n--b--\r\n"
        )
        return list(body_values(b"multipart/form-data; boundary=b", body))

    assert not logic.judge(upload(b"report.sql", _QUERY))
    assert logic.judge(upload(b"report", _QUERY))
    assert logic.judge(upload(b"report.sql", b"' union select name, password from users -- "))


def test_a_setting_says_where_a_program_keeps_things(logic: Logic) -> None:
    assert not logic.judge([Value("body", b"config[savedir]", b"/var/lib/dokuwiki/data")])
    for name, path in (
        (b"config[savedir]", b"/etc/passwd"),
        (b"backup_dir", b"/var/www/../../etc/passwd"),
        (b"file", b"/var/lib/dokuwiki/data"),
    ):
        assert logic.judge([Value("body", name, path)])


@pytest.mark.parametrize(
    "unit", [b"<p ", b"<p a=", b'<p a="b" ', b"<!--", b"<style>", b"<td abc", b"<!-- -", b"<form ", b'<form id="a" ']
)
def test_time_is_linear(unit: bytes) -> None:
    assert_linear(is_layout, unit, b"<html>")
    assert_linear(partial(without_players), unit)
