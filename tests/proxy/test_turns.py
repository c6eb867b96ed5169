"""Turns of costly work, and what the event loop does between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from time import perf_counter

import pytest
from greenlet import GreenletExit

from bascule.proxy.turns import Turns
from bascule.waf.pace import PACE, rest


def job(name: str, turns: int, log: list[str], over: asyncio.Event | None = None) -> Callable[[], bool]:
    """A job of some turns."""
    left = iter(range(turns - 1, -1, -1))

    def turn() -> bool:
        log.append(name)
        more = next(left) > 0
        if not more and over is not None:
            over.set()
        return more

    return turn


def test_jobs_take_turns_in_order() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        over = asyncio.Event()
        turns = Turns(asyncio.get_running_loop())
        turns.add(job("a", 3, log))
        turns.add(job("b", 1, log))
        turns.add(job("c", 4, log, over))
        await over.wait()
        return log

    assert asyncio.run(main()) == ["a", "b", "c", "a", "c", "a", "c", "c"]


def test_a_job_added_in_a_turn_waits_for_its_own() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        over = asyncio.Event()
        turns = Turns(asyncio.get_running_loop())

        def first() -> bool:
            log.append("first")
            turns.add(job("second", 1, log, over))
            log.append("still first")
            return False

        turns.add(first)
        await over.wait()
        return log

    assert asyncio.run(main()) == ["first", "still first", "second"]


def test_the_loop_has_as_much_time_as_the_jobs() -> None:
    """While several wait, others are served for as long as a turn took; one alone goes on at once."""

    async def main() -> tuple[float, float]:
        over = asyncio.Event()
        ends: list[tuple[float, float]] = []
        turns = Turns(asyncio.get_running_loop())

        def busy() -> bool:
            began = perf_counter()
            while perf_counter() - began < 0.02:
                pass
            ends.append((began, perf_counter()))
            if len(ends) == 4:
                over.set()
            return len(ends) < 3

        turns.add(busy)
        turns.add(busy)
        await over.wait()
        return ends[1][0] - ends[0][1], ends[0][1] - ends[0][0]

    pause, turn = asyncio.run(main())
    assert pause >= turn * 0.9


def test_a_job_that_breaks_does_not_stop_the_others() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: log.append(repr(context["exception"])))
        turns = Turns(loop)
        turns.add(lambda: 1 // 0 > 0)
        turns.add(job("next", 1, log, over))
        await over.wait()
        return log

    assert asyncio.run(main()) == ["ZeroDivisionError('integer division or modulo by zero')", "next"]


@pytest.mark.parametrize("count", [1, 3])
def test_all_jobs_end(count: int) -> None:
    async def main() -> int:
        log: list[str] = []
        overs = [asyncio.Event() for _ in range(count)]
        turns = Turns(asyncio.get_running_loop())
        for number, over in enumerate(overs):
            turns.add(job(str(number), 5, log, over))
        await asyncio.gather(*(over.wait() for over in overs))
        return len(log)

    assert asyncio.run(main()) == 5 * count


def test_a_job_is_left_in_its_midst_and_told_how_long_it_was_away() -> None:
    async def main() -> tuple[list[str], list[float]]:
        log: list[str] = []
        away: list[float] = []
        ended: list[str] = []
        over = asyncio.Event()
        turns = Turns(asyncio.get_running_loop())

        def long(name: str) -> bool:
            began = time.thread_time()
            while time.thread_time() - began < 0.05:
                if log[-1:] != [name]:
                    log.append(name)
                rest()
            ended.append(name)
            if len(ended) == 2:
                over.set()
            return False

        turns.add(lambda: long("a"), lambda seconds: away.append(seconds))
        turns.add(lambda: long("b"))
        await over.wait()
        return log, away

    log, away = asyncio.run(main())
    assert log[:4] == ["a", "b", "a", "b"]
    assert min(away) > 0
    assert PACE.leave is None


def test_the_time_that_others_have_the_core_is_none_of_a_job_s() -> None:
    """A sleep stands for it: the clock goes on, the CPU time of the thread does not."""

    async def main() -> tuple[list[float], float]:
        away: list[float] = []
        robbed = asyncio.get_running_loop().create_future()
        turns = Turns(asyncio.get_running_loop())

        def job() -> bool:
            time.sleep(0.2)
            rest()
            time.sleep(0.3)
            robbed.set_result(PACE.robbed())
            return False

        turns.add(job, lambda seconds: away.append(seconds))
        return away, await robbed

    away, robbed = asyncio.run(main())
    assert away[0] > 0.19
    assert robbed > 0.29


def test_what_is_not_wanted_any_more_ends_where_it_was_left() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        over = asyncio.Event()
        turns = Turns(asyncio.get_running_loop())

        def unwanted(away: float) -> None:
            log.append("unwanted")
            raise GreenletExit

        def job() -> bool:
            try:
                while True:
                    rest()
            finally:
                log.append("unwound")

        turns.add(job, unwanted)
        turns.add(lambda: bool(over.set()))
        await over.wait()
        await asyncio.sleep(0)
        return log

    assert asyncio.run(main()) == ["unwanted", "unwound"]


def test_what_comes_back_may_be_told_that_its_time_is_over() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        over = asyncio.Event()
        turns = Turns(asyncio.get_running_loop())

        def job() -> bool:
            try:
                while True:
                    rest()
            except TimeoutError:
                log.append("told")
            over.set()
            return False

        turns.add(job, lambda away: TimeoutError())
        await over.wait()
        return log

    assert asyncio.run(main()) == ["told"]


def test_nothing_rests_outside_of_turns() -> None:
    rest()
    assert PACE.leave is None
