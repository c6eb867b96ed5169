"""A phase judged in turns comes to the same as one judged at once, wherever it is left and taken up."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from greenlet import getcurrent, greenlet
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.engine import ConnectionFacts, Transaction, Verdict, Waf, WafSettings
from bascule.waf.pace import PACE, TimeSpentError

RULES = r"""
SecAction "id:1,phase:1,pass,nolog,setvar:tx.score=0,setvar:tx.limit=5"
SecRule ARGS "@contains a" "id:10,phase:2,pass,log,setvar:tx.score=+2"
SecRule ARGS "@contains b" "id:11,phase:2,pass,log,setvar:tx.score=+2,skip:1"
SecRule ARGS "@contains c" "id:12,phase:2,pass,log,setvar:tx.score=+2"
SecRule ARGS "@contains d" "id:13,phase:2,pass,nolog,skipAfter:END"
SecRule ARGS "@contains e" "id:14,phase:2,pass,log,chain"
    SecRule ARGS "@contains f" "setvar:tx.score=+3"
SecRule ARGS "@contains g" "id:15,phase:2,pass,log,ctl:ruleRemoveById=16"
SecRule TX:score "@ge 4" "id:16,phase:2,pass,log"
SecMarker END
SecRule ARGS "@contains h" "id:17,phase:2,allow:phase,log"
SecRule TX:score "@ge %{tx.limit}" "id:18,phase:2,deny,log"
SecRule ARGS "@contains i" "id:19,phase:2,pass,log"
SecRule TX:score "@ge 1" "id:20,phase:5,pass,log"
"""
STEP = 0.001


def ticking() -> Callable[[], float]:
    """A clock that goes on by STEP whenever somebody looks at it."""
    return (tick * STEP for tick in itertools.count()).__next__


WAF = Waf.load(WafSettings(directives=RULES, time_budget=1e9), clock=ticking())


def judge(body: bytes, turn: float) -> tuple[Transaction, Verdict | None, int]:
    """Judge a form; return how many turns it took, too."""
    transaction = WAF.begin(ConnectionFacts(b"127.0.0.1", 1, b"127.0.0.1", 80))
    fields = [(b"host", b"x"), (b"content-type", b"application/x-www-form-urlencoded")]
    assert transaction.request_head(b"POST", b"/", b"1.1", fields) is None
    transaction.request_body(body)
    verdict = transaction.request_end(turn)
    turns = 1
    while transaction.rest is not None:
        assert verdict is None
        verdict = transaction.go_on(turn)
        turns += 1
    transaction.finish()
    return transaction, verdict, turns


@given(st.text("abcdefghix", max_size=8), st.integers(1, 9))
def test_turns_change_nothing(letters: str, steps: int) -> None:
    body = "&".join(f"p{n}={letter}" for n, letter in enumerate(letters)).encode() or b"p="
    whole, expected, _ = judge(body, 0.0)
    parts, verdict, _ = judge(body, steps * STEP)
    assert verdict == expected
    assert [fired.rule.rule_id for fired in parts.fired] == [fired.rule.rule_id for fired in whole.fired]
    assert parts.tx == whole.tx


def test_it_leaves_off_and_goes_on() -> None:
    assert judge(b"p=abc", 0.0)[2] == 1
    assert judge(b"p=ac&q=b", STEP)[2] > 1


def test_the_budget_holds_over_all_turns() -> None:
    waf = Waf.load(WafSettings(directives=RULES, time_budget=12 * STEP, on_budget="closed"), clock=ticking())
    transaction = waf.begin(ConnectionFacts(b"127.0.0.1", 1, b"127.0.0.1", 80))
    transaction.request_head(b"POST", b"/", b"1.1", [(b"content-type", b"application/x-www-form-urlencoded")])
    transaction.request_body(b"p=abcefgi")
    verdict = transaction.request_end(STEP)
    while transaction.rest is not None:
        verdict = transaction.go_on(STEP)
    assert verdict is not None
    assert "time budget" in transaction.notes[0]


def divided(body: bytes) -> tuple[Transaction, Verdict | None, int]:
    """As `judge`, left at every point where it may be, while another request is judged."""
    between = itertools.count()
    result: list[tuple[Transaction, Verdict | None, int]] = []
    work = greenlet(lambda: result.append(judge(body, 0.0)))
    while not work.dead:
        PACE.until, PACE.leave = 0.0, getcurrent().switch
        work.switch()
        PACE.leave = None
        if not work.dead:
            judge(b"p=abc&q=%d" % next(between), 0.0)
    return *result[0][:2], next(between)


@given(st.text("abcdefghix", max_size=8))
def test_division_changes_nothing(letters: str) -> None:
    body = "&".join(f"p{n}={letter}" for n, letter in enumerate(letters)).encode() or b"p="
    whole, expected, _ = judge(body, 0.0)
    parts, verdict, pauses = divided(body)
    assert pauses > 0 or not whole.fired
    assert verdict == expected
    assert [fired.rule.rule_id for fired in parts.fired] == [fired.rule.rule_id for fired in whole.fired]
    assert parts.tx == whole.tx


def test_a_budget_that_ends_in_the_midst_of_something() -> None:
    now = [0.0]
    waf = Waf.load(WafSettings(directives=RULES, time_budget=1.0, on_budget="closed"), clock=lambda: now[0])
    transaction = waf.begin(ConnectionFacts(b"127.0.0.1", 1, b"127.0.0.1", 80))
    transaction.request_head(b"POST", b"/", b"1.1", [(b"content-type", b"application/x-www-form-urlencoded")])
    transaction.request_body(b"p=abcefgi")
    work = greenlet(transaction.request_end)
    PACE.until, PACE.leave = 0.0, getcurrent().switch
    work.switch()
    PACE.leave = None
    now[0] = 5.0
    assert transaction.was_away(4.5) is None, "what others took is not counted"
    now[0] = 5.6
    fault = transaction.was_away(0.0)
    assert isinstance(fault, TimeSpentError)
    with pytest.raises(TimeSpentError):
        work.throw(fault)
    verdict = transaction.give_up()
    assert verdict is not None
    assert "time budget" in transaction.notes[0]
    assert transaction.spent == pytest.approx(1.1)


@pytest.mark.parametrize(("share", "passes"), [(0.0, True), (0.1, True), (1.0, False)])
def test_what_is_not_divided_is_charged_for_no_time_in_which_others_had_the_core(share: float, passes: bool) -> None:
    """A clock that goes on by half of the budget at each look; the thread ran for a share of that."""
    looks = itertools.count()
    now = [0.0]

    def clock() -> float:
        now[0] = next(looks) * 0.5
        return now[0]

    settings = WafSettings(directives=RULES, time_budget=1.0, on_budget="closed")
    waf = Waf.load(settings, clock=clock, cpu_clock=lambda: 7.0 + share * now[0])
    transaction = waf.begin(ConnectionFacts(b"127.0.0.1", 1, b"127.0.0.1", 80))
    transaction.request_head(b"POST", b"/", b"1.1", [(b"content-type", b"application/x-www-form-urlencoded")])
    transaction.request_body(b"p=abce")
    verdict = transaction.request_end()
    assert now[0] > 1.0
    assert (verdict is None) == passes
    assert (transaction.spent < 1.0) == passes
    assert bool(transaction.notes) != passes


def test_a_response_has_what_is_left_of_the_budget_however_long_it_took_to_come() -> None:
    now = [0.0]
    rules = (
        RULES
        + 'SecResponseBodyAccess On\nSecRule RESPONSE_BODY "@contains secret" "id:30,phase:4,deny,t:htmlEntityDecode"'
    )
    waf = Waf.load(WafSettings(directives=rules, time_budget=1.0, on_budget="closed"), clock=lambda: now[0])
    transaction = waf.begin(ConnectionFacts(b"127.0.0.1", 1, b"127.0.0.1", 80))
    transaction.request_head(b"POST", b"/", b"1.1", [(b"content-type", b"application/x-www-form-urlencoded")])
    transaction.request_body(b"p=a")
    transaction.request_end()
    transaction.response_head(200, [(b"content-type", b"text/plain")])
    now[0] = 30.0
    transaction.response_body(b"&lt;" * 20_000 + b" secret")
    work = greenlet(transaction.response_end)
    PACE.until, PACE.leave = 0.0, getcurrent().switch
    work.switch()
    while not work.dead:
        assert transaction.was_away(0.001) is None
        work.switch()
    PACE.leave = None
    assert transaction.verdict is not None
    assert not transaction.notes
