"""Single semantics beside libmodsecurity: rules, a request, and what either makes of it."""

from __future__ import annotations

import pytest

from bascule.waf.engine import ConnectionFacts, Waf, WafSettings
from tests.support.oracle import Oracle

ON = "SecRuleEngine On\nSecRequestBodyAccess On\n"
XML = 'SecRule REQUEST_HEADERS:Content-Type "xml" "id:90,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"\n'
JSON = 'SecRule REQUEST_HEADERS:Content-Type "json" "id:91,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"\n'
FORM_TYPE = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xx"
REMOVED = (
    'SecRule ARGS "@rx ." "id:10,phase:2,pass,log,tag:t1,msg:m1"\nSecRule ARGS:b "@rx ." "id:11,phase:2,pass,log"\n'
)


def show(variable: str, number: int, operator: str = "@unconditionalMatch", more: str = "") -> str:
    """A rule that tells what it matched last."""
    return (
        f'SecRule {variable} "{operator}" "id:{number},phase:2,pass,log,'
        f"msg:'%{{MATCHED_VAR_NAME}}=%{{MATCHED_VAR}}'{more}\"\n"
    )


def ctl(what: str) -> str:
    return f'SecAction "id:80,phase:1,pass,nolog,ctl:{what}"\n'


def part(disposition: str, content: str) -> str:
    return f"--xx\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n"


LEAVES = '<s:a xmlns:s="http://x" i="1"> <b>t</b>mix<c><d><![CDATA[<u>]]>&amp;</d></c><e/></s:a>'
CASES: dict[str, tuple[str, str, str, str]] = {
    "xml into args": ("SecParseXmlIntoArgs On\n" + XML + "".join(
        show(f"ARGS:xml.a.{name}", n) for n, name in enumerate(("b", "c.d", "e", "c"), 1)
    ) + show("&ARGS", 5, "@eq 3") + show("XML:/*", 6, "@contains mix"), "/", "text/xml", LEAVES),
    "xml only into args": ("SecParseXmlIntoArgs OnlyArgs\n" + XML + show("ARGS:xml.a.b", 1) + show("XML:/*", 2),
                           "/", "text/xml", LEAVES),
    "ctl:parseXmlIntoArgs": (XML + ctl("parseXmlIntoArgs=On") + show("ARGS:xml.a.b", 1), "/", "text/xml", LEAVES),
    "xml namespaces": (XML + show("XML:/q:a/b/text()", 1, "@streq t", ",xmlns:q=http://x"), "/", "text/xml", LEAVES),
    "separator": ("SecArgumentSeparator ;\n" + show("&ARGS", 1, "@eq 3") + show("ARGS", 2), "/?a=1;b=2", FORM_TYPE, "c=3&d"),
    "size without files": ("SecRequestBodyNoFilesLimit 10\n" + show("REQBODY_ERROR", 1, "@eq 1"), "/", FORM_TYPE, "a=12345678901"),
    "combined size": ('SecRule ARGS_COMBINED_SIZE "@eq 9" "id:1,phase:2,pass,log"\n', "/?aa=1&bb", FORM_TYPE, "c=xyz"),
    "files": (show("FILES", 1) + show("FILES_NAMES", 2) + show("FILES_SIZES", 3) + show("FILES_COMBINED_SIZE", 4)
              + show("MULTIPART_PART_HEADERS", 5) + show("MULTIPART_NAME", 6) + show("ARGS", 7), "/", MULTIPART,
              part('name="f"; filename="a.txt"', "evil") + part('name="g"', "x") + "--xx--\r\n"),
    "json": (JSON + show("ARGS:json.a.array_1.b", 1) + show("ARGS:json.t", 2) + show("ARGS:json.n", 3) + show("ARGS:json.i", 4)
             + show("&ARGS:json.d", 5, "@eq 2"), "/", "application/json",
             '{"a":["x",{"b":"y"}],"t":true,"n":null,"i":1.50,"d":1,"d":2}'),
    "json depth": ("SecRequestBodyJsonDepthLimit 3\n" + JSON + show("REQBODY_ERROR", 1, "@eq 1"), "/", "application/json",
                   '{"a":{"b":{"c":{"d":1}}}}'),
    "json depth within": ("SecRequestBodyJsonDepthLimit 4\n" + JSON + show("REQBODY_ERROR", 1, "@eq 1"), "/",
                          "application/json", '{"a":{"b":{"c":1}}}'),
    "forceRequestBodyVariable": (ctl("forceRequestBodyVariable=On") + show("REQUEST_BODY", 1), "/", "x/y", "abc"),
    "requestBodyProcessor": (ctl("requestBodyProcessor=URLENCODED") + show("ARGS", 1), "/", "x/y", "q=1"),
    "requestBodyAccess": (ctl("requestBodyAccess=Off") + show("ARGS_POST", 1) + show("REQUEST_BODY", 2, "@rx ."), "/", FORM_TYPE, "q=1"),
    **{f"ctl:ruleRemoveTarget{by}": (ctl(f"ruleRemoveTargetBy{by}={what};ARGS:a") + REMOVED, "/?a=1", "", "")
       for by, what in (("Id", "10"), ("Tag", "t1"), ("Msg", "m1"))},
    **{f"ctl:ruleRemoveTarget{by} by pattern": (ctl(f"ruleRemoveTargetBy{by}={what};ARGS:/^a/") + REMOVED, "/?abc=1", "", "")
       for by, what in (("Id", "10-11"), ("Tag", "t1"), ("Msg", "m1"))},
    **{f"ctl:ruleRemove{by} {what}": (ctl(f"ruleRemoveBy{by}={what}") + REMOVED, "/?a=1", "", "")
       for by, what in (("Id", "5-10"), ("Tag", "t1"), ("Msg", "m1"), ("Tag", "t.*"))},
    **{f"SecRuleUpdateTarget{by}": (REMOVED + f"SecRuleUpdateTargetBy{by} {what} !ARGS:/^a/\n", "/?abc=1", "", "")
       for by, what in (("Id", "10"), ("Tag", "t1"), ("Msg", "m1"))},
    **{f"SecRuleRemoveByTag {tag}": (REMOVED + f"SecRuleRemoveByTag {tag}\n", "/?b=1", "", "") for tag in ("t1", "t", "t.*")},
    **{f"skipAfter of a chain, {'met' if value == '1' else 'not met'}": (
        f'SecRule ARGS "@rx ." "id:1,phase:2,pass,log,chain,skipAfter:E"\nSecRule ARGS "@rx {value}" "t:none"\n'
        + show("ARGS", 2) + "SecMarker E\n" + show("ARGS", 3), "/?a=1", "", "") for value in ("1", "2")},
    "skipAfter in the last link": (
        'SecRule ARGS "@rx ." "id:1,phase:2,pass,log,chain"\nSecRule ARGS "@rx 1" "t:none,skipAfter:E"\n'
        + show("ARGS", 2) + "SecMarker E\n" + show("ARGS", 3), "/?a=1", "", ""),
    "multiMatch with capture": (
        'SecRule ARGS "@rx (a)" "id:1,phase:2,pass,log,multiMatch,capture,t:none,t:lowercase,t:urlDecode,msg:\'%{TX.1}\'"\n',
        "/?a=%2541a", "", ""),
    "captures are unset": ('SecRule ARGS "@rx (a)(b)?" "id:1,phase:2,pass,nolog,capture"\n' + show("TX:1", 2)
                           + show("&TX:2", 3, "@eq 0"), "/?a=ac", "", ""),
    "expirevar with a macro": (
        'SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:tx.t=60"\n'
        'SecAction "id:2,phase:1,pass,nolog,setvar:ip.x=1,expirevar:ip.x=%{tx.t}"\n' + show("&IP:x", 3, "@eq 1"),
        "/", "", ""),
    "unicode": (show("ARGS", 1, "@streq <x", ",t:urlDecodeUni"), "/?a=%2525uff1cx", "", ""),
    "block without a default": ('SecRule ARGS "@rx ." "id:1,phase:2,block,log"\n' + show("ARGS", 2), "/?a=1", "", ""),
}  # fmt: skip


def ours(rules: str, target: str, kind: str, body: str) -> set[tuple[int, str]]:
    t = Waf.load(WafSettings(bare=True, directives=ON + rules)).begin(
        ConnectionFacts(b"203.0.113.7", 4, b"192.0.2.1", 80)
    )
    method = b"POST" if body else b"GET"
    headers = [(b"content-type", kind.encode())] if kind else []
    assert t.request_head(method, target.encode(), b"1.1", headers) is None
    if body:
        t.request_body(body.encode())
    t.request_end()
    return {(fired.rule.rule_id, fired.message.decode().lower()) for fired in t.fired}


def theirs(rules: str, target: str, kind: str, body: str) -> set[tuple[int, str]]:
    fields = [("Content-Type", kind)] if kind else []
    found = Oracle(ON + rules).messages("POST" if body else "GET", target, fields, body.encode())
    return {(message.rule_id, message.message.lower()) for message in found}


@pytest.mark.parametrize("name", CASES)
def test_both_make_the_same_of_it(name: str) -> None:
    assert ours(*CASES[name]) == theirs(*CASES[name])


@pytest.mark.parametrize("choice", ["ById=10-11", "ByTag=t1", "ByMsg=m1"])
def test_a_target_taken_away_by_a_pattern_leaves_the_others(choice: str) -> None:
    """libmodsecurity 3.0.15 drops the rule altogether."""
    rules = ctl(f"ruleRemoveTarget{choice};ARGS:/^a/") + REMOVED
    assert {number for number, _ in ours(rules, "/?abc=1&b=2", "", "")} == {10, 11}
    assert ours(rules, "/?abc=1", "", "") == set()
