"""The order of things: for each workload start everything, warm up, run interleaved rounds, end everything."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.attacks import check_refuses_attacks
from benchmarks.lab import Lab, lab
from benchmarks.machine import BenchError, Cores
from benchmarks.peers import PEERS
from benchmarks.results import Sample, Verdict, judge
from benchmarks.workloads import FIREWALL_WORKLOADS, WORKLOADS, Budget, Workload

_WARM_UP = -1


@dataclass(slots=True)
class Outcome:
    """What came of one workload."""

    workload: Workload
    samples: list[Sample] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    """Contender or peer -> why it has no numbers."""

    @property
    def verdicts(self) -> list[Verdict]:
        return [judge(self.samples, target) for target in self.workload.targets]


def choose(only: Sequence[str], crs: Path | None) -> list[Workload]:
    """Return the workloads to run, all of them when `only` is empty.

    Raises:
        BenchError: a name is unknown, or needs a CRS folder that was not given.
    """
    known = {workload.name: workload for workload in (*WORKLOADS, *FIREWALL_WORKLOADS)}
    if unknown := [name for name in only if name not in known]:
        raise BenchError(f"there is no workload {unknown[0]!r}; there are {', '.join(known)}")
    firewall = {workload.name for workload in FIREWALL_WORKLOADS}
    if crs is None and (lacking := sorted(firewall & set(only))):
        raise BenchError(f"workload {lacking[0]} needs the OWASP CRS: add --crs DIR, the folder that has rules/")
    return [workload for name, workload in known.items() if (name in only if only else crs or name not in firewall)]


def check_peers(names: Sequence[str]) -> None:
    """Raise BenchError when a name is no peer's."""
    if unknown := [name for name in names if name not in PEERS]:
        raise BenchError(f"there is no peer {unknown[0]!r}; there are {', '.join(PEERS)}")


def run_workload(
    workload: Workload,
    peers: Sequence[str],
    budget: Budget,
    cores: Cores,
    scratch: Path,
    crs: Path | None,
    progress: Callable[[str], None],
) -> Outcome:
    """Run one workload on those of `peers` (all when empty) that take part in it."""
    outcome = Outcome(workload)
    wanted = [PEERS[name] for name in workload.peers if not peers or name in peers]
    for peer in wanted:
        if peer.program() is None:
            outcome.notes[peer.name] = f"absent; to add it: {peer.install}"
    installed = [peer for peer in wanted if peer.name not in outcome.notes]
    if not installed:
        return outcome
    with lab(scratch / workload.name, cores, workload.needs(budget), workload.entries(installed), crs) as ready:
        outcome.notes.update(ready.failures)
        workload.write_pool(ready)
        _check_firewalls(ready, outcome)
        for number in range(_WARM_UP if workload.warms_up(budget) else 0, workload.rounds(budget)):
            _run_round(workload, ready, number, budget, outcome, progress)
    return outcome


def _check_firewalls(ready: Lab, outcome: Outcome) -> None:
    """Leave out a WAF that lets attacks through: its speed would say nothing."""
    for contender in ready.contenders:
        if contender.entry.peer.inspects:
            try:
                check_refuses_attacks(contender.port)
            except BenchError as error:
                outcome.notes[contender.entry.name] = f"failed: {error}"


def _run_round(
    workload: Workload, ready: Lab, number: int, budget: Budget, outcome: Outcome, progress: Callable[[str], None]
) -> None:
    """Measure every contender once, in an order of this round's own, so that no one always follows the same."""
    order = list(ready.contenders)
    random.Random(number).shuffle(order)
    for contender in order:
        name = contender.entry.name
        if name in outcome.notes:
            continue
        progress(f"{workload.title}: {'warm-up' if number == _WARM_UP else f'round {number + 1}'}, {name}")
        try:
            sample = workload.measure(ready, contender, number, budget)
        except BenchError as error:
            outcome.notes[name] = f"failed: {error}; the end of its stderr: {contender.service.last_words()}"
        else:
            if number != _WARM_UP:
                outcome.samples.append(sample)
