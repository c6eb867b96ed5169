"""Directives: honoured, refused, or said to be without effect; never silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.waf.engine import Waf, WafLoadError, WafSettings, load_rules
from bascule.waf.seclang.model import RuleSet
from tests.support.shared import shared_dir
from tests.waf.engine.world import Request, fired, send, waf


def _load(rules: str) -> RuleSet:
    return load_rules(WafSettings(bare=True, directives=rules))


RULE = 'SecRule ARGS "@rx evil" "id:1,phase:2,pass,log"\n'


def test_a_body_beyond_the_rules_own_limit_is_refused_if_they_say_so() -> None:
    body = b"a=" + b"x" * 100
    post = Request(b"POST", headers=[(b"content-type", b"application/x-www-form-urlencoded")], body=body)
    limit = "SecRuleEngine On\nSecRequestBodyLimit 50\nSecRequestBodyLimitAction "
    _, verdict = send(waf(limit + "Reject\n" + RULE), post)
    assert verdict is not None
    assert verdict.status == 403
    assert send(waf(limit + "ProcessPartial\n" + RULE), post)[1] is None
    t, _ = send(
        waf("SecRequestBodyNoFilesLimit 50\n" + RULE + 'SecRule REQBODY_ERROR "@eq 1" "id:2,phase:2,pass"'), post
    )
    assert fired(t) == [2]


@pytest.mark.parametrize(
    ("directive", "place"),
    [
        ("SecUploadKeepFiles On", "<directives>:1: SecUploadKeepFiles has no effect here"),
        ("SecServerSignature Apache", "<directives>:1: SecServerSignature has no effect here"),
        ("SecRequestBodyLimit 13107200", "SecRequestBodyLimit 13107200 is more than the proxy holds"),
        ("SecAuditLog /var/log/audit.log", "without effect, for the matter is settled elsewhere: SecAuditLog"),
    ],
)
def test_what_has_no_effect_is_said(directive: str, place: str) -> None:
    assert place in "\n".join(Waf.load(WafSettings(directives_after=directive)).warnings)


@pytest.mark.parametrize("directive", ["SecUploadKeepFiles Off", "SecHashEngine Off", "SecCookieFormat 0"])
def test_nothing_is_said_where_nothing_is_missed(directive: str) -> None:
    assert Waf.load(WafSettings(directives_after=directive)).warnings == []


@pytest.mark.parametrize("directive", ["SecCookieFormat 1", "SecHttpBlKey short", "SecNothing On"])
def test_what_cannot_be_honoured_is_refused_with_its_place(directive: str) -> None:
    with pytest.raises(WafLoadError, match="<directives>:1: "):
        Waf.load(WafSettings(directives_after=directive))


@pytest.mark.parametrize("target", ["XML:/[", "XML:/q:a", "&XML:nofunction()"])
def test_a_target_that_is_no_xpath_is_refused_with_its_place(target: str) -> None:
    rules = f'SecRule {target} "@rx evil" "id:1,phase:2,pass"'
    with pytest.raises(WafLoadError, match=r"<directives>:1: XML:.* declare its prefixes with xmlns"):
        _load(rules)
    _load('SecRule XML:/q:a|!XML:/[ "@rx evil" "id:1,phase:2,pass,xmlns:q=urn:q"')


def test_an_operator_without_its_set_up_is_refused_only_where_a_request_reaches_it() -> None:
    rule = 'SecRule REMOTE_ADDR "@{}" "id:1,phase:1,deny"'
    for operator in ("geoLookup", "rbl dnsbl.httpbl.org"):
        with pytest.raises(WafLoadError, match=r"<directives>:1: @(geoLookup|rbl dnsbl.httpbl.org) needs"):
            waf(rule.format(operator))
        skipped = 'SecAction "id:2,phase:1,pass,nolog,skipAfter:END"\n' + rule.format(operator) + "\nSecMarker END"
        assert "<directives>:2: @" in waf(skipped).warnings[0]


def test_a_chain_that_cannot_be_honoured_is_one_refusal(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text(
        'SecRule NOSUCH "@rx a" "id:5,phase:2,deny,chain"\n  SecRule ARGS "@rx b" "chain"\n    SecRule ARGS "@rx c" ""\n'
        'SecRule ARGS "@rx a" "id:6,phase:2,deny,chain"\n  SecRule NOSUCH "@rx b" "chain"\n    SecRule ARGS "@rx c" ""\n'
        + RULE
    )
    refused: list[WafLoadError] = []
    rules = load_rules(WafSettings(rules=(file,), protocol_rules=False), refused)
    assert [error.line for error in refused] == [1, 5]
    assert list(rules.rules) == [1]


def test_every_action_of_an_update_takes_effect_or_is_refused() -> None:
    firewall = waf(
        RULE + "SecRuleUpdateActionById 1 \"deny,status:409,msg:'m',rev:7,ver:v2,maturity:3,skip:2,t:lowercase\""
    )
    actions = firewall.rules.rules[1].head.actions
    assert (actions.revision, actions.version, actions.maturity, actions.skip) == ("7", "v2", 3, 2)
    assert (actions.disruptive, actions.status, actions.transformations) == ("deny", 409, ("lowercase",))
    with pytest.raises(WafLoadError, match="start of a chain"):
        waf(RULE + 'SecRuleUpdateActionById 1 "chain"')


@pytest.mark.parametrize("prefilter", [True, False])
def test_geo_lookup_fills_geo_for_the_rules_that_follow(prefilter: bool) -> None:
    path = next(shared_dir("lists", "maxmind").rglob("GeoIP2-City-Test.mmdb"))
    firewall = waf(
        f"SecRuleEngine On\nSecGeoLookupDb {path}\n"
        'SecRule REQUEST_HEADERS:x-client "@geoLookup" "id:1,phase:1,pass,nolog"\n'
        'SecRule GEO:COUNTRY_CODE "@streq GB" "id:2,phase:1,deny,status:403,log,'
        "logdata:'%{geo.city} %{GEO.COUNTRY_NAME} %{geo.country_continent} %{geo.latitude}'\"",
        prefilter=prefilter,
    )
    for address, status in ((b"81.2.69.160", 403), (b"127.0.0.1", None), (b"89.160.20.112", None)):
        t, verdict = send(firewall, Request(headers=[(b"host", b"a"), (b"x-client", address)]))
        assert (verdict and verdict.status) == status
    t, _ = send(firewall, Request(headers=[(b"host", b"a"), (b"x-client", b"81.2.69.160")]))
    assert t.fired[0].logdata == b"London United Kingdom EU 51.5142"


def test_what_chooses_nothing_is_said() -> None:
    rules = _load(
        'SecRule ARGS "@rx ." "id:1,phase:2,pass,tag:attack-sqli,msg:m"\n'
        'SecAction "id:3,phase:1,nolog,ctl:debugLogLevel=9"\n'
        "SecRuleRemoveById 2 7-9\nSecRuleRemoveByTag attack-.*\nSecRuleUpdateTargetByMsg x !ARGS:a\n"
        'SecRuleUpdateActionById 1:1 "log"\nSecRuleRemoveByMsg m\nSecHashKey abc\n'
    )
    assert rules.config.idle == ["ctl:debugLogLevel"]
    said = [warning.partition(": ")[2] for warning in rules.config.warnings]
    assert [text.partition(" has no effect")[0] for text in said] == [
        "SecHashKey", "SecRuleRemoveById '2'", "SecRuleRemoveById '7-9'", "SecRuleRemoveByTag 'attack-.*'",
        "SecRuleUpdateTargetByMsg 'x'", "SecRuleUpdateActionById '1:1'",
    ]  # fmt: skip
    assert "compared as a whole" in said[3]
    assert [*rules.rules] == [3]


def test_a_flag_takes_no_argument() -> None:
    with pytest.raises(WafLoadError, match="action capture takes no argument"):
        _load('SecAction "id:1,capture:1"')


@pytest.mark.parametrize(("engine", "events"), [("On", 2), ("RelevantOnly", 1), ("Off", 0)])
def test_the_audit_engine_says_what_becomes_an_event(engine: str, events: int) -> None:
    firewall = waf(f"SecRuleEngine On\nSecAuditEngine {engine}\n" + RULE)
    found = [send(firewall, Request(target=target))[0].finish() for target in (b"/?a=evil", b"/")]
    assert len([event for event in found if event is not None]) == events


def test_a_rule_may_ask_for_an_event() -> None:
    firewall = waf('SecAction "id:1,phase:1,pass,nolog,ctl:auditEngine=On"')
    event = send(firewall, Request())[0].finish()
    assert event is not None
    assert event.as_dict()["rules"] == []
