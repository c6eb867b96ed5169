"""The JSON audit log in ModSecurity's form, beside the one that libmodsecurity writes of the same request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bascule.telemetry.eventformats import to_modsecurity
from bascule.waf.engine import ConnectionFacts, Waf, WafSettings

libmodsecurity = pytest.importorskip("libmodsecurity")

RULES = r"""
SecRuleEngine On
SecRequestBodyAccess On
SecComponentSignature "OWASP_CRS/4.28.0"
SecRule ARGS "@rx ev(il)" "id:1,phase:2,pass,log,msg:'found %{MATCHED_VAR}',logdata:'data %{TX.0}',capture,tag:'a',\
    tag:'b',ver:'OWASP_CRS/4.28.0',rev:'2',maturity:'9',accuracy:'8',severity:'CRITICAL',t:none,t:lowercase,t:urlDecodeUni"
SecRule ARGS:y "!@within a b c" "id:2,phase:2,deny,status:403,log,msg:'x'"
SecRule REQUEST_METHOD "@streq GET" "id:3,phase:1,pass,log,msg:'chain',severity:'WARNING',chain"
  SecRule ARGS:y "@contains or" "t:none,t:compressWhitespace"
SecAction "id:4,phase:1,pass,log,msg:'action'"
SecRule &ARGS "@gt 1" "id:5,phase:1,pass,log,severity:5"
SecRule ARGS "@detectSQLi" "id:6,phase:1,pass,log,severity:0"
SecRule ARGS "@pm evil zz" "id:7,phase:1,pass,log,msg:'words'"
SecRule ARGS:x "@unconditionalMatch" "id:8,phase:1,pass,log"
SecRule ARGS:x "@validateByteRange 32-126" "id:9,phase:1,pass,log,msg:'range'"
"""
TARGET = "/?x=evil%00%c3%bc" + "a" * 250 + "&y=1'++or+1=1--"


def theirs(folder: Path) -> dict[str, Any]:
    """What libmodsecurity writes."""
    path = folder / "audit.log"
    engine = libmodsecurity.ModSecurity()
    engine.set_log_callback(lambda message: None)
    rules = libmodsecurity.RulesSet()
    log = f"SecAuditEngine On\nSecAuditLogFormat JSON\nSecAuditLogType Serial\nSecAuditLog {path}\nSecAuditLogParts ABHZ\n"
    rules.load(log + RULES)
    with engine.transaction(rules) as t:
        t.process_connection("203.0.113.7", 40000, "192.0.2.1", 80)
        t.process_uri(TARGET, "GET", "1.1")
        t.add_request_header("Host", "h")
        t.process_request_headers()
        t.process_request_body()
    found: dict[str, Any] = json.loads(path.read_bytes().splitlines()[0])["transaction"]
    return found


def ours() -> dict[str, Any]:
    """What Bascule writes."""
    waf = Waf.load(WafSettings(bare=True, directives=RULES))
    t = waf.begin(ConnectionFacts(b"203.0.113.7", 40000, b"192.0.2.1", 80))
    assert t.request_head(b"GET", TARGET.encode(), b"1.1", [(b"host", b"h")]) is None
    assert t.request_end() is not None
    event = t.finish()
    assert event is not None
    event.status = 403
    found: dict[str, Any] = json.loads(to_modsecurity(event.to_json()))["transaction"]
    return found


def test_it_is_what_libmodsecurity_writes(tmp_path: Path) -> None:
    wanted, found = theirs(tmp_path), ours()
    assert {*wanted} <= {*found}
    assert {*wanted["producer"]} == {*found["producer"]}
    assert found["producer"]["components"] == ["OWASP_CRS/4.28.0"]
    for key in ("client_ip", "client_port", "host_ip", "host_port"):
        assert found[key] == wanted[key], key
    for key in ("method", "http_version", "uri"):
        assert found["request"][key] == wanted["request"][key], key
    by_id = {message["details"]["ruleId"]: message for message in found["messages"]}
    assert {*by_id} == {str(n) for n in range(1, 10)}
    for message in wanted["messages"]:
        mine, details = by_id[message["details"]["ruleId"]], message["details"]
        assert {*details} == {*mine["details"]}
        assert mine["message"] == message["message"]
        for key in ("match", "data", "severity", "ver", "rev", "tags", "maturity", "accuracy"):
            assert mine["details"][key] == details[key], (details["ruleId"], key)
        steps = ",".join(each for each in details["reference"].split(",") if "t:" in each)
        assert mine["details"]["reference"] == steps[steps.find("t:") :] if steps else not mine["details"]["reference"]
