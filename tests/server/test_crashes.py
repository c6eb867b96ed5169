"""When to restart: tables over an injected clock."""

from __future__ import annotations

from bascule.server.crashes import LONG_LIFE, LOOP_DEATHS, LOOP_GAP, MOST_DELAY, Backoff, CrashLoop


def test_first_death_is_followed_at_once_and_the_next_ever_later() -> None:
    backoff = Backoff()
    assert [backoff.died(0.1) for _ in range(5)] == [0.0, 0.1, 0.2, 0.4, 0.8]
    for _ in range(50):
        delay = backoff.died(0.1)
    assert delay == MOST_DELAY


def test_long_life_starts_afresh() -> None:
    backoff = Backoff()
    backoff.died(0.1)
    assert backoff.died(0.1) > 0
    assert backoff.died(LONG_LIFE) == 0


def loop_at(times: list[float], age: float = 0.1) -> tuple[CrashLoop, list[float], list[bool]]:
    now = [0.0]
    loop = CrashLoop(lambda: now[0])
    told = []
    for time in times:
        now[0] = time
        told.append(loop.died(age))
    return loop, now, told


def test_loop_is_told_once_when_it_begins() -> None:
    loop, _now, told = loop_at([float(second) for second in range(LOOP_DEATHS + 3)])
    assert told == [False] * (LOOP_DEATHS - 1) + [True] + [False] * 3
    assert loop.active


def test_rare_deaths_and_long_lives_are_no_loop() -> None:
    assert not loop_at([number * LOOP_GAP for number in range(10)])[0].active
    assert not loop_at([float(second) for second in range(10)], age=LONG_LIFE)[0].active


def test_loop_is_over_when_nothing_died_for_a_while() -> None:
    loop, now, _told = loop_at([0.0] * LOOP_DEATHS)
    assert loop.active
    now[0] = LOOP_GAP
    assert not loop.active
    assert not loop.died(0.1), "counting begins anew"
