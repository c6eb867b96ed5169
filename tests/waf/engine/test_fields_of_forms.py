"""What is not looked for in a form as a whole, for its names and values tell."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.engine import Waf
from bascule.waf.matcher.glance import stays_in_field
from tests.waf.engine.world import HOST, Request, fired, send, waf


@pytest.mark.parametrize(
    ("pattern", "stays"),
    [
        (rb"java\.lang\.(?:runtime|processbuilder)", True),
        (rb"^runtime$", True),
        (rb"(?i)(?:clonetransform|xmldecod)er(?!x)", True),
        (rb"\bruntime\b", False),
        (rb"a=b", False),
        (rb"a[^x]b", False),
        (rb"%uff", False),
        (rb"a\+b", False),
        (rb"(a)\1", False),
        (rb"(?<==)a", False),
    ],
)
def test_what_a_pattern_matches_within_a_field_of_a_form(pattern: bytes, stays: bool) -> None:
    assert stays_in_field(pattern) is stays


BODY_RULES = "SecRequestBodyAccess On\n" + "\n".join(
    f'SecRule {targets} "@rx {pattern}" "id:{number},phase:2,pass,log,{steps}"'
    for number, (targets, pattern, steps) in enumerate(
        [
            ("REQUEST_BODY|ARGS", "java", "t:none"),
            ("REQUEST_BODY|ARGS", "java", "t:urlDecodeUni"),
            ("REQUEST_BODY|ARGS", r"\bjava\b", "t:none"),
            ("REQUEST_BODY|ARGS", "^java$", "t:none"),
            ("REQUEST_BODY|ARGS", "a=java", "t:none"),
            ("REQUEST_BODY|ARGS", "(?i)java(?!x)", "t:htmlEntityDecode"),
            ("REQUEST_BODY", "java", "t:none"),
            ("REQUEST_BODY", "^a=java", "t:urlDecodeUni"),
            ("REQUEST_BODY|ARGS", "a&amp;b|2cjava", "t:none"),
        ],
        1,
    )
)
FORMS = st.lists(
    st.sampled_from(
        [b"java", b"JAVA", b"a", b"b", b"x", b"=", b"&", b"+", b"%20", b"%6a", b"%25", b"2c", b"%3d", b"-"]
    ),
    max_size=8,
).map(b"".join)


@given(FORMS)
@settings(max_examples=600, deadline=None)
def test_what_forms_are_not_scanned_for_is_found_in_their_fields(body: bytes) -> None:
    form = [HOST, (b"content-type", b"application/x-www-form-urlencoded")]
    request = Request(b"POST", b"/", form, body)
    fast, plain = _firewalls(BODY_RULES)
    assert fired(send(fast, request)[0]) == fired(send(plain, request)[0])


@lru_cache
def _firewalls(rules: str) -> tuple[Waf, Waf]:
    return waf(rules), waf(rules, prefilter=False)
