"""Reading /proc, and starting and ending whole trees of processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks.machine import BenchError, free_port
from benchmarks.processes import (
    Service,
    cpu_clock_ns,
    cpu_spent,
    parse_kib,
    parse_stat,
    process_table,
    running,
    tree_of,
    wait_until,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 (nginx) S 3 12 3 0 -1", (3, 3)),
        ("12 (a (b) c) R 7) S 3 12 9 0", (3, 9)),
    ],
)
def test_parse_stat(text: str, expected: tuple[int, int]) -> None:
    assert parse_stat(text) == expected


def test_tree_holds_descendants_and_the_session() -> None:
    table = {1: (0, 1), 10: (1, 10), 11: (10, 10), 12: (11, 12), 13: (1, 10), 20: (1, 20)}
    assert tree_of(10, table) == {10, 11, 12, 13}


def test_parse_kib() -> None:
    assert parse_kib("Rss:  900 kB\nPss:   12 kB\nPss_Anon: 7 kB\n", "Pss") == 12 * 1024
    assert parse_kib("Rss: 900 kB\n", "Pss") == 0


def test_cpu_spent_counts_new_processes_from_zero() -> None:
    assert cpu_spent({1: 100}, {1: 150, 2: 30}) == {1: 50, 2: 30}


def test_a_process_that_ended_makes_the_round_uncountable() -> None:
    with pytest.raises(BenchError, match="process 2 "):
        cpu_spent({1: 100, 2: 5}, {1: 150})


def test_cpu_clock_of_this_process_runs() -> None:
    before = cpu_clock_ns(os.getpid())
    own = time.process_time_ns()
    while time.process_time_ns() - own < 5_000_000:
        pass
    assert 5_000_000 <= cpu_clock_ns(os.getpid()) - before < 1_000_000_000


def test_service_is_ended_with_all_it_started(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 60 & sleep 60 & wait"]
    with running(Service("sleepers", command, tmp_path / "log", os.sched_getaffinity(0))) as service:
        assert wait_until(lambda: len(service.pids()) == 3, 5)
        pids = service.pids()
        assert service.memory_bytes() > 0
        assert set(service.cpu_ns()) == pids
    assert wait_until(lambda: not pids & process_table().keys(), 5)


def test_service_that_ignores_sigterm_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes.STOP_SECONDS", 0.1)
    command = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]
    service = Service("deaf", command, tmp_path / "log", os.sched_getaffinity(0))
    assert wait_until(lambda: (tmp_path / "log").read_text() == "deaf\n", 5)
    service.stop()
    assert service.process.returncode == -9


def test_service_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    service = Service("broken", ["sh", "-c", "echo no such option >&2; exit 3"], tmp_path / "log", {0})
    with running(service), pytest.raises(BenchError, match="broken ended at once with status 3: no such option"):
        service.wait_ready(free_port())
