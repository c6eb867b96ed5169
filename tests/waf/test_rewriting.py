"""Requests passed on changed: what was found is harmless, everything else is as it was sent, and nothing moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.changing import encoded
from bascule.waf.rewriting import masked, neutral, rewrite
from tests.waf.filters.test_uploads import form
from tests.waf.filters.world import firewall, judge

SCRIPT = "<script>alert(1)</script>"
NEUTRAL = " script alert 1   script "


@pytest.fixture(scope="module")
def waf() -> Any:
    return firewall("standard", answers={"xss": "neutralise", "input-content": "mask"}, filters={"words": ["darn"]})


@pytest.mark.parametrize(
    ("request_", "query", "body", "fields"),
    [
        ({"target": "/?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E&a=%3C1"},
         b"q=%20script%20alert+1+%20%20script%20&a=%3C1", b"", {}),
        ({"target": "/?a=oh+Darn%20it&b=%64arn"}, b"a=oh+****%20it&b=%2Aarn".replace(b"%2Aarn", b"%2A***"), b"", {}),
        ({"target": "/?q=" + '{"a": "<script>alert(1)</script>"}'}, b'q={"a": "+script+alert+1+++script+"}', b"", {}),
        ({"target": "/", "cookie": "a=1; b=%3Cscript%3Ealert(1)%3C/script%3E"},
         b"", b"", {(b"cookie", b"a=1; b=%3Cscript%3Ealert(1)%3C/script%3E"):
                    b"a=1; b=%20script%20alert_1_%20_script%20"}),
        ({"target": "/", "x_note": SCRIPT}, b"", b"", {(b"x-note", SCRIPT.encode()): NEUTRAL.encode()}),
        ({"target": "/", "referer": "https://a.example/x?q=%3Cscript%3Ealert(1)%3C/script%3E"},
         b"", b"", {(b"referer", b"https://a.example/x?q=%3Cscript%3Ealert(1)%3C/script%3E"): b"https://a.example/"}),
        ({"method": "POST", "body": b"a=1&q=%3Cscript%3Ealert(1)%3C/script%3E",
          "content_type": "application/x-www-form-urlencoded"},
         b"", b"a=1&q=%20script%20alert+1+%20+script%20", {}),
        ({"method": "POST", "body": b'{"a": "\\u003cscript>alert(1)</script>", "b": "fine <b>"}',
          "content_type": "application/json"},
         b"", b'{"a": "\\u0020script alert 1   script ", "b": "fine <b>"}', {}),
    ],
)  # fmt: skip
def test_value_is_changed_where_it_stands(
    waf: Any, request_: dict[str, Any], query: bytes, body: bytes, fields: dict[Any, bytes]
) -> None:
    transaction = judge(waf, **request_)
    assert transaction.verdict is None
    changed = rewrite(transaction, request_.get("body", b""))
    assert changed is not None
    assert (changed.query, changed.body, changed.fields) == (query, body, fields)


def test_field_of_a_form_with_files(waf: Any) -> None:
    request = form(("a.txt", b"fine"))
    start = b'--x\r\ncontent-disposition: form-data; name="t"\r\n\r\n' + SCRIPT.encode() + b"\r\n"
    body = start + request["body"]
    transaction = judge(waf, **{**request, "body": body})
    changed = rewrite(transaction, body)
    assert changed is not None
    assert changed.body == body.replace(SCRIPT.encode(), NEUTRAL.encode())


@pytest.mark.parametrize(
    "request_",
    [
        {"target": "/%3Cscript%3Ealert(1)%3C/script%3E"},
        {"method": "POST", "body": b"<x>&lt;script>alert(1)&lt;/script></x>", "content_type": "application/xml"},
    ],
    ids=["path", "xml"],
)
def test_what_cannot_be_changed_is_no_request(waf: Any, request_: dict[str, Any]) -> None:
    transaction = judge(waf, **request_)
    assert transaction.rewrites
    assert rewrite(transaction, request_.get("body", b"")) is None


def test_what_is_still_an_attack_is_no_request() -> None:
    waf = firewall(
        "standard", answers={"sql": "neutralise"}, filters={"patterns": [{"name": "word", "pattern": "sel"}]}
    )
    transaction = judge(waf, "/?q=1'+union+select+a,b+from+users--+")
    assert transaction.verdict is not None  # the pattern refuses by itself
    assert rewrite(transaction, b"") is None


@given(st.binary(max_size=60))
def test_length_is_kept_and_nothing_dangerous_stays(text: bytes) -> None:
    for blank in (b"+", b"_"):
        changed = encoded(text, neutral, blank)
        assert len(changed) == len(text)
        assert not set(changed) & set(b"<>'\"`;&|$(){}\\")
        assert len(encoded(text, masked, blank)) == len(text)


def test_values_alike_and_rules_alike_are_changed_together() -> None:
    waf = firewall(
        answers={"input-content": "mask", "privacy-input": "mask"}, filters={"words": ["darn"], "identifiers": ["card"]}
    )
    for target, query in (
        ("/?a=darn&b=darn", b"a=****&b=****"),
        ("/?a=darn+4111111111111111", b"a=****+************1111"),
    ):
        changed = rewrite(judge(waf, target=target), b"")
        assert changed is not None
        assert changed.query == query
