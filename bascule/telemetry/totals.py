"""What all workers counted, read from shared memory and summed by name. Anybody may read at any time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bascule.telemetry import causes, store
from bascule.telemetry.store import BOUNDS, HISTOGRAM, METHODS, REASONS, STATUSES, Words

STALE: Final = 10.0
"""Seconds after which a worker that published no gauges counts as gone."""

_SHARES: Final = 3
"""Word of a worker that the server answers which machines share; 1 and 2 are of one that waits for it."""


@dataclass(slots=True)
class Histogram:
    """Counts by bucket of `store.BOUNDS` (not cumulative; the last one is what is longer) and the sum in seconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, words: Sequence[int]) -> None:
        """Add a histogram of a block."""
        self.buckets = [mine + other for mine, other in zip(self.buckets, words[: len(BOUNDS) + 1], strict=True)]
        self.total += words[len(BOUNDS) + 1] / 1e6

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.buckets)

    def quantile(self, share: float) -> float:
        """Return the estimated quantile in seconds, linear within its bucket; 0 when nothing was observed."""
        return quantile(self.buckets, share)


def quantile(buckets: Sequence[int], share: float) -> float:
    """Estimate a quantile in seconds from bucket counts, as Prometheus' histogram_quantile does."""
    rank = share * sum(buckets)
    if rank <= 0:
        return 0.0
    below, seen = 0.0, 0
    for count, bound in zip(buckets, BOUNDS, strict=False):
        if count and seen + count >= rank:
            return below + (bound - below) * (rank - seen) / count
        below, seen = bound, seen + count
    return BOUNDS[-1]


@dataclass(slots=True)
class RouteTotals:
    """One route; `requests` is by method and status class."""

    site: str
    route: str
    requests: dict[tuple[str, str], int] = field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0
    retries: int = 0
    duration: Histogram = field(default_factory=Histogram)
    wait: Histogram = field(default_factory=Histogram)
    cache: dict[str, int] = field(default_factory=dict)
    """How often a cache did what, by the words of `store.CACHE`."""

    def statuses(self) -> dict[str, int]:
        """Return the requests by status class."""
        sums: dict[str, int] = {}
        for (_, status), count in self.requests.items():
            sums[status] = sums.get(status, 0) + count
        return sums


@dataclass(slots=True)
class ServerTotals:
    """One server; `answers` by status class, `errors` by reason."""

    pool: str
    server: str
    answers: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    wait: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class DefenceTotals:
    """One rule of a defence; `decisions` by what was decided."""

    defence: str
    rule: str
    decisions: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class WorkerTotals:
    """The gauges of one living worker."""

    slot: int
    pid: int
    worker: int
    generation: int
    connections: int
    resident: int
    cpu: float
    fds: int
    share: bool | None
    """Whether the server that machines share answers it; None where they share nothing."""


@dataclass(slots=True)
class Totals:
    """Everything."""

    accepted: int = 0
    accepted_tls: int = 0
    refused: int = 0
    tls_failed: int = 0
    log_lines: int = 0
    log_lines_dropped: int = 0
    events: int = 0
    events_dropped: int = 0
    share_answered: int = 0
    share_failed: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    routes: list[RouteTotals] = field(default_factory=list)
    servers: list[ServerTotals] = field(default_factory=list)
    defence: list[DefenceTotals] = field(default_factory=list)
    workers: list[WorkerTotals] = field(default_factory=list)

    @property
    def connections(self) -> int:
        """Client connections open now."""
        return sum(worker.connections for worker in self.workers)


def read_totals(stats: store.Arena, now: float | None = None) -> Totals:
    """Sum the blocks of all slots; `now` is the time of the workers' (monotonic) clock."""
    now = time.monotonic() if now is None else now
    totals = Totals()
    routes: dict[str, RouteTotals] = {}
    servers: dict[str, ServerTotals] = {}
    defence: dict[str, DefenceTotals] = {}
    reasons = [0] * len(causes.ALL)
    for slot in store.used_slots(stats):
        block = store.Block(stats, slot)
        words = block.words[: store.FIXED].tolist()
        totals.accepted += words[store.ACCEPTED]
        totals.accepted_tls += words[store.ACCEPTED_TLS]
        totals.refused += words[store.REFUSED]
        totals.tls_failed += words[store.TLS_FAILED]
        totals.log_lines += words[store.LINES]
        totals.log_lines_dropped += words[store.LINES_DROPPED]
        totals.events += words[store.EVENTS]
        totals.events_dropped += words[store.EVENTS_DROPPED]
        totals.share_answered += words[store.SHARE_ANSWERED]
        totals.share_failed += words[store.SHARE_FAILED]
        reasons = [mine + other for mine, other in zip(reasons, words[store.CAUSES :], strict=True)]
        if words[store.HEARTBEAT] and now - words[store.HEARTBEAT] / 1000 < STALE:
            totals.workers.append(_worker(slot, words))
        for name, series in block.routes.entries():
            if name not in routes:
                routes[name] = RouteTotals(*_split(name))
            _add_route(routes[name], series)
        for name, series in block.servers.entries():
            if name not in servers:
                servers[name] = ServerTotals(*_split(name))
            _add_server(servers[name], series)
        for name, series in block.defence.entries():
            if name not in defence:
                defence[name] = DefenceTotals(*_split(name))
            _add_decisions(defence[name], series)
    totals.causes = {name: count for name, count in zip(causes.ALL, reasons, strict=True) if count}
    totals.routes = [route for route in routes.values() if route.requests]
    totals.servers = [server for server in servers.values() if server.answers or server.errors]
    totals.defence = [rule for rule in defence.values() if rule.decisions]
    totals.workers.sort(key=lambda worker: (worker.generation, worker.worker))
    return totals


def _split(name: str) -> tuple[str, str]:
    group, _, member = name.partition("\n")
    return group, member


def _worker(slot: int, words: list[int]) -> WorkerTotals:
    return WorkerTotals(
        slot,
        words[store.PID],
        words[store.WORKER],
        words[store.GENERATION],
        words[store.OPEN],
        words[store.RSS],
        words[store.CPU] / 1e6,
        words[store.FDS],
        words[store.SHARE] == _SHARES if words[store.SHARE] else None,
    )


def _add_route(route: RouteTotals, series: Words) -> None:
    words = series.tolist()
    place = store.REQUESTS
    for method in METHODS:
        for status in STATUSES:
            if words[place]:
                route.requests[method, status] = route.requests.get((method, status), 0) + words[place]
            place += 1
    route.bytes_in += words[store.BYTES_IN]
    route.bytes_out += words[store.BYTES_OUT]
    route.retries += words[store.RETRIES]
    route.duration.add(words[store.DURATION : store.DURATION + HISTOGRAM])
    route.wait.add(words[store.WAIT : store.WAIT + HISTOGRAM])
    for number, what in enumerate(store.CACHE, store.CACHED):
        if words[number]:
            route.cache[what] = route.cache.get(what, 0) + words[number]


def _add_server(server: ServerTotals, series: Words) -> None:
    words = series.tolist()
    for number, status in enumerate(STATUSES, store.ANSWERS):
        if words[number]:
            server.answers[status] = server.answers.get(status, 0) + words[number]
    for number, reason in enumerate(REASONS, store.ERRORS):
        if words[number]:
            server.errors[reason] = server.errors.get(reason, 0) + words[number]
    server.wait.add(words[store.SERVER_WAIT : store.SERVER_WAIT + HISTOGRAM])


def _add_decisions(rule: DefenceTotals, series: Words) -> None:
    for number, decision in enumerate(store.DECISIONS, store.DECIDED):
        if series[number]:
            rule.decisions[decision] = rule.decisions.get(decision, 0) + series[number]
