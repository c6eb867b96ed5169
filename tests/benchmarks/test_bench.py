"""The command: what it refuses, and one small run with a real nginx."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import parse
from benchmarks.idle import most_clients
from benchmarks.machine import BenchError
from benchmarks.processes import process_table, tree_of, wait_until
from benchmarks.runner import check_peers, choose
from benchmarks.workloads import FIREWALL_WORKLOADS, WORKLOADS, Budget
from tests.support.programs import require_program

ROOT = Path(__file__).resolve().parents[2]


def test_all_workloads_without_firewalls_by_default() -> None:
    assert choose([], None) == list(WORKLOADS)


def test_crs_adds_the_firewall_workloads(tmp_path: Path) -> None:
    assert choose([], tmp_path) == [*WORKLOADS, *FIREWALL_WORKLOADS]


def test_only_keeps_the_order_of_the_list() -> None:
    assert [workload.name for workload in choose(["idle", "get"], None)] == ["get", "idle"]


@pytest.mark.parametrize(("only", "message"), [(["gte"], "no workload 'gte'"), (["waf-get"], "--crs DIR")])
def test_bad_workloads_are_refused(only: list[str], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        choose(only, None)


def test_unknown_peer_is_refused() -> None:
    check_peers(["nginx", "bascule-crs"])
    with pytest.raises(BenchError, match="no peer 'apache'; there are nginx"):
        check_peers(["apache"])


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--crs", "/nonexistent"], ["--fast"]])
def test_bad_options_end_with_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_lists_are_split_at_commas() -> None:
    options = parse(["--only", "get, idle", "--peers", "nginx,"])
    assert (options.only, options.peers) == (["get", "idle"], ["nginx"])


def test_a_run_fits_its_time() -> None:
    """Six proxies on the request workloads: ten minutes in all, two with --quick, less a margin for the rest."""
    for budget, limit in ((Budget(), 480), (Budget(quick=True), 90)):
        rounds = sum(
            (workload.rounds(budget) * budget.round_seconds + workload.warms_up(budget)) * len(workload.peers)
            for workload in WORKLOADS
            if workload.name not in ("download", "upload", "idle")
        )
        assert rounds <= limit


@pytest.mark.parametrize(("descriptors", "clients"), [(20_000, 14_625), (1_048_576, 786_057)])
def test_idle_clients_leave_descriptors_for_the_origin(descriptors: int, clients: int) -> None:
    assert most_clients(descriptors) == clients


@pytest.fixture
def tools() -> None:
    for program, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")):
        require_program(program, package)
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")


def bench(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.usefixtures("tools")
def test_one_small_run(tmp_path: Path) -> None:
    with bench(tmp_path, "--quick", "--only", "static-1k", "--peers", "nginx") as process:
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    (path,) = (tmp_path / ".bench").glob("results-*.json")
    workload = json.loads(path.read_text())["workloads"][0]
    assert [sample["errors"] for sample in workload["samples"]] == [0, 0]
    assert workload["ratios"] == {"nginx": 1.0}
    assert 1 < workload["medians"]["nginx"]["cpu_us"] < 5000
    assert workload["medians"]["nginx"]["rate"] > 100


@pytest.mark.usefixtures("tools")
def test_a_run_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    with bench(tmp_path, "--only", "static-1k", "--peers", "nginx", "--seconds", "60") as process:
        tree: set[int] = set()

        def all_started() -> bool:
            """The bench, the master and worker of origin and of proxy, the load."""
            tree.update(tree_of(process.pid, process_table()))
            return len(tree) >= 6

        assert wait_until(all_started, 20)
        process.send_signal(signal.SIGTERM)
        assert "interrupted" in process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert wait_until(lambda: not tree & process_table().keys(), 5)
