"""With SecLang's rules beside the logical ones, a body is parsed once, and both see all of it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf import processors
from bascule.waf.bodies import urlencoded
from bascule.waf.engine import ConnectionFacts, Waf, WafSettings
from bascule.waf.logic import body_values
from bascule.waf.logic.values import head_values

FORM, JSON, PARTS = b"application/x-www-form-urlencoded", b"application/json", b"multipart/form-data; boundary=b"
CLIENT = ConnectionFacts(b"192.0.2.1", 4711, b"192.0.2.2", 80)


@pytest.fixture(scope="module")
def waf() -> Waf:
    return Waf.load(
        WafSettings(mode="block", logic="standard", directives='SecRule ARGS "@streq never" "id:1,phase:2,deny"')
    )


def refused(waf: Waf, kind: bytes, body: bytes) -> bool:
    transaction = waf.begin(CLIENT)
    transaction.request_head(
        b"POST", b"/", b"1.1", [(b"content-type", kind)] * bool(kind) + [(b"content-length", b"%d" % len(body))]
    )
    transaction.request_body(body)
    return transaction.request_end() is not None


@pytest.mark.parametrize(
    ("kind", "body", "attack"),
    [
        (FORM, b"a=1&b=shoes+and+socks", False),
        (FORM, b"a=1%27+or+1%3D1--", True),
        (FORM, b"user[$ne]=x", True),
        (JSON, b'{"a": "shoes", "b": [1, "socks"]}', False),
        (JSON, b'{"a": [{"b": "1\' or 1=1--"}]}', True),
        (JSON, b'{"a": {"$ne": 1}}', True),
        (JSON, b'{"a": {"$nin": []}, "b": 1}', True),
        (JSON, b'{"a": "shoes\\n--x"}', False),
        (b"text/plain", b'{"a": "<script>alert(1)</script>"}', True),
        (JSON, '{"a": "<script>alert(1)</script>"}'.encode("utf-16"), True),
        (FORM + b"; charset=utf-7", b"a=%2BADw-script%2BAD4-alert(1)", True),
        (PARTS, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n', True),
        (b"image/png", b"a=%3Cscript%3Ealert(1)%3C/script%3E", True),
    ],
)
def test_both_kinds_of_rules_see_the_body(waf: Waf, kind: bytes, body: bytes, attack: bool) -> None:
    assert refused(waf, kind, body) is attack


def test_what_is_posted_without_a_type_is_a_form() -> None:
    logic_only = Waf.load(WafSettings(mode="block", logic="standard"))
    assert refused(logic_only, b"", b"a=\1&b=1%27+union+select+password+from+users--+&c=" + b"x" * 600)


def counted(monkeypatch: pytest.MonkeyPatch, *places: tuple[Any, str]) -> list[str]:
    calls: list[str] = []

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted_call(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            return call(*arguments, **named)

        return counted_call

    for module, name in places:
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))
    return calls


def test_json_is_parsed_once(waf: Waf, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, (processors, "parse_json"), (body_values, "json_lines"), (body_values, "json_leaves"))
    assert refused(waf, JSON, b'{"a": "1\' or 1=1--"}')
    assert calls == ["parse_json"]


def test_multipart_is_parsed_once(waf: Waf, monkeypatch: pytest.MonkeyPatch) -> None:
    from bascule.waf import body

    calls = counted(monkeypatch, (body, "MultipartParser"), (body_values, "parse_multipart"))
    assert refused(waf, PARTS, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\' or 1=1--\r\n--b--\r\n')
    assert calls == ["MultipartParser"]


def test_form_is_taken_apart_once(waf: Waf, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, (urlencoded, "parse_urlencoded"), (processors, "parse_urlencoded"))
    assert refused(waf, FORM, b"a=1%27+or+1%3D1--")
    assert calls == ["parse_urlencoded"]


def test_xml_is_parsed_once(waf: Waf, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, (processors, "parse_xml"), (body_values, "parse_xml"))
    assert refused(waf, b"text/xml", b"<a b='x'>1' or 1=1--</a>")
    assert calls == ["parse_xml"]


def test_query_that_was_taken_apart_is_not_decoded_again(waf: Waf) -> None:
    assert waf.logic is not None
    transaction = waf.begin(CLIENT)
    transaction.set_head(b"GET", b"/?a=1%27+or+1%3D1--", b"1.1", [])
    assert transaction.known_query is None
    assert transaction.args_get == [(b"a", b"1' or 1=1--")]
    assert transaction.known_query is transaction.args_get
    transaction.args_get[0] = (b"a", b"shoes")  # what the logical rules see from here on, if they decode nothing
    waf.logic.judge_head(transaction, None)
    assert transaction.request_end() is None


@given(
    st.lists(st.tuples(st.text("ab%27+=[{\"'/\\ ", max_size=6), st.text("ab%27+=[{\"'/\\ ", max_size=9)), max_size=6)
)
def test_values_of_a_query_are_the_same_either_way(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs).encode()
    arguments = urlencoded.parse_urlencoded(query).pairs
    assert head_values(b"/x?" + query, [], arguments) == head_values(b"/x?" + query, [])
