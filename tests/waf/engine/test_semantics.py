"""What rules mean: chains, skips, scores, collections, removals, allow, time budget, load errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.waf.engine import Waf, WafLoadError, WafSettings
from bascule.waf.policy import Exclusion
from bascule.waf.seclang.collections import CollectionStore, LocalTable
from tests.waf.engine.world import CLIENT, HOST, Request, fired, send, waf

ON = "SecRuleEngine On\n"


def get(query: str, *headers: tuple[bytes, bytes]) -> Request:
    return Request(target=b"/x?" + query.encode(), headers=[HOST, *headers])


def test_an_anomaly_score_is_summed_and_blocks() -> None:
    firewall = waf(
        ON + 'SecAction "id:1,phase:1,pass,nolog,setvar:tx.score=0,setvar:tx.limit=5"\n'
        'SecRule ARGS "@contains bad" "id:2,phase:2,pass,log,setvar:tx.score=+3"\n'
        'SecRule ARGS_NAMES "@contains worse" "id:3,phase:2,pass,log,setvar:tx.score=+3"\n'
        'SecRule TX:score "@ge %{tx.limit}" "id:4,phase:2,deny,status:418,msg:\'%{tx.score}\'"\n'
    )
    t, verdict = send(firewall, get("a=bad"))
    assert (fired(t), verdict) == ([2], None)
    t, verdict = send(firewall, get("worse=bad"))
    assert verdict is not None
    assert (fired(t), verdict.status, verdict.rule_id, verdict.message) == ([2, 3, 4], 418, 4, b"6")


def test_a_setvar_runs_for_every_value_that_matches() -> None:
    firewall = waf(ON + 'SecRule ARGS "@rx x" "id:1,phase:2,pass,log,setvar:tx.n=+1"\n')
    t, _ = send(firewall, get("a=x&b=y&c=xx&d=x"))
    assert t.tx[b"n"] == b"3"


def test_a_chain_needs_every_link_and_acts_as_its_first() -> None:
    firewall = waf(
        ON + 'SecRule ARGS:a "@streq 1" "id:1,phase:2,deny,status:403,chain"\n'
        'SecRule MATCHED_VAR "@streq 1" "chain"\nSecRule ARGS:b "@streq 2" "setvar:tx.done=1"\n'
    )
    assert send(firewall, get("a=1&b=3"))[1] is None
    t, verdict = send(firewall, get("a=1&b=2"))
    assert verdict is not None
    assert t.tx[b"done"] == b"1"


def test_no_number_of_matches_hides_one_from_the_links_behind() -> None:
    firewall = waf(
        ON + 'SecRule ARGS|REQUEST_COOKIES "@rx ." "id:1,phase:2,deny,status:403,chain"\n'
        'SecRule MATCHED_VARS "@streq evil"\n'
    )
    query = "&".join(f"g{n}=x" for n in range(999))
    cookies = [(b"cookie", b"c%d=x" % n) for n in range(999)]
    assert send(firewall, get(query, *cookies))[1] is None
    assert send(firewall, get(query, *cookies, (b"cookie", b"z=evil")))[1] is not None


def test_skip_after_and_skip() -> None:
    firewall = waf(
        ON + 'SecRule ARGS:a "@streq 1" "id:1,phase:2,pass,nolog,skipAfter:END"\n'
        'SecRule ARGS "@rx ." "id:2,phase:2,pass,log"\nSecMarker END\n'
        'SecRule ARGS:b "@streq 1" "id:3,phase:2,pass,log,skip:1"\n'
        'SecRule ARGS "@rx ." "id:4,phase:2,pass,log"\nSecRule ARGS "@rx ." "id:5,phase:2,pass,log"\n'
    )
    assert fired(send(firewall, get("a=1"))[0]) == [4, 5]
    assert fired(send(firewall, get("a=2&b=1"))[0]) == [2, 3, 5]


def test_allow_lets_a_request_pass_and_phase_only_the_phase() -> None:
    rules = (
        'SecRule ARGS:a "@streq {}" "id:{},phase:1,{},nolog"\n'
        'SecRule ARGS "@rx ." "id:{},phase:1,deny"\nSecRule ARGS "@rx ." "id:{},phase:2,deny"\n'
    )
    firewall = waf(ON + rules.format(1, 1, "allow", 2, 3))
    assert send(firewall, get("a=1"))[1] is None
    firewall = waf(ON + rules.format(1, 1, "allow:phase", 2, 3))
    verdict = send(firewall, get("a=1"))[1]
    assert verdict is not None
    assert verdict.rule_id == 3


def test_removals_at_run_time() -> None:
    firewall = waf(
        ON + 'SecRule ARGS:off "@streq id" "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=10-12"\n'
        'SecRule ARGS:off "@streq tag" "id:2,phase:1,pass,nolog,ctl:ruleRemoveByTag=attack"\n'
        'SecRule ARGS:off "@streq target" "id:3,phase:1,pass,nolog,ctl:ruleRemoveTargetById=10;ARGS:q"\n'
        'SecRule ARGS:off "@streq engine" "id:4,phase:1,pass,nolog,ctl:ruleEngine=Off"\n'
        'SecRule ARGS "@contains evil" "id:10,phase:2,deny,tag:\'attack\'"\n'
    )
    for way in ("id", "tag", "target", "engine"):
        assert send(firewall, get(f"off={way}&q=evil"))[1] is None, way
    assert send(firewall, get("off=target&r=evil"))[1] is not None
    assert send(firewall, get("off=no&q=evil"))[1] is not None


def test_updates_and_removals_by_directive() -> None:
    firewall = waf(
        ON
        + 'SecRuleRemoveById 1\nSecRuleUpdateTargetById 2 "!ARGS:token"\nSecRuleUpdateActionById 3 "pass,status:500"\n'
        'SecRule ARGS "@rx a" "id:1,phase:2,deny"\nSecRule ARGS "@rx b" "id:2,phase:2,deny"\n'
        'SecRule ARGS "@rx c" "id:3,phase:2,deny"\n'
    )
    assert send(firewall, get("x=a"))[1] is None
    assert send(firewall, get("token=b"))[1] is None
    assert send(firewall, get("x=b"))[1] is not None
    assert send(firewall, get("x=c"))[1] is None


def clocked(rules: str) -> tuple[Waf, list[float]]:
    """A firewall whose collection IP is open from the start, and the time of its clock."""
    now = [1_000.0]
    opening = 'SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}"\n'
    settings = WafSettings(directives=ON + opening + rules, bare=True)
    return Waf.load(settings, store=CollectionStore(), wall_clock=lambda: now[0]), now


def test_a_collection_counts_across_requests_and_expires() -> None:
    firewall, now = clocked(
        'SecRule ARGS:login "@streq bad" "id:2,phase:2,pass,nolog,setvar:ip.failed=+1,expirevar:ip.failed=60"\n'
        'SecRule IP:failed "@ge 3" "id:3,phase:2,deny,status:429"\n'
    )
    verdicts = [send(firewall, get("login=bad"))[1] for _ in range(3)]
    assert verdicts[:2] == [None, None]
    assert verdicts[2] is not None
    assert verdicts[2].status == 429
    now[0] += 61
    assert send(firewall, get("login=bad"))[1] is None


def test_a_later_setvar_keeps_what_expirevar_said() -> None:
    firewall, now = clocked(
        'SecAction "id:2,phase:1,pass,nolog,setvar:ip.asked=+1"\n'
        'SecRule IP:asked "@eq 1" "id:3,phase:1,pass,nolog,expirevar:ip.asked=60"\n'
        'SecRule IP:asked "@gt 1" "id:4,phase:2,deny,status:429"\n'
    )
    refused = []
    for _ in range(4):
        refused.append(send(firewall, get("a=b"))[1] is not None)
        now[0] += 25
    assert refused == [False, True, True, False]


def test_a_counter_is_lowered_by_the_clock() -> None:
    firewall, now = clocked(
        'SecRule ARGS:add "@gt 0" "id:2,phase:1,pass,nolog,setvar:ip.n=+%{MATCHED_VAR}"\n'
        'SecAction "id:3,phase:1,pass,nolog,deprecatevar:ip.n=2/10,setvar:tx.n=%{ip.n}"\n'
        'SecAction "id:4,phase:1,pass,nolog,setvar:tx.n=%{ip.n}"\n'
    )
    left: list[bytes] = []
    for pause in (9, 1, 25, 100):
        left.append(send(firewall, get("add=7" if not left else "a=b"))[0].tx[b"n"])
        now[0] += pause
    assert left == [b"7", b"7", b"5", b"1"]


def test_a_value_that_finds_no_room_is_noted() -> None:
    firewall = waf(
        ON + 'SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}"\n'
        'SecRule ARGS "@unconditionalMatch" "id:2,phase:1,pass,log,setvar:ip.%{MATCHED_VAR}=1"\n'
    )
    event = send(firewall, get("&".join(f"a={n}" for n in range(1100))))[0].finish()
    assert event is not None
    assert "collection IP: a record has room for 1024 variables; not stored" in event.notes


def test_a_rule_that_writes_to_what_it_opens_is_warned_of() -> None:
    firewall = waf(ON + 'SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.n=+1"\n')
    assert any("rule 1 writes to IP before it opens it" in warning for warning in firewall.warnings)


def test_the_local_store_is_bounded() -> None:
    store = CollectionStore(LocalTable(limit=3))
    for number in range(10):
        store.set(b"%d" % number, b"n", b"1", 0.0, 100.0)
    assert [store.load(b"%d" % n, 0.0) for n in (0, 9)] == [{}, {b"n": b"1"}]


def test_detection_only_returns_no_verdict_but_tells_it() -> None:
    firewall = waf('SecRuleEngine DetectionOnly\nSecRule ARGS "@rx a" "id:1,phase:2,deny,status:403"\n')
    t, verdict = send(firewall, get("x=a"))
    event = t.finish()
    assert verdict is None
    assert event is not None
    assert event.verdict is not None
    assert (event.verdict.status, event.enforced) == (403, False)


@pytest.mark.parametrize(("policy", "blocked"), [("open", False), ("closed", True)])
def test_a_spent_time_budget_follows_the_policy_and_is_noted(policy: str, blocked: bool) -> None:
    ticks = iter(range(10_000))
    rules = ON + "".join(f'SecRule ARGS "@rx a" "id:{n},phase:2,pass,log"\n' for n in range(1, 30))
    settings = WafSettings(directives=rules, bare=True, time_budget=5.0, on_budget=policy)
    firewall = Waf.load(settings, clock=lambda: float(next(ticks)), cpu_clock=lambda: float(next(ticks)))
    t, verdict = send(firewall, get("x=a"))
    event = t.finish()
    assert (verdict is not None) is blocked
    assert event is not None
    assert any("time budget" in note and policy in note for note in event.notes)
    assert len(fired(t)) < 29


def test_exclusions_are_scoped_by_path_and_parameter() -> None:
    rules = 'SecRule ARGS "@rx attack" "id:942100,phase:2,deny,tag:\'attack-sqli\'"\n'
    exclusions = (
        Exclusion(("942100",), path="/blog", parameter="ARGS:comment", owner="web", reason="free text"),
        Exclusion(("attack-sqli",), path="/admin"),
    )
    firewall = Waf.load(WafSettings(directives=rules, exclusions=exclusions))

    def blocked(target: bytes) -> bool:
        return send(firewall, Request(target=target))[1] is not None

    assert not blocked(b"/blog/new?comment=attack")
    assert blocked(b"/blog/new?title=attack")
    assert blocked(b"/shop?comment=attack")
    assert not blocked(b"/admin?x=attack")


@pytest.mark.parametrize(
    "body",
    [
        b'{"q":"attack"}',
        b'[{"q":["x","attack"]}]',
        b"<a><b>attack</b></a>",
        b"q=attack",
        b"x&q=att%61ck",
        b" " * 80 + b'{"q":"att\\u0061ck"}',
        b"\n" * 80 + b"<a>&#97;ttack</a>",
    ],
)
@pytest.mark.parametrize(
    "content_type", [b"", b"text/plain", b"application/octet-stream", b"application/x-www-form-urlencoded"]
)
def test_nothing_hides_behind_a_content_type_that_lies(body: bytes, content_type: bytes) -> None:
    assert is_refused(body, content_type)


def is_refused(body: bytes, content_type: bytes) -> bool:
    """Whether an argument is the word `attack`."""
    firewall = Waf.load(WafSettings(directives='SecRule ARGS|XML:/* "@streq attack" "id:1,phase:2,deny"\n'))
    headers = [HOST, *([(b"content-type", content_type)] if content_type else [])]
    return send(firewall, Request(b"POST", b"/", headers, body))[1] is not None


@pytest.mark.parametrize(
    "body",
    [
        b'{"q":"attack"',
        b'[{"q":["x","attack"}]',
        b"<a><b>attack</a>",
        b"{x=1&q=attack",
        b"[x]&q=att%61ck",
        b"<x&q=attack",
    ],
)
@pytest.mark.parametrize("content_type", [b"", b"text/plain", b"application/octet-stream"])
def test_nothing_hides_in_what_only_looks_like_a_document(body: bytes, content_type: bytes) -> None:
    assert is_refused(body, content_type)


LONG_NAME = b'"' + b"k" * 60_000 + b'":[' + b"1," * 9_000 + b"1]"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[' + b"1," * 1_100 + b'1],"q":"att\\u0061ck"}',
        b'{"a":1,' + LONG_NAME + b',"q":"att\\u0061ck"}',
        b'{"a":' + b"[" * 600 + b"]" * 600 + b',"q":"att\\u0061ck"}',
        b'{"a":1}{"q":"att\\u0061ck"}',
    ],
    ids=["many", "long", "deep", "two"],
)
@pytest.mark.parametrize("content_type", [b"", b"text/plain", b"application/x-www-form-urlencoded"])
def test_nothing_hides_in_a_document_beyond_a_limit_behind_a_content_type_that_lies(
    body: bytes, content_type: bytes
) -> None:
    assert is_refused(body, content_type)


@pytest.mark.parametrize("content_type", [b"", b"text/plain", b"application/x-www-form-urlencoded"])
def test_nothing_hides_behind_a_thousand_fields(content_type: bytes) -> None:
    firewall = Waf.load(WafSettings(directives='SecRule ARGS "@contains attack" "id:1,phase:2,deny"\n'))
    headers = [HOST, *([(b"content-type", content_type)] if content_type else [])]
    for start in (b"a=1&", b"{a=1&"):
        body = start + b"a=1&" * 1_100 + b"q=att%61ck"
        assert send(firewall, Request(b"POST", b"/", headers, body))[1] is not None


def test_nothing_hides_behind_a_thousand_others() -> None:
    rules = 'SecRule REQUEST_COOKIES "@streq attack" "id:1,phase:1,deny"\nSecRule XML://@* "@contains attack" "id:2,phase:2,deny"'
    firewall = Waf.load(WafSettings(directives=rules))
    cookies = b"a=1;" * 2_000 + b"q=attack"
    assert send(firewall, Request(headers=[HOST, (b"cookie", cookies)]))[1] is not None
    body = b"<a>" + b'<b c="1"/>' * 10_050 + b'<b c="attack"/></a>'
    assert send(firewall, Request(b"POST", b"/", [HOST, (b"content-type", b"text/xml")], body))[1] is not None


def test_what_begins_like_a_document_and_is_a_file_stays_one() -> None:
    noise = b"{attack\x00\x01\x02" + bytes(range(128, 256)) * 4
    assert not is_refused(noise + b"&q=attack", b"application/octet-stream")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('SecRule ARGS "@rx (a"  "id:1"', "unclosed"),
        ('SecRule ARGS "@nosuch a" "id:1"', "no operator @nosuch"),
        ('SecRule NOSUCH "@rx a" "id:1"', "no variable called NOSUCH"),
        ('SecRule ARGS "@rx a" "id:1,t:nosuch"', "no transformation t:nosuch"),
        ('SecRule ARGS "@rx a" "id:1,nosuch"', "no action called 'nosuch'"),
        ('SecRule ARGS "@rx a" "phase:1"', "needs an id"),
        ('SecRule ARGS "@rx a" "id:1,exec:/bin/x"', "refused"),
        ('SecRule ARGS "@rx a" "id:1,ctl:nosuch=1"', "ctl takes option=value"),
        ('SecRule ARGS "@rx a" "id:1,setvar:foo=1"', "setvar writes to"),
        ('SecRule ARGS:/(/ "@rx a" "id:1"', "linear-time"),
        ('SecRule ARGS "@rx a" "id:1,chain"', "no last rule"),
        ('SecRule ARGS "@rx a" "id:1', "never closed"),
        ("SecRuleEngine Maybe", "expected On, Off or DetectionOnly"),
        ("SecNothing On", "no such directive"),
        ("Include nowhere-*.conf", "no such file"),
        ("SecRuleScript x.lua", "refused"),
        ('SecRule ARGS "@pmFromFile nowhere.data" "id:1"', "nowhere.data"),
        ('SecAction "id:1,nolog"\nSecAction "id:1,nolog"', "duplicated"),
    ],
)
def test_what_cannot_be_honoured_fails_the_load_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "own.conf"
    file.write_text("# a comment\n" + text + "\n")
    with pytest.raises(WafLoadError) as caught:
        Waf.load(WafSettings(rules=(file,)))
    assert caught.value.file == str(file)
    assert caught.value.line >= 2
    assert reason in caught.value.reason


def test_a_phase_after_a_verdict_repeats_it() -> None:
    firewall = waf(
        ON + 'SecRule REQUEST_URI "@contains evil" "id:1,phase:1,redirect:https://example.com/,status:301"\n'
    )
    t = firewall.begin(CLIENT)
    verdict = t.request_head(b"GET", b"/evil", b"1.1", [HOST])
    assert verdict is not None
    assert (verdict.action, verdict.status, verdict.location) == ("redirect", 301, b"https://example.com/")
    assert t.request_end() == verdict
