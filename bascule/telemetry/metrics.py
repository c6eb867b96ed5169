"""Prometheus and OpenMetrics exposition of the totals and of what supervisor and pools tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bascule.telemetry import causes, names
from bascule.telemetry.store import BOUNDS, REASONS
from bascule.telemetry.totals import Histogram, Totals

_LE = (*(repr(bound) for bound in BOUNDS), "+Inf")


Pools: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""By pool its servers: ``server`` (its name), ``state`` (``up``, ``down``, ``ejected``, ``drain``), ``active``,
``drained`` (in any state)..."""


@dataclass(slots=True)
class Surroundings:
    """What is not counted by workers."""

    version: str = ""
    generation: int = 0
    restarts: int = 0
    renewals: int = 0
    started: float = 0.0
    """Seconds since the epoch."""
    reload_ok: bool = True
    reload_time: float = 0.0
    """Seconds since the epoch; 0 means that there was none."""
    pools: Pools = field(default_factory=dict)
    bans: int = 0
    """Bans in force."""
    attacked: Mapping[str, bool] = field(default_factory=dict)
    """From the name of a site that has challenges to whether it is under attack."""
    cache: Mapping[str, int] = field(default_factory=dict)
    """The numbers of the store of responses, if there is one: see cache/index.py."""
    rooms: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of each waiting room how many visitors are in, and how many wait."""
    profiles: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By site the numbers of its profile: see proxy/profile_keeper.py."""


def exposition(totals: Totals, around: Surroundings, accept: str = "") -> tuple[str, bytes]:
    """Return content type and body in the format an `Accept` value prefers: Prometheus text or OpenMetrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(totals, around))
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)


class _Snapshot(Collector):
    def __init__(self, totals: Totals, around: Surroundings) -> None:
        self._totals = totals
        self._around = around

    def collect(self) -> Iterator[Metric]:
        yield from _routes(self._totals)
        yield from _connections(self._totals)
        yield from _servers(self._totals)
        yield _defence(self._totals)
        yield from _share(self._totals)
        yield from _pools(self._around.pools)
        yield from _profiles(self._around.profiles)
        yield from _cache(self._totals, self._around.cache)
        yield from _program(self._totals, self._around)

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is collected at registration


def _routes(totals: Totals) -> Iterator[Metric]:
    requests = _counter(names.REQUESTS)
    duration, wait = _histogram(names.REQUEST_DURATION), _histogram(names.ORIGIN_WAIT)
    received, sent, retries = (
        _counter(metric) for metric in (names.REQUEST_BYTES, names.RESPONSE_BYTES, names.RETRIES)
    )
    for route in totals.routes:
        labels = [route.site, route.route]
        for (method, status), count in route.requests.items():
            requests.add_metric([*labels, method, status], count)
        _observe(duration, labels, route.duration)
        if route.wait.count:
            _observe(wait, labels, route.wait)
        received.add_metric(labels, route.bytes_in)
        sent.add_metric(labels, route.bytes_out)
        retries.add_metric(labels, route.retries)
    why = _counter(names.CAUSES)
    for cause in causes.ALL:
        why.add_metric([cause], totals.causes.get(cause, 0))
    yield from (requests, duration, wait, received, sent, retries, why)


def _connections(totals: Totals) -> Iterator[Metric]:
    accepted = _counter(names.CONNECTIONS_ACCEPTED)
    accepted.add_metric(["tls"], totals.accepted_tls)
    accepted.add_metric(["plain"], max(0, totals.accepted - totals.accepted_tls))
    yield accepted
    yield _gauge(names.CONNECTIONS_OPEN, totals.connections)
    yield _counter(names.CONNECTIONS_REFUSED, totals.refused)
    yield _counter(names.TLS_FAILURES, totals.tls_failed)
    yield _counter(names.LOG_LINES, totals.log_lines)
    yield _counter(names.LOG_LINES_DROPPED, totals.log_lines_dropped)
    yield _counter(names.EVENTS, totals.events)
    yield _counter(names.EVENTS_DROPPED, totals.events_dropped)


def _defence(totals: Totals) -> Metric:
    decisions = _counter(names.DEFENCE_DECISIONS)
    for rule in totals.defence:
        for decision, count in rule.decisions.items():
            decisions.add_metric([rule.defence, rule.rule, decision], count)
    return decisions


def _share(totals: Totals) -> Iterator[Metric]:
    connected = _gauge(names.SHARE_CONNECTED)
    for worker in totals.workers:
        if worker.share is not None:
            connected.add_metric([str(worker.slot)], worker.share)
    yield connected
    yield _counter(names.SHARE_ANSWERED, totals.share_answered)
    yield _counter(names.SHARE_FAILED, totals.share_failed)


def _servers(totals: Totals) -> Iterator[Metric]:
    answers, errors = _counter(names.UPSTREAM_REQUESTS), _counter(names.UPSTREAM_ERRORS)
    wait = _histogram(names.UPSTREAM_WAIT)
    for server in totals.servers:
        labels = [server.pool, server.server]
        for status, count in server.answers.items():
            answers.add_metric([*labels, status], count)
        for reason in REASONS:
            errors.add_metric([*labels, reason], server.errors.get(reason, 0))
        if server.wait.count:
            _observe(wait, labels, server.wait)
    yield from (answers, errors, wait)


def _pools(pools: Pools) -> Iterator[Metric]:
    active, healthy = _gauge(names.UPSTREAM_ACTIVE), _gauge(names.UPSTREAM_HEALTHY)
    limit = _gauge(names.UPSTREAM_LIMIT)
    ejected, draining = _gauge(names.UPSTREAM_EJECTED), _gauge(names.UPSTREAM_DRAINING)
    for pool, servers in pools.items():
        for server in servers:
            labels = [pool, str(server["server"])]
            active.add_metric(labels, server.get("active", 0))
            if server.get("limit"):
                limit.add_metric(labels, server["limit"])
            healthy.add_metric(labels, server["state"] != "down")
            ejected.add_metric(labels, server["state"] == "ejected")
            draining.add_metric(labels, bool(server.get("drained")))
    yield from (active, limit, healthy, ejected, draining)


def _profiles(profiles: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
    places, alarms = _gauge(names.PROFILE_PLACES), _counter(names.PROFILE_ALARMS)
    requests = _counter(names.PROFILE_REQUESTS)
    for site, counts in profiles.items():
        for state in ("ripe", "learning"):
            places.add_metric([site, state], counts[state])
        for what in ("learned", "ignored", "judged", "deviating"):
            requests.add_metric([site, what], counts[what])
        alarms.add_metric([site], counts["alarms"])
    yield from (places, requests, alarms)


def _cache(totals: Totals, counts: Mapping[str, int]) -> Iterator[Metric]:
    requests = _counter(names.CACHE_REQUESTS)
    for route in totals.routes:
        for outcome, count in route.cache.items():
            requests.add_metric([route.site, route.route, outcome], count)
    yield requests
    if counts:
        yield _gauge(names.CACHE_ENTRIES, counts["entries"])
        yield _gauge(names.CACHE_BYTES, counts["bytes"])
        yield _gauge(names.CACHE_LIMIT, counts["limit"])
        yield _counter(names.CACHE_STORED, counts["stored"])
        yield _counter(names.CACHE_EVICTED, counts["evicted"])
        yield _counter(names.CACHE_BROKEN, counts["broken"])


def _program(totals: Totals, around: Surroundings) -> Iterator[Metric]:
    yield InfoMetricFamily(names.INFO.name, names.INFO.help, {"version": around.version})
    yield _gauge(names.START_TIME, around.started)
    yield _gauge(names.BANS, around.bans)
    attacked = _gauge(names.UNDER_ATTACK)
    for site, on in around.attacked.items():
        attacked.add_metric([site], on)
    yield attacked
    inside, waiting = _gauge(names.ROOM_ACTIVE), _gauge(names.ROOM_WAITING)
    for room, counts in around.rooms.items():
        inside.add_metric([room], counts[0])
        waiting.add_metric([room], counts[1])
    yield from (inside, waiting)
    yield _gauge(names.GENERATION, around.generation)
    yield _gauge(names.WORKERS, len(totals.workers))
    yield _counter(names.WORKER_RESTARTS, around.restarts)
    yield _counter(names.RENEWALS, around.renewals)
    yield _gauge(names.LAST_RELOAD_OK, around.reload_ok)
    if around.reload_time:
        yield _gauge(names.LAST_RELOAD_TIME, around.reload_time)
    resident, cpu, fds = _gauge(names.WORKER_RSS), _counter(names.WORKER_CPU), _gauge(names.WORKER_FDS)
    for worker in totals.workers:
        labels = [str(worker.slot)]  # unique, also while a worker that was killed counts as living
        resident.add_metric(labels, worker.resident)
        cpu.add_metric(labels, worker.cpu)
        fds.add_metric(labels, worker.fds)
    yield from (resident, cpu, fds)


def _counter(metric: names.Metric, value: float | None = None) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.help, value, metric.labels or None)


def _gauge(metric: names.Metric, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, value, metric.labels or None)


def _histogram(metric: names.Metric) -> HistogramMetricFamily:
    return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)


def _observe(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    seen = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip(_LE, histogram.buckets, strict=True):
        seen += count
        buckets.append((bound, seen))
    family.add_metric(labels, buckets, histogram.total)
