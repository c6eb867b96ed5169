"""`python -m benchmarks [--quick] [--only WORKLOAD] [--peers A,B] [--crs DIR] [--seconds N] [--markdown]`."""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import msgspec
from rich.console import Console

from benchmarks import report
from benchmarks.machine import BenchError, describe, pick_cores, raise_descriptor_limit, scratch_root
from benchmarks.peers import PEERS
from benchmarks.peers.base import find_program
from benchmarks.runner import Outcome, check_peers, choose, run_workload
from benchmarks.workloads import FIREWALL_WORKLOADS, WORKLOADS, Budget

_RESULTS = Path(".bench")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    names = ", ".join(workload.name for workload in (*WORKLOADS, *FIREWALL_WORKLOADS))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Bascule beside other proxies.")
    parser.add_argument("--quick", action="store_true", help="two minutes instead of ten: shorter and fewer rounds")
    parser.add_argument("--only", type=_list, default=[], metavar="A,B", help=f"of these workloads: {names}")
    parser.add_argument("--peers", type=_list, default=[], metavar="A,B", help=f"of these: {', '.join(PEERS)}")
    parser.add_argument("--crs", type=Path, metavar="DIR", help="folder of the OWASP CRS: adds the WAF workloads")
    parser.add_argument("--seconds", type=int, metavar="N", help="length of a round")
    parser.add_argument("--markdown", action="store_true", help="print Markdown to stdout, progress to stderr")
    options = parser.parse_args(arguments)
    if options.seconds is not None and not 1 <= options.seconds <= 600:
        parser.error("--seconds must be 1 to 600")
    if options.crs is not None and not list(options.crs.glob("rules/*.conf")):
        parser.error(f"--crs {options.crs}: there are no rules/*.conf in it")
    return options


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def main(arguments: Sequence[str]) -> int:
    """Run the bench; return the exit status: 0 measured, 1 could not, 130 interrupted."""
    options = parse(arguments)
    console = Console(stderr=options.markdown)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        outcomes, budget, machine = _measure(options, console)
    except BenchError as error:
        console.print(f"[red]bench:[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("[yellow]interrupted; everything that was started is ended[/]")
        return 130
    versions = _versions(outcomes)
    path = _RESULTS / f"results-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}.json"
    path.parent.mkdir(exist_ok=True)
    document = report.document(outcomes, machine, versions, asdict(budget))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1))
    if options.markdown:
        sys.stdout.write(report.markdown(outcomes, machine, versions))
    console.print(f"versions: {', '.join(f'{name} {version}' for name, version in versions.items())}", highlight=False)
    console.print(f"every sample: {path}", highlight=False)
    return 0


def _measure(options: argparse.Namespace, console: Console) -> tuple[list[Outcome], Budget, dict[str, str]]:
    check_peers(options.peers)
    workloads = choose(options.only, options.crs)
    for tool, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")):
        if find_program(tool) is None:
            raise BenchError(f"{tool} is not installed (the origin, the load, the pinning): apt-get install {package}")
    cores = pick_cores()
    raise_descriptor_limit()
    machine = describe()
    os.sched_setaffinity(0, {cores.load})
    budget = Budget(options.quick, options.seconds)
    crs = options.crs.resolve() if options.crs else None
    outcomes: list[Outcome] = []
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="bascule-bench-", dir=scratch_root()) as scratch,
        console.status("starting") as status,
    ):
        for workload in workloads:
            outcome = run_workload(workload, options.peers, budget, cores, Path(scratch), crs, status.update)
            report.show(console, outcome)
            outcomes.append(outcome)
    console.print(f"took {time.monotonic() - begun:.0f} s", highlight=False)
    return outcomes, budget, machine


def _versions(outcomes: Sequence[Outcome]) -> dict[str, str]:
    used = {name for outcome in outcomes for name in outcome.workload.peers}
    return {name: peer.version() for name, peer in PEERS.items() if name in used}


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Take SIGTERM like Ctrl-C, so that what was started is ended."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
