"""Exclusions do what they say and no more: as YAML, as CRS users' own files, and against evasion."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.config.waf import WafConfig
from bascule.proxy.firewall import settings_of
from bascule.waf.engine import ConnectionFacts, Waf, WafLoadError

RULES = """
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|REQUEST_HEADERS:user-agent "@rx evil" \
    "id:942100,phase:2,deny,status:403,t:none,t:lowercase,tag:'attack-sqli',tag:'OWASP_CRS/ATTACK-SQLI'"
SecRule ARGS_GET|ARGS_POST "@contains wicked" "id:942200,phase:2,deny,status:403,t:none,tag:'attack-sqli'"
SecRule REQUEST_FILENAME|ARGS "@contains vile" "id:950001,phase:1,deny,status:403,t:none,tag:'attack-lfi'"
"""


def firewall(tmp_path: Path, *exclusions: dict[str, Any], extra: str = "", rules: str = RULES) -> Waf:
    file = tmp_path / "rules.conf"
    file.write_text(rules + extra)
    config = WafConfig.model_validate(
        {"mode": "block", "rules": "crs", "directives": [str(file)], "exclusions": list(exclusions), "budget": 60}
    )
    return Waf.load(settings_of(config))


def blocks(waf: Waf, target: str, *fields: tuple[str, str], body: str = "") -> bool:
    transaction = waf.begin(ConnectionFacts(b"192.0.2.1", 1, b"127.0.0.1", 80))
    headers = [(b"host", b"shop.example"), *((n.encode(), v.encode()) for n, v in fields)]
    if body:
        headers.append((b"content-type", b"application/x-www-form-urlencoded"))
    if transaction.request_head(b"POST" if body else b"GET", target.encode(), b"1.1", headers):
        return True
    transaction.request_body(body.encode())
    return transaction.request_end() is not None


def test_without_exclusions_the_rules_block(tmp_path: Path) -> None:
    waf = firewall(tmp_path)
    assert blocks(waf, "/search?q=evil")
    assert blocks(waf, "/search?q=wicked")
    assert blocks(waf, "/search?q=vile")
    assert not blocks(waf, "/search?q=good")


def test_path_parameter_and_rule_must_all_fit(tmp_path: Path) -> None:
    waf = firewall(tmp_path, {"path": "/search", "parameter": "q", "rules": [942100]})
    assert not blocks(waf, "/search?q=evil")
    assert not blocks(waf, "/search/deep?q=evil")
    assert not blocks(waf, "/search", body="q=evil")
    assert not blocks(waf, "/search?Q=evil")  # selectors know no case, as in ModSecurity
    assert blocks(waf, "/searching?q=evil")
    assert blocks(waf, "/other?q=evil")
    assert blocks(waf, "/search?other=evil")
    assert blocks(waf, "/search?evil=q")
    assert blocks(waf, "/search?q=wicked")
    assert blocks(waf, "/search?q=good", ("cookie", "q=evil"))


@pytest.mark.parametrize(
    ("rules", "evil", "wicked"),
    [
        (["942100-942150"], False, True),
        (["942100", 942200], False, False),
        (["tag:attack-sqli"], False, False),
        (["tag:OWASP_CRS/ATTACK-SQLI"], False, True),
        (["tag:attack-xss"], True, True),
        (["950001"], True, True),
    ],
)
def test_rules_by_id_range_and_tag(tmp_path: Path, rules: list[Any], evil: bool, wicked: bool) -> None:
    for parameter in ("q", ""):
        waf = firewall(tmp_path, {"parameter": parameter, "rules": rules})
        assert blocks(waf, "/?q=evil") is evil
        assert blocks(waf, "/?q=wicked") is wicked
        assert blocks(waf, "/?p=evil") is (evil or bool(parameter))


def test_cookies_and_headers(tmp_path: Path) -> None:
    waf = firewall(
        tmp_path,
        {"parameter": "cookie:prefs", "rules": [942100]},
        {"parameter": "header:User-Agent", "rules": [942100]},
        {"parameter": "ns:key", "rules": [942100]},
    )
    assert not blocks(waf, "/", ("cookie", "prefs=evil; x=1"))
    assert blocks(waf, "/", ("cookie", "other=evil"))
    assert not blocks(waf, "/", ("user-agent", "evil"))
    assert blocks(waf, "/?prefs=evil")
    assert not blocks(waf, "/?ns:key=evil")
    assert blocks(waf, "/?key=evil")


def test_an_exclusion_ends_after_its_last_day(tmp_path: Path) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    for days, excluded in ((1, True), (0, True), (-1, False)):
        ends = today + datetime.timedelta(days=days)
        waf = firewall(tmp_path, {"parameter": "q", "rules": [942100], "expires": ends})
        assert blocks(waf, "/?q=evil") is not excluded


@pytest.mark.parametrize(
    "target",
    [
        "/search/../admin?q=evil",
        "/search/%2e%2e/admin?q=evil",
        "/search/..;/admin?q=evil",
        "/search/..%2fadmin?q=evil",
        "/search/..\\admin?q=evil",
        "/admin/..%2Fsearch?q=evil",
        "/%2e%2e/search?q=evil",
        "/search%00/../admin?q=evil",
    ],
)
def test_a_path_that_climbs_gets_no_exclusion(tmp_path: Path, target: str) -> None:
    assert blocks(firewall(tmp_path, {"path": "/search", "rules": [942100]}), target)
    assert blocks(firewall(tmp_path, {"path": "/search", "parameter": "q", "rules": ["tag:attack-sqli"]}), target)


ODD = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(ODD.filter(lambda name: name == name.lower() and name.partition(":")[0] not in ("cookie", "header")), ODD)
def test_any_name_and_path_can_be_excluded_and_only_they(
    tmp_path_factory: pytest.TempPathFactory, name: str, path: str
) -> None:
    path = "/" + path.replace(".", "_").replace("?", "_").strip("/")  # REQUEST_FILENAME ends at a decoded ?
    waf = firewall(tmp_path_factory.mktemp("odd"), {"path": quote(path), "parameter": name, "rules": [942100]})
    where, parameter = quote(path), quote(name, safe="")
    assert not blocks(waf, f"{where}?{parameter}=evil")
    assert blocks(waf, f"{where}?{parameter}x=evil")
    assert blocks(waf, f"{where}?x{parameter}=evil")
    assert blocks(waf, f"{where}x?{parameter}=evil")


def test_a_rule_name_that_would_be_a_directive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WafLoadError, match="neither a rule's id"):
        firewall(tmp_path, {"rules": ['tag:x",ctl:ruleEngine=Off']})


OWN_FILES = {
    "SecRuleRemoveById": ('SecRuleRemoveById 942100 942200-942299', {"evil": False, "wicked": False, "vile": True}),
    "SecRuleRemoveByTag": ('SecRuleRemoveByTag "attack-sqli"', {"evil": False, "wicked": False, "vile": True}),
    "SecRuleUpdateTargetById": (
        'SecRuleUpdateTargetById 942100 "!ARGS:q"',
        {"evil": False, "wicked": True, "vile": True},
    ),
    "SecRuleUpdateTargetById with a pattern": (
        'SecRuleUpdateTargetById 942100 "!ARGS:/^q/"',
        {"evil": False, "wicked": True, "vile": True},
    ),
    "SecRuleUpdateTargetByTag": (
        'SecRuleUpdateTargetByTag "attack-lfi" "!ARGS:q"',
        {"evil": True, "wicked": True, "vile": False},
    ),
    "SecRuleUpdateActionById": (
        'SecRuleUpdateActionById 942100 "pass"',
        {"evil": False, "wicked": True, "vile": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN_FILES)
def test_crs_users_files_after_the_rules(tmp_path: Path, name: str) -> None:
    directive, expected = OWN_FILES[name]
    waf = firewall(tmp_path, extra=directive + "\n")
    assert {word: blocks(waf, f"/search?q={word}") for word in expected} == expected
    if "ARGS" in directive:
        assert blocks(waf, "/search?p=evil")
        assert blocks(waf, "/search?p=vile")


CONTROLS = {
    "ctl:ruleRemoveById=942100": {"evil": False, "wicked": True},
    "ctl:ruleRemoveByTag=attack-sqli": {"evil": False, "wicked": False},
    "ctl:ruleRemoveTargetById=942100;ARGS:q": {"evil": False, "wicked": True},
    "ctl:ruleRemoveTargetById=942100-942300;ARGS": {"evil": False, "wicked": True},
    "ctl:ruleRemoveTargetByTag=attack-sqli;ARGS_GET:q": {"evil": True, "wicked": False},
    "ctl:ruleEngine=Off": {"evil": False, "wicked": False},
}


@pytest.mark.parametrize("control", CONTROLS)
def test_controls_of_crs_users_files_before_the_rules(tmp_path: Path, control: str) -> None:
    own = f'SecRule REQUEST_FILENAME "@beginsWith /search" "id:1000,phase:1,pass,t:none,nolog,{control}"\n'
    waf = firewall(tmp_path, rules=own + RULES)
    for word, expected in CONTROLS[control].items():
        assert blocks(waf, f"/search?q={word}") is expected, word
        assert blocks(waf, f"/other?q={word}")


def test_an_exclusion_that_names_no_rule_is_said(tmp_path: Path) -> None:
    waf = firewall(
        tmp_path,
        {"path": "/a", "rules": ["942100", "942000-942999", "tag:attack-sqli"], "reason": "known"},
        {"path": "/b", "rules": ["942109", "942300-942399", "tag:attack-sql", "802012"], "reason": "typing"},
    )
    said = [text for text in waf.warnings if "exclusion" in text]
    assert said == [
        f"the exclusion for /b (typing) names {name}: no such rule"
        for name in ("942109", "942300-942399", "attack-sql")
    ], "rules of Bascule's own may be those of another route"
