"""What real applications sent through the firewall and were refused for, and attacks that look like it."""

from __future__ import annotations

import base64
import json
import zlib
from functools import partial

import pytest

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts.meaning import meant
from bascule.waf.logic.facts.told import told
from bascule.waf.logic.values import Value
from tests.support.linear import assert_linear

_SCRIPT = b"import subprocess\n\ndef run(cmd):\n    return subprocess.run(['ls', cmd], check=True)\n\nif __name__ == '__main__':\n    run('/tmp')\n"
_STATEMENT = (
    b"SELECT u.id, COUNT(*) FROM users u WHERE u.name LIKE 'O''%' GROUP BY u.id HAVING COUNT(*) > 3 ORDER BY 2 DESC;"
)
_WIKI = (
    b"== Sale ==\n'''Bold''' and ''slanted'' words<ref>''A & B'', O'Brien's</ref>.\n"
    b"It's 50% off \xe2\x80\x94 \"today only\"! O'Brien & Sons: 3 < 5 && 7 > 2.\n"
)
_PAGE = (
    b"== Menu ==\n<syntaxhighlight lang=\"js\">\ndocument.querySelector('#menu').addEventListener('click', e => {\n"
    b"  fetch('/api/items?q=' + encodeURIComponent(q)).then(r => r.json());\n});\n</syntaxhighlight>\n<math>a</math>\n"
)


@pytest.fixture(scope="module")
def standard() -> Logic:
    return Logic.load("standard")


@pytest.fixture(scope="module")
def advanced() -> Logic:
    return Logic.load("advanced")


def _cookie(text: str, signature: str = ":1xXZ7I:7gMvDEZk8amWvG3Q35eSKwTlYwlMDMHaYqAqy-zIamc") -> bytes:
    """Return a cookie as Django packs and signs what it will say on the next page."""
    return b"." + base64.urlsafe_b64encode(zlib.compress(text.encode())).rstrip(b"=") + signature.encode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"wikitext", _SCRIPT),
        (b"body-0-value-code", _SCRIPT),
        (b"json.cells.array_0.source", _STATEMENT),
        (b"wpTextbox1", _WIKI),
        (b"wikitext", _PAGE),
    ],
)
def test_texts_of_editors_are_kept(standard: Logic, name: bytes, text: bytes) -> None:
    assert standard.judge([Value("body", name, text)]) == []


@pytest.mark.parametrize(
    "text",
    [
        b"Hello\nthere,\nmy name is {{ ''.__class__.__mro__[1].__subclasses__() }} and so on\n",
        b"Hello\nthere,\nmy name is {{ config.__class__.__init__.__globals__ }} and so on\n",
        b"Hello there\nand again\nO'union select password from users where 'a'='a\n",
        b"Hello there\nand again\nx'or(select 1 from users where name like 'a%')and'1'='1\n",
        b"Hello there\nand again <img src=x onerror=\"document.querySelector('a').innerHTML=1;fetch('//evil.example')\">\n",
        b"Hello there\nand again <script>document.querySelector('a').innerHTML = 1; eval(name)</script>\n",
        b"1; select password from users where 'a'='a' union select 1 having 1=1 order by 2 --",
    ],
)
def test_what_reaches_out_of_a_text_is_found(standard: Logic, text: bytes) -> None:
    assert standard.judge([Value("body", b"content", text)])


def test_what_goes_on_as_a_statement_is_no_emphasis() -> None:
    facts = frozenset(("sql.having",))
    assert told(facts, b"content", b"It is\nas '''bold''' and ''slanted''\nas it can be written\n") != facts
    for text in (b"'''or 1=1 having 1=1'''", b"''' and a having 1=1 '''", b"''|| a having 1=1 || b'", b"x'or'1"):
        assert told(facts, b"content", b"It is\nas it can be written here\n" + text + b"\n") == facts


def test_what_a_program_signed_for_itself_is_its_own(standard: Logic) -> None:
    saved = json.dumps([["__json_message", 1, 25, 'Saved <a href="/n/1/">x&#x27; &lt;b&gt;<img src=/a.png></a>']])
    hostile = "<script>alert(document.cookie)</script>" + "x" * 40
    assert standard.judge([Value("cookie", b"messages", _cookie(saved))]) == []
    assert meant(frozenset(("html.tag", "code.pickle")), "cookie", b"m", _cookie(saved)) == {"code.pickle"}
    for signature in ("", ":1xXZ7I:short"):
        assert standard.judge([Value("cookie", b"messages", _cookie(hostile, signature))])
    assert standard.judge([Value("query", b"messages", base64.b64encode(hostile.encode()))])


def test_the_page_one_comes_from_was_asked_for_before(advanced: Logic) -> None:
    came = [(b"referer", b"https://blog.example.com/wp-login.php?redirect_to=%2Fwp-admin%2F")]
    assert advanced.judge(request_values(b"/wp-includes/css/buttons.css?ver=6.1", came, b"")) == []
    assert advanced.judge(request_values(b"/wp-login.php", [], b""))
    assert advanced.judge(request_values(b"/", [(b"referer", b"https://a.example/?id=1'%20or%20'1'='1")], b""))


def _multipart(name: str, value: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    body = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--b--\r\n'
    return [(b"content-type", b"multipart/form-data; boundary=b")], body.encode()


def test_json_in_a_field_of_multipart_is_taken_apart(standard: Logic) -> None:
    def judged(text: str) -> bool:
        draft = json.dumps({"blocks": [{"key": "a1", "type": "code", "text": text}], "entityMap": {}})
        return bool(standard.judge(request_values(b"/", *_multipart("intro", draft))))

    assert not judged(_STATEMENT.decode())
    assert not judged(_SCRIPT.decode())
    assert judged("1' union select password from users--")
    assert judged("<script>alert(1)</script>")


@pytest.mark.parametrize("unit", [b"{{ a ", b"{{", b"''a ", b"'''", b"a'b", b"{{_", b"''a''", b"select "])
def test_time_is_linear(unit: bytes) -> None:
    facts = frozenset(("sql.having", "template.python_internals", "js.dangerous_call"))

    for shown in (facts, facts - {"template.python_internals"}):
        assert_linear(partial(told, shown, b"content"), unit, b"To you\n\n")
