"""What an event gives away: the names of secrets, never their values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.engine import ConnectionFacts, Waf, WafSettings
from bascule.waf.events import mask_cards, mask_header, mask_pairs, mask_target

SECRET = "hunter2xyz"

RULES = r"""
SecRule REQUEST_URI|REQUEST_URI_RAW|REQUEST_LINE|QUERY_STRING|REQUEST_BODY|FULL_REQUEST "@unconditionalMatch" \
    "id:3,phase:2,pass,log,t:none,multiMatch,t:urlDecodeUni,logdata:'%{MATCHED_VAR}'"
SecRule ARGS|REQUEST_HEADERS|REQUEST_COOKIES "@unconditionalMatch" \
    "id:1,phase:2,pass,log,t:none,multiMatch,t:urlDecodeUni,logdata:'found within %{MATCHED_VAR_NAME}: %{MATCHED_VAR}'"
SecRule REQUEST_BODY|ARGS:q "@rx ." "id:2,phase:2,pass,log,t:none,chain,logdata:'%{REQUEST_URI} %{REQUEST_BODY}'"
    SecRule MATCHED_VARS "@rx ." "t:none"
"""

BODIES = {
    "application/x-www-form-urlencoded": f"a=1&password={SECRET}&b=2",
    "application/json": f'{{"a":1,"user":{{"password" : "{SECRET}"}}}}',
    "multipart/form-data; boundary=xx": (
        f'--xx\r\nContent-Disposition: form-data; name="password"\r\n\r\n{SECRET}\r\n--xx--\r\n'
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def waf() -> Waf:
    return Waf.load(WafSettings(directives=RULES))


@pytest.mark.parametrize("content_type", BODIES)
def test_no_part_of_an_event_shows_a_secret(waf: Waf, content_type: str) -> None:
    transaction = waf.begin(ConnectionFacts(b"192.0.2.1", 1, b"127.0.0.1", 80))
    transaction.request_head(
        b"POST",
        f"/login?api_key={SECRET}&q=1&token={SECRET}".encode(),
        b"1.1",
        [
            (b"host", b"shop.example"),
            (b"content-type", content_type.encode()),
            (b"cookie", f"sid={SECRET}; theme={SECRET}".encode()),
            (b"authorization", f"Bearer {SECRET}".encode()),
            (b"x-auth-token", SECRET.encode()),
            (b"referer", f"https://shop.example/?access_token={SECRET}".encode()),
        ],
    )
    transaction.request_body(BODIES[content_type].encode())
    transaction.request_end()
    event = transaction.finish()
    assert event is not None
    assert event.body_bytes
    line = event.to_json().decode()
    assert {rule["id"] for rule in json.loads(line)["rules"]} == {1, 2, 3}
    assert SECRET not in line
    assert "***" in line


def test_what_is_no_secret_is_shown() -> None:
    for text in ("/?q=1' or 1=1&design=3&side=4", "author=jim&authors=2", '{"name":"x"}', "host: a"):
        assert mask_pairs(text) == text
    assert mask_header(b"user-agent", b"Mozilla/5.0") == "Mozilla/5.0"
    assert mask_header(b"cookie", b"a=1; b=2") == "a=***; b=***"
    assert mask_target("/a?q=1&sid=2#x") == "/a?q=1&sid=***"
    assert mask_cards("order 4111 1111 1111 1112") == "order 4111 1111 1111 1112"
    assert mask_cards("card 4111-1111-1111-1111!") == "card ***!"


@given(
    st.sampled_from(["password", "user[pwd]", "api_key", "X-CSRF-Token", "sessionid", "my.secret"]),
    st.text("abcxyz0189 '<>()", min_size=1).map(str.strip).filter(bool),
    st.sampled_from(["?a=1&{}={}&b=2", "{}%3D{}", 'x {{"{}": "{}"}}', "found within ARGS: {}={}", "{}: {}\r\nhost: a"]),
)
def test_secrets_are_masked_wherever_they_stand(name: str, value: str, form: str) -> None:
    marked = "Q7Q" + value
    assert "Q7Q" not in mask_pairs(form.format(name, marked))


def test_what_rules_sanitise_is_shown_nowhere() -> None:
    rules = """
SecRule ARGS:iban "@rx DE" "id:1,phase:1,pass,log,msg:'iban %{MATCHED_VAR}',logdata:'%{MATCHED_VAR}',sanitiseMatched"
SecRule ARGS:n1 "@rx ." "id:2,phase:1,deny,msg:'number %{MATCHED_VAR}',sanitiseArg:n1,sanitiseRequestHeader:X-Patient"
"""
    waf = Waf.load(WafSettings(directives=rules))
    t = waf.begin(ConnectionFacts(b"192.0.2.1", 1, b"127.0.0.1", 80))
    fields = [(b"host", b"x"), (b"x-patient", b"hidden-a"), (b"x-other", b"shown")]
    assert t.request_head(b"GET", b"/?iban=DE-hidden-b&%6E1=hidden-c&o=shown", b"1.1", fields) is not None
    event = t.finish()
    assert event is not None
    line = event.to_json()
    assert b"hidden" not in line, line
    assert line.count(b"shown") == 2
