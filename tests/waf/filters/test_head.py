"""What the named rules find in request heads, and what they let pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.waf.filters.world import fired, firewall, judge

ACCESS = {
    "access": [
        {"path": "/admin/public/", "open": True},
        {"path": "/admin/", "allow": ["10.0.0.0/8"]},
        {"path": "/api/", "methods": ["DELETE"]},
        {"path": "=/login", "deny": ["192.0.2.0/24"]},
        {"path": "~[.]cgi$"},
    ]
}


@pytest.mark.parametrize(
    ("filters", "request_", "rule"),
    [
        ({"methods": ["GET", "POST"]}, {"method": "PUT"}, 715003),
        ({"methods": ["GET", "POST"]}, {"method": "POST", "x_http_method_override": "DELETE"}, 715004),
        ({"methods": ["GET", "POST"]}, {"method": "POST", "x_http_method_override": "get"}, 0),
        ({"methods": ["GET", "POST"]}, {"method": "POST"}, 0),
        ({"extensions": [".TAR"]}, {"target": "/a/b.tar?x=1"}, 705002),
        ({"extensions": ["tar"]}, {"target": "/a/b.tar.;x=1"}, 705002),
        ({"extensions": ["tar"]}, {"target": "/a/b.t%61r::$DATA"}, 705002),
        ({"extensions": ["tar"]}, {"target": "/tar/b.gz?a=b.tar"}, 0),
        ({"fields": {"deny": ["X-Debug"]}}, {"x_debug": "1"}, 714002),
        ({"fields": {"require": ["X-Key"]}}, {}, 714003),
        ({"fields": {"require": ["X-Key"]}}, {"x_key": "1"}, 0),
        ({"lengths": {"path": 8}}, {"target": "/12345678"}, 701005),
        ({"lengths": {"path": 8}}, {"target": "/123%34567"}, 0),
        ({"lengths": {"query": 3}}, {"target": "/?a=12"}, 701006),
        ({"lengths": {"name": 3}}, {"target": "/?abcd=1"}, 701001),
        ({"lengths": {"value": 3}}, {"target": "/?a=%31234"}, 701002),
        ({"lengths": {"value": 3}}, {"target": "/?a=%3123"}, 0),
        ({"lengths": {"cookie": 3}}, {"cookie": "a=1; b=1234"}, 701004),
        ({"lengths": {"header": 20}}, {"x_a": "1" * 21}, 701003),
        ({"lengths": {"header": 20}}, {"cookie": "a=" + "1" * 21}, 0),
        ({"lengths": {"parameters": 2}}, {"target": "/?a&b&c"}, 701007),
        ({"words": ["Darn", "böse"]}, {"target": "/?q=oh+DARN+it"}, 707001),
        ({"words": ["Darn", "böse"]}, {"target": "/?q=darning"}, 0),
        ({"words": ["Darn", "böse"]}, {"target": "/?q=B%C3%96SE"}, 707001),
        ({"addresses": {"deny": ["192.0.2.0/24"]}}, {}, 721001),
        ({"addresses": {"allow": ["10.0.0.0/8"]}}, {}, 721001),
        ({"addresses": {"allow": ["192.0.0.0/8"], "deny": ["192.0.2.7"]}}, {}, 721001),
        ({"addresses": {"allow": ["10.0.0.0/8"]}}, {"client": "10.1.2.3"}, 0),
        ({"enable": ["repeated-parameter"]}, {"target": "/?a=1&b=2&a=3"}, 710001),
        ({"enable": ["repeated-parameter"]}, {"target": "/?a[]=1&a[]=3"}, 0),
        ({"enable": ["bad-escape"]}, {"target": "/?a=100%"}, 709003),
        ({"enable": ["untyped-body"]}, {"method": "POST", "body": b"x"}, 708004),
        (ACCESS, {"target": "/admin/x"}, 718001),
        (ACCESS, {"target": "/admin"}, 718001),
        (ACCESS, {"target": "/%61dmin/x"}, 718001),
        (ACCESS, {"target": "/shop/../ADMIN;v=1//x"}, 718001),
        (ACCESS, {"target": "/shop/%252e%252e/admin/x"}, 718001),
        (ACCESS, {"target": "/admin/public/%2e%2e/x"}, 718001),
        (ACCESS, {"target": "/x\\..\\admin\\x"}, 718001),
        (ACCESS, {"target": "http://shop.example/admin/x"}, 718001),
        (ACCESS, {"target": "/admin/public/x"}, 0),
        (ACCESS, {"target": "/administrator"}, 0),
        (ACCESS, {"target": "/admin/x", "client": "10.9.9.9"}, 0),
        (ACCESS, {"target": "/api/7", "method": "DELETE"}, 718001),
        (ACCESS, {"target": "/api/7"}, 0),
        (ACCESS, {"target": "/login"}, 718001),
        (ACCESS, {"target": "/login/x"}, 0),
        (ACCESS, {"target": "/a/test.CGI"}, 718001),
        (ACCESS, {"target": "/a/test.cgi.txt"}, 0),
    ],
)
def test_configured_rules(filters: dict[str, Any], request_: dict[str, Any], rule: int) -> None:
    transaction = judge(firewall(filters=filters), **request_)
    assert fired(transaction) == ([rule] if rule else [])
    assert (transaction.verdict is not None) == bool(rule)
    if transaction.verdict is not None:
        assert (transaction.verdict.action, transaction.verdict.status) == ("block", 403)
        assert transaction.verdict.rule_id == rule


STANDARD = [
    ({"method": "TRACE"}, 715001),
    ({"method": "PROPFIND"}, 0),
    ({"target": "/.git/config"}, 717002),
    ({"target": "/app/.env"}, 717002),
    ({"target": "/.well-known/security.txt"}, 0),
    ({"target": "/.environment"}, 0),
    ({"target": "/index.php.bak"}, 705001),
    ({"target": "/index.php~"}, 705001),
    ({"target": "/~user/"}, 0),
    ({"target": "/v1.2/old"}, 0),
    ({"user_agent": "sqlmap/1.7 (https://sqlmap.org)"}, 717001),
    ({"user_agent": "Mozilla/5.0 (compatible; Nikto)"}, 717001),
    ({"user_agent": "OWASP ZAP 2.14"}, 717001),
    ({"user_agent": ""}, 0),
    ({"x_original_url": "/admin"}, 714001),
    ({"range": "bytes=" + ",".join(f"{n}-{n}" for n in range(100))}, 708002),
    ({"range": "bytes=0-5,7-9"}, 0),
    ({"target": "/?a=" + "%90" * 16}, 701008),
]


@pytest.fixture(scope="module")
def standard() -> Any:
    return firewall("standard")


@pytest.mark.parametrize(("request_", "rule"), STANDARD)
def test_rules_of_the_preset_standard(standard: Any, request_: dict[str, Any], rule: int) -> None:
    transaction = judge(standard, **request_)
    named = [number for number in fired(transaction) if number < 800_000]
    assert named == ([rule] if rule else [])


def test_field_that_stands_twice(standard: Any) -> None:
    transaction = standard.begin(judge(standard).connection)
    headers = [(b"host", b"x"), (b"content-type", b"a/b"), (b"content-type", b"c/d")]
    assert transaction.request_head(b"POST", b"/", b"1.1", headers).rule_id == 708001


def test_stricter_presets() -> None:
    strict = firewall("pci-dss")
    assert fired(judge(strict, method="PROPFIND")) == [715002]
    assert fired(judge(strict, user_agent="")) == [717003]
    assert 709001 in fired(judge(strict, "/?a=x%00y"))
    assert 709002 in fired(judge(strict, "/%c0%ae%c0%ae/"))
    assert fired(judge(strict, body=b"x", content_type="text/plain"))[0] == 708003


@pytest.mark.parametrize("preset", ["bypass", "detect-only"])
def test_presets_that_refuse_nothing(preset: str) -> None:
    transaction = judge(firewall(preset), "/.git/config")
    assert transaction.verdict is None
    assert (717002 in fired(transaction)) == (preset == "detect-only")
    assert fired(transaction) or preset == "bypass"


def test_detect_mode_refuses_nothing() -> None:
    waf = firewall(mode="detect", filters={"methods": ["GET"]})
    transaction = judge(waf, method="PUT")
    assert transaction.verdict is None
    assert transaction.would is not None


PATTERNS = {
    "patterns": [
        {"name": "ticket", "pattern": "TICKET-[0-9]{4}", "says": "names a ticket"},
        {"name": "agent", "pattern": "(?i)evilbot", "places": ["headers", "cookies", "path"]},
    ]
}


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        ({"target": "/?a=x+TICKET-1234"}, 719001),
        ({"method": "POST", "body": b"a=TICKET%2d1234"}, 719001),
        ({"method": "POST", "body": b'{"a": ["TICKET\\u002d1234"]}', "content_type": "application/json"}, 719001),
        ({"target": "/TICKET-1234"}, 0),
        ({"user_agent": "EvilBot/1.0"}, 719002),
        ({"cookie": "a=evilbot"}, 719002),
        ({"target": "/evilbot"}, 719002),
        ({"target": "/?a=evilbot"}, 0),
    ],
)
def test_patterns_of_the_operator(request_: dict[str, Any], rule: int) -> None:
    transaction = judge(firewall(filters=PATTERNS), **request_)
    assert fired(transaction) == ([rule] if rule else [])
    if rule:
        assert transaction.fired[0].rule.tag_texts[0] == "user-pattern"


def test_exclusions_hold_for_named_rules() -> None:
    exclusions = [
        {"rules": ["719001"], "parameter": "free", "path": "/a"},
        {"rules": ["tag:request-method"], "path": "/b"},
    ]
    waf = firewall(filters={**PATTERNS, "methods": ["GET"]}, exclusions=exclusions)
    assert fired(judge(waf, "/a?free=TICKET-1234")) == []
    assert fired(judge(waf, "/a?other=TICKET-1234")) == [719001]
    assert fired(judge(waf, "/c?free=TICKET-1234")) == [719001]
    assert fired(judge(waf, "/b", "PUT")) == []
    assert fired(judge(waf, "/c", "PUT")) == [715003]


def test_programs_that_keep_files_say_so() -> None:
    strict = firewall("advanced")
    assert fired(judge(strict, method="PROPFIND")) == [715002]
    assert fired(judge(strict, method="PROPFIND", depth="1")) == []
