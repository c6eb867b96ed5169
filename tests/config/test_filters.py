"""`waf.filters` and `waf.answers`: what they inherit, and what is said of mistakes."""

from __future__ import annotations

import pytest

from bascule.config.filters import Answer
from tests.config.conftest import Fail, Load


def text(waf: str) -> str:
    return f"""
listen: "127.0.0.1:8080"
waf: {waf}
sites:
  a.example: ["10.0.0.1:80"]
"""


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("log", Answer(action="log")),
        ("404", Answer(action="block", status=404)),
        ("{redirect: /x}", Answer(action="redirect", redirect="/x")),
        ("{tarpit: 3s}", Answer(action="tarpit", tarpit=3.0)),
        ("{action: tarpit, status: 404}", Answer(action="tarpit", status=404)),
        ("neutralise", Answer(action="neutralise")),
    ],
)
def test_short_forms_of_answers(load_text: Load, written: str, answer: Answer) -> None:
    plan = load_text(text(f"{{mode: block, answers: {{xss: {written}}}}}"))
    assert plan.sites[0].routes[0].waf.answers == {"xss": answer}


def test_lower_levels_override_keys_and_add_answers_and_patterns(load_text: Load) -> None:
    plan = load_text(
        """
        listen: "127.0.0.1:8080"
        waf:
          mode: block
          answers: {xss: log, sql: 404}
          filters: {methods: [GET], words: [darn], patterns: [{name: a, pattern: a}]}
        sites:
          a.example:
            routes:
              /:
                servers: ["10.0.0.1:80"]
                waf:
                  answers: {xss: drop}
                  filters: {methods: [POST], patterns: [{name: b, pattern: b}]}
        """
    )
    waf = plan.sites[0].routes[0].waf
    assert {name: answer.action for name, answer in waf.answers.items()} == {"xss": "drop", "sql": "block"}
    assert waf.filters.methods == ("POST",)
    assert waf.filters.words == ("darn",)
    assert [pattern.name for pattern in waf.filters.patterns] == ["a", "b"]


@pytest.mark.parametrize(
    ("waf", "said"),
    [
        ("{answers: {xss: {action: challenge, status: 429}}}", "a challenge has a status of its own"),
        ("{answers: {xss: burn}}", "burn"),
        ("{answers: {xss: 200}}", "200 is not an error status"),
        ("{answers: {xss: {redirect: /a, page: b.html}}}", "one of redirect, page, not several"),
        ("{answers: {xss: redirect}}", "a redirect says where to"),
        ("{answers: {xss: {redirect: elsewhere}}}", "neither a path nor a URL"),
        ("{answers: {xss: {page: none.html}}}", "none.html cannot be read"),
        ("{filters: {methods: [G T]}}", "is not a method"),
        ("{filters: {extensions: [a.b]}}", "is not an extension"),
        ("{filters: {fields: {deny: ['a:b']}}}", "is not a field name"),
        ("{filters: {fields: {deny: [A], require: [a]}}}", "both required and refused"),
        ("{filters: {uploads: {deny: [A], allow: [.a]}}}", "both accepted and refused"),
        ("{filters: {access: [{path: admin}]}}", "is not a path"),
        ("{filters: {access: [{path: /a/../b}]}}", "not in normal form"),
        ("{filters: {access: [{path: '~('}]}}", "is not an RE2 pattern"),
        ("{filters: {access: [{path: /a, open: true, deny: [10.0.0.1]}]}}", "lets everybody in"),
        ("{filters: {patterns: [{name: a, pattern: '(?=a)'}]}}", "is not an RE2 pattern"),
        ("{filters: {patterns: [{name: a, pattern: a}, {name: a, pattern: b}]}}", "two patterns a"),
        ("{filters: {methodes: [GET]}}", "did you mean methods?"),
    ],
)
def test_mistakes_are_named(fail_text: Fail, waf: str, said: str) -> None:
    error = fail_text(text(waf))
    assert any(said in problem.message or said in problem.hint for problem in error.problems)


CHALLENGING = """
listen: "127.0.0.1:8080"
waf: {mode: %s, answers: {xss: challenge, sql: challenge}}
sites:
  a.example:
    waf: {answers: {sql: log, shell: challenge}}
    routes:
      /: {servers: ["10.0.0.1:80"], challenge: %s}
      /in/: {servers: ["10.0.0.1:80"], challenge: auto}
"""


def test_a_rule_challenges_only_where_there_is_a_challenge(load_text: Load, fail_text: Fail) -> None:
    problems = fail_text(CHALLENGING % ("block", "off")).problems
    assert [problem.key for problem in problems] == ["waf.answers.xss", 'sites."a.example".waf.answers.shell']
    assert all("the route a.example / has no challenge" in problem.message for problem in problems)
    assert problems[0].hint == "challenge: auto"
    assert not load_text(CHALLENGING % ("off", "off")).warnings
    assert not load_text(CHALLENGING % ("block", "auto")).warnings
    warned = load_text(CHALLENGING % ("block", "proof")).warnings
    assert [problem.message.split(",")[0] for problem in warned] == [
        "at the route a.example / everybody passes proof before"
    ] * 2


def test_clients_of_a_way_out_are_not_challenged(fail_text: Fail) -> None:
    text = "forward: {listen: '127.0.0.1:3128', waf: {mode: block, answers: {xss: challenge}}}"
    assert "cannot be challenged" in fail_text(text).problems[0].message
