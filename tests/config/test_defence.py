"""Rate limits and defence as they are written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bascule.config.access import Visitors
from bascule.config.defence import Limit, parse_key, parse_rate

from .conftest import Fail, Load


@pytest.mark.parametrize(
    ("text", "rate", "per", "burst", "over", "mode"),
    [
        ("50/s", "50/1s", ("client",), 50, "refuse", "block"),
        ("50/s per client", "50/1s", ("client",), 50, "refuse", "block"),
        ("100/m burst 20 per client, path", "100/60s", ("client", "path"), 20, "refuse", "block"),
        ("5/h per header:X-API-Key delay", "5/3600s", ("header:x-api-key",), 5, "delay", "block"),
        ("1000/10s per all detect", "1000/10s", ("all",), 1000, "refuse", "detect"),
        ("3/500ms per cookie:Sid delay detect", "3/0.5s", ("cookie:Sid",), 3, "delay", "detect"),
        (" 7/1.5m ", "7/90s", ("client",), 7, "refuse", "block"),
    ],
)
def test_short_forms(text: str, rate: str, per: tuple[str, ...], burst: int, over: str, mode: str) -> None:
    limit = Limit.model_validate(text)
    assert (str(limit.rate), limit.per, limit.size, limit.over, limit.mode) == (rate, per, burst, over, mode)
    assert Limit.model_validate(limit.model_dump(exclude_none=True)) == limit


@pytest.mark.parametrize("text", ["", "s", "0/s", "50", "50/y", "-1/s", "50/s/s", "1/0s", "50/"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["ip", "header:", "header:a b", "cookie:a;b", "client/24", ""])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"is nothing to count by|is not the name of a"):
        parse_key(text)


@pytest.mark.parametrize("text", ["50/s for client", "50/s burst many", "50/s per", "50/s per client now"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValidationError, match=r"write RATE \[burst N\] \[per KEY, KEY\]"):
        Limit.model_validate(text)


def test_a_quota_is_no_rate() -> None:
    with pytest.raises(ValidationError, match="it would take 48 hours"):
        Limit.model_validate("10/d burst 20")


TOP = "listen: 80\n"
SITE = "sites: {a.example: {routes: {/: {servers: ['10.0.0.1:80'], limit: %s}}}}\n"


@pytest.mark.parametrize(
    ("text", "key", "message", "hint"),
    [
        (TOP + "limit: 5/s per path\n" + SITE % "[]", "limit[0].per", "paths are known once a site is", ""),
        (TOP + SITE % "5/s per country", ".limit[0].per", "a limit per country needs a database", "geo"),
        (TOP + SITE % "[5/s per asn]", ".limit[0].per", "a limit per asn needs a database", "geo"),
        (TOP + SITE % "{rate: 5/s, max_delay: 3s}", ".limit[0].max_delay", "no effect without over: delay", ""),
        (TOP + SITE % "['5/s per all, client']", ".limit[0].per", "`all` is one count of everybody", ""),
        (TOP + SITE % "['5/s per client, client']", ".limit[0].per", "a key is named twice", ""),
        (TOP + SITE % "[5/s, 5/s burst 9]", ".limit[1]", "two limits go by the name 5-per-1s-client", ""),
        (TOP + "defence: {geo: {country: no.mmdb}}\n" + SITE % "[]", "defence.geo.country", "cannot be read", ""),
        (TOP + SITE % "5/fortnight", ".limit", "is not a rate", ""),
    ],
)  # fmt: skip
def test_what_is_refused(fail_text: Fail, text: str, key: str, message: str, hint: str) -> None:
    problem = fail_text(text).problems[0]
    assert message in problem.message
    assert key.partition("[")[0] in problem.key
    assert hint in problem.hint


def test_what_a_route_inherits(load_text: Load) -> None:
    plan = load_text(
        """
        listen: 80
        limit: 1000/s per all
        sites:
          a.example:
            limit: 50/s per client
            routes:
              /: {servers: ['10.0.0.1:80']}
              /login: {servers: ['10.0.0.1:80'], limit: [5/m, 100/h per host]}
        """
    )
    assert [(one.scope, one.limit.label) for one in plan.rates] == [("", "1000-per-1s-all")]
    root, login = plan.sites[0].routes
    assert [(one.scope, one.limit.label) for one in root.rates] == [("a.example", "50-per-1s-client")]
    assert [(one.scope, one.limit.label) for one in login.rates] == [
        ("a.example", "50-per-1s-client"),
        ("a.example /login", "5-per-60s-client"),
        ("a.example /login", "100-per-3600s-host"),
    ]


def test_everybody_allowed(load_text: Load) -> None:
    plan = load_text("listen: 80\ndefence: {allow: [0.0.0.0/0]}\nsites: {a.example: '10.0.0.1:80'}")
    assert "nothing defends" in plan.warnings[0].message


CAPTCHA_STEP = """
listen: 80
account: {mode: %s, steps: {captcha: 60}}
sites: {a.example: {challenge: auto, routes: {/: ["10.0.0.1:80"]}}}
challenge: {under_attack: off%s}
"""
PROVIDER = ", captcha: {site_key: K, secret: S, script: 'https://c.example/a.js', verify: 'https://c.example/v'}"


def test_an_account_leads_to_a_captcha_only_where_there_is_a_provider(load_text: Load, fail_text: Fail) -> None:
    problem = fail_text(CAPTCHA_STEP % ("block", "")).problems[0]
    assert (problem.key, "no provider of captchas" in problem.message) == ("account.steps.captcha", True)
    assert "captcha: {site_key" in problem.hint
    assert load_text(CAPTCHA_STEP % ("block", PROVIDER)).sites[0].routes[0].challenge.captcha is not None


@pytest.mark.parametrize(
    ("crawlers", "key", "hint"),
    [
        ("names: {AcmeBot: []}", "crawlers.names.AcmeBot", "[example.com]"),
        ("names: {'': [example.com]}", "crawlers.names", "name the crawler"),
    ],
)
def test_a_crawler_that_everybody_or_nobody_is(fail_text: Fail, crawlers: str, key: str, hint: str) -> None:
    [problem] = fail_text(f"""
listen: ["127.0.0.1:8080"]
crawlers: {{mode: block, {crawlers}}}
sites: {{a.example: "127.0.0.1:1"}}
""").problems
    assert problem.key.startswith(key)
    assert hint in problem.hint


def test_times_that_are_not_stated_are_dumped_as_none() -> None:
    assert Visitors.model_validate({}).model_dump(exclude_defaults=True) == {}
    assert Visitors.model_validate({}).model_dump()["when"] is None
