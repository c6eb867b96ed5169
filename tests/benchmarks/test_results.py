"""Medians, ratios and verdicts, on samples made by hand."""

from __future__ import annotations

import pytest

from benchmarks.report import judgement
from benchmarks.results import CPU, RATE, Sample, Target, capacity, judge, middle, ratio


def samples(errors: int = 0, **rounds: list[float]) -> list[Sample]:
    return [
        Sample(name, number, {"cpu_us": value}, errors)
        for name, values in rounds.items()
        for number, value in enumerate(values)
    ]


def test_middle_is_the_median() -> None:
    assert middle(samples(nginx=[10, 30, 11]), "nginx", CPU) == 11


def test_middle_of_nothing_is_none() -> None:
    assert middle(samples(nginx=[10]), "caddy", CPU) is None
    assert middle(samples(nginx=[10]), "nginx", RATE) is None


def test_ratio_is_taken_round_by_round() -> None:
    """A slow machine in round 1 slows both; the ratio of the medians would be 3, not 2."""
    both = samples(nginx=[10, 100, 11], bascule=[20, 200, 33])
    assert ratio(both, "bascule", "nginx", CPU) == 2


def test_ratio_uses_only_rounds_both_finished() -> None:
    assert ratio(samples(nginx=[10], bascule=[15, 999]), "bascule", "nginx", CPU) == 1.5
    assert ratio(samples(nginx=[10]), "bascule", "nginx", CPU) is None


@pytest.mark.parametrize(("value", "word", "aim"), [(12.0, "PASS", True), (16.0, "PASS", False), (16.1, "MISS", False)])
def test_verdict_where_fewer_is_better(value: float, word: str, aim: bool) -> None:
    verdict = judge(samples(nginx=[10], bascule=[value]), Target("bascule", CPU, 1.6, 1.25, "nginx"))
    assert (verdict.word, verdict.aim_reached) == (word, aim)


@pytest.mark.parametrize(("value", "word", "aim"), [(69, "MISS", False), (70, "PASS", False), (100, "PASS", True)])
def test_verdict_where_more_is_better(value: float, word: str, aim: bool) -> None:
    both = [Sample("nginx", 0, {"rate": 100}), Sample("bascule", 0, {"rate": value})]
    verdict = judge(both, Target("bascule", RATE, 0.7, 1.0, "nginx"))
    assert (verdict.word, verdict.aim_reached) == (word, aim)


def test_plain_number_needs_no_rival() -> None:
    assert judge(samples(bascule=[5]), Target("bascule", CPU, 12)).word == "PASS"


def test_errors_spoil_a_verdict() -> None:
    verdict = judge(samples(errors=1, nginx=[10], bascule=[10]), Target("bascule", CPU, 1.6, None, "nginx"))
    assert (verdict.word, verdict.errors) == ("INVALID", 2)


def test_missing_rival_is_told() -> None:
    assert judge(samples(bascule=[10]), Target("bascule", CPU, 1.0, None, "envoy")).word == "ABSENT"


@pytest.mark.parametrize(
    ("spent", "workers", "expected"),
    [
        pytest.param({1: 10**9}, 1, 1000, id="one worker"),
        pytest.param({1: 10**9 // 2, 2: 10**9 // 2}, 2, 2000, id="shared evenly"),
        pytest.param({1: 3 * 10**9 // 4, 2: 10**9 // 4}, 2, 1000 / 0.75, id="the busier one sets the pace"),
        pytest.param({1: 10**9}, 2, 1000, id="one process with two threads is not taken apart"),
        pytest.param({}, 1, 0, id="nothing ran"),
    ],
)
def test_capacity(spent: dict[int, int], workers: int, expected: float) -> None:
    assert capacity(1000, spent, workers) == pytest.approx(expected)


def test_small_ratios_are_told_as_people_say_them() -> None:
    target = Target("bascule-crs", CPU, 1 / 80, 1 / 150, "nginx-modsec")
    samples = [Sample("bascule-crs", 0, {CPU.key: 210.0}), Sample("nginx-modsec", 0, {CPU.key: 21_000.0})]
    told = judgement(judge(samples, target))
    assert told == "bascule-crs CPU per request <= 1/80 x nginx-modsec: 1/100 (aim 1/150: not reached)"
