"""Rules: which one decides, what has to be known first, and what is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bascule.config.schema import Forward
from bascule.forward.conditions import Need
from bascule.forward.domains import DomainTable
from bascule.forward.lists import parse_list
from bascule.forward.policy import Access, Policy, load_table
from bascule.forward.preview import preview
from bascule.forward.target import proxy_form, target_of
from bascule.http.h1.head import RequestParser, ResponseParser

PARSER = RequestParser(other_form=proxy_form)
MONDAY_NINE = (0, 540)
LDAP = {"servers": ["ldap://127.0.0.1"], "base": "dc=test"}


def policy_of(*rules: dict[str, Any], **more: Any) -> Policy:
    more.setdefault("categories", {"games": []})
    forward = Forward.model_validate({"listen": [1], "rules": rules, **more})
    table = DomainTable({"games": [parse_list(b"play.example\n")]})
    return Policy(forward, table, lambda: MONDAY_NINE)


def access(policy: Policy, line: str, *fields: str, user: str | None = "", groups: tuple[str, ...] = ()) -> Access:
    head = PARSER.parse("\r\n".join([f"{line} HTTP/1.1", "Host: h", *fields, "", ""]).encode())
    target = target_of(head)
    assert target is not None
    made = Access(policy, b"10.0.0.7", target, head.method, None if head.method == b"CONNECT" else head)
    made.user, made.groups = user, frozenset(groups)
    return made


GET = "GET http://www.play.example/shop/x?id=1"
CONNECT = "CONNECT www.play.example:443"


@pytest.mark.parametrize(
    ("condition", "line", "holds"),
    [
        ({}, GET, True),
        ({"domain": "play.example"}, GET, True),
        ({"domain": "PLAY.example"}, GET, True),
        ({"domain": "lay.example"}, GET, False),
        ({"domain": "=play.example"}, GET, False),
        ({"domain": "=www.play.example"}, GET, True),
        ({"domain": "~^w+[.]"}, GET, True),
        ({"domain": ["a.example", "b.example"]}, GET, False),
        ({"category": "games"}, GET, True),
        ({"category": "games"}, "GET http://other.example/", False),
        ({"port": 80}, GET, True),
        ({"port": "81-443"}, CONNECT, True),
        ({"method": "connect"}, CONNECT, True),
        ({"method": ["POST", "PUT"]}, GET, False),
        ({"source": "10.0.0.0/8"}, GET, True),
        ({"source": "10.1.0.0/16"}, GET, False),
        ({"path": "/shop/"}, GET, True),
        ({"path": "/admin/"}, GET, False),
        ({"path": "~id=[0-9]"}, GET, True),
        ({"path": "/"}, CONNECT, False),  # cannot be known
        ({"header": {"X-A": "b"}}, GET, True),
        ({"header": {"x-a": "~^B$"}}, GET, False),
        ({"header": {"x-a": "*", "x-b": "*"}}, GET, False),
        ({"request_type": "application/*"}, GET, True),
        ({"request_type": ["image/png"]}, GET, False),
        ({"when": "Mon 09:00-09:01"}, GET, True),
        ({"when": "Tue"}, GET, False),
        ({"for": "anna"}, GET, True),
        ({"for": "*"}, GET, True),
        ({"for": "students"}, GET, True),
        ({"for": "ben"}, GET, False),
        ({"domain": "play.example", "port": 443}, GET, False),  # all of them
        ({"mime": "text/*"}, CONNECT, False),
    ],
)
def test_conditions(condition: dict[str, Any], line: str, holds: bool) -> None:
    policy = policy_of({"deny": condition})
    asked = access(policy, line, "X-A: b", "Content-Type: application/json; x=y", user="anna", groups=("students",))
    assert policy.decide(asked).action == ("deny" if holds else "allow")


def test_the_first_that_holds_decides() -> None:
    policy = policy_of({"allow": {"domain": "play.example"}}, {"deny": {}, "name": "rest"}, default="deny")
    decision = policy.decide(access(policy, GET))
    assert (decision.action, policy.name(decision)) == ("allow", "rule 1")
    decision = policy.decide(access(policy, "GET http://x.example/"))
    assert (decision.action, policy.name(decision)) == ("deny", "rest")
    none = policy_of(default="deny")
    assert none.name(none.decide(access(none, GET))) == "default deny"


def test_a_user_is_asked_for_only_where_it_matters() -> None:
    policy = policy_of({"deny": {"for": "anna", "domain": "play.example"}})
    assert policy.decide(access(policy, GET, user=None)).need is Need.USER
    assert policy.decide(access(policy, "GET http://x.example/", user=None)).action == "allow"
    assert policy.decide(access(policy, GET, user="")).action == "allow"


def test_an_address_is_asked_for_only_where_it_matters() -> None:
    policy = policy_of({"allow": {"domain": "x.example"}}, {"deny": {"ip": "192.0.2.0/24"}})
    assert policy.decide(access(policy, "GET http://x.example/")).action == "allow"
    asked = access(policy, GET)
    assert policy.decide(asked).need is Need.ADDRESS
    asked.address = "192.0.2.9"
    assert policy.decide(asked).action == "deny"
    asked.address = "198.51.100.1"
    assert policy.decide(asked).action == "allow"
    assert policy.decide(access(policy, "GET http://192.0.2.1/")).action == "deny"


def response(mime: str, length: int = 3) -> Any:
    text = f"HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\nContent-Length: {length}\r\n\r\n"
    return ResponseParser().parse(text.encode(), b"GET")


def test_rules_about_the_response_are_asked_again() -> None:
    policy = policy_of({"deny": {"mime": "video/*"}}, {"deny": {"size": "1KiB"}}, {"allow": {}})
    asked = access(policy, GET)
    first = policy.decide(asked)
    assert (first.action, first.revise) == ("allow", True)
    for head, action in (
        (response("video/mp4"), "deny"),
        (response("text/html"), "allow"),
        (response("a/b", 2000), "deny"),
    ):
        asked.response = head
        assert policy.decide(asked).action == action


def test_what_only_the_response_may_allow_is_let_through_until_then() -> None:
    policy = policy_of({"allow": {"mime": "text/html"}}, {"deny": {}})
    asked = access(policy, GET)
    assert policy.decide(asked).action == "allow"
    asked.response = response("image/png")
    assert policy.decide(asked).action == "deny"
    assert policy.decide(access(policy, CONNECT)).action == "deny"
    strict = policy_of({"deny": {"mime": "text/html"}}, {"deny": {}})
    assert strict.decide(access(strict, GET)).action == "deny"


def test_preview(tmp_path: Path) -> None:
    (tmp_path / "games").write_text("play.example\nnonsense here\n")
    forward = Forward.model_validate(
        {
            "listen": [1],
            "categories": {"games": str(tmp_path / "games")},
            "auth": {"users": "users", "groups": {"students": "anna"}},
            "rules": [
                {"allow": {"domain": "play.example", "when": "Sat"}},
                {"deny": {"category": "games", "for": "students"}, "reason": "No games."},
            ],
        }
    )
    assert load_table(forward)[1] == [f"forward.categories.games: {tmp_path}/games: 1 lines say nothing about a domain"]
    request = b"CONNECT www.play.example:443 HTTP/1.1\r\nHost: h\r\n\r\n"
    told = preview(forward, request, client="127.0.0.1", user="anna", clock=MONDAY_NINE)
    assert (told["decision"], told["why"]) == ("deny", "rule 2: No games.")
    assert [(step["holds"], step["condition"]) for step in told["rules"]] == [("no", "when"), ("yes", "")]
    assert (told["categories"], told["groups"]) == (["games"], ["students"])
    assert preview(forward, request, client="127.0.0.1", user="ben", clock=MONDAY_NINE)["decision"] == "allow"
    assert preview(forward, request, client="127.0.0.1", clock=MONDAY_NINE)["decision"] == "ask"
    assert "clients" in preview(forward, request, client="8.8.8.8", user="ben")["why"]
    inside = preview(forward, request, client="127.0.0.1", user="ben", address="10.0.0.1")
    assert (inside["decision"], "allow_private" in inside["why"]) == ("deny", True)
    mail = preview(forward, request.replace(b":443", b":25"), client="127.0.0.1", user="ben")
    assert (mail["decision"], "ports.connect" in mail["why"]) == ("deny", True)
    with pytest.raises(ValueError, match="not what a proxy can be asked for"):
        preview(forward, b"GET ftp://a/ HTTP/1.1\r\nHost: h\r\n", client="127.0.0.1")


@pytest.mark.parametrize(("auth", "holds"), [({"ldap": LDAP}, True), ({"users": ""}, False)])
def test_names_fold_where_a_directory_knows_them_only(auth: dict[str, Any], holds: bool) -> None:
    """The user of a file who is called anna is another one than Anna."""
    policy = policy_of({"deny": {"for": "Anna"}}, auth=auth)
    for name, is_meant in (("Anna", True), ("anna", holds), ("ANNA", False)):
        assert (policy.decide(access(policy, GET, user=name)).action == "deny") is is_meant
