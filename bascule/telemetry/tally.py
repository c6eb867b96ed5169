"""From a batch of records to counters: grouped by route and server first, then added to shared memory per group."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final

from bascule.config.plan import Plan
from bascule.telemetry import causes, store
from bascule.telemetry.record import (
    BYTES_IN,
    BYTES_OUT,
    CACHE,
    CAUSE,
    DURATION,
    METHOD,
    ROUTE,
    SERVER,
    STATUS,
    TRIES,
    WAIT,
    Batch,
)
from bascule.telemetry.store import BOUNDS, METHODS, STATUSES, Block, Words

_METHOD: Final = {name.encode(): number for number, name in enumerate(METHODS[:-1])}
_OTHER_METHOD: Final = len(METHODS) - 1
_REASON: Final = {name: number for number, name in enumerate(store.REASONS)}
_CACHED: Final = {name: number for number, name in enumerate(store.CACHE)}
_DECISION: Final = {name: number for number, name in enumerate(store.DECISIONS)}
_UNROUTED: Final = "\n"


def series_name(group: str, member: str) -> str:
    """Return the stable name of a series: site and route, or pool and server."""
    return f"{group}\n{member}"


class Tally:
    """Adds batches of records to a worker's block."""

    def __init__(self, plan: Plan, block: Block) -> None:
        routes = plan.routes
        pools = {pool.index: pool.name for pool in plan.pools}
        block.routes.keep({series_name(route.site, route.name) for route in routes})
        block.servers.keep(set())  # which servers discovery will bring is not known yet
        block.defence.keep(set())
        self._words = block.words
        self._defence = block.defence
        self._routes = block.routes
        self._servers = block.servers
        # By identity: a RoutePlan's own hash would walk its whole configuration.
        self._series_of = {id(route): self._routes.series(series_name(route.site, route.name)) for route in routes}
        self._pool_of = {id(route): pools[route.pool] for route in routes if route.pool is not None}
        self._plan = plan  # keeps the identities valid

    def add(self, batch: Batch) -> None:
        """Count a batch. Most loops run in C; a record costs about half a microsecond."""
        groups: defaultdict[tuple[int, str], list[Any]] = defaultdict(list)
        record: Any
        for record in batch:
            groups[id(record[ROUTE]), record[SERVER]].append(record)
        for (route, server), records in groups.items():
            self._add_group(route, server, records)

    def failed_try(self, pool: str, server: str, reason: str) -> None:
        """Count a try that failed at a server; `reason` is one of `store.REASONS`."""
        self._servers.series(series_name(pool, server))[store.ERRORS + _REASON[reason]] += 1

    def decided(self, defence: str, rule: str, decision: str) -> None:
        """Count a decision of defence, one of `store.DECISIONS`."""
        self._defence.series(series_name(defence, rule))[store.DECIDED + _DECISION[decision]] += 1

    def _add_group(self, route: int, server: str, records: Sequence[Any]) -> None:
        columns = list(zip(*records, strict=True))
        series = self._series_of.get(route)
        if series is None:
            series = self._routes.series(_UNROUTED)
        answers: Counter[int] = Counter()
        for (method, status), count in Counter(zip(columns[METHOD], columns[STATUS], strict=True)).items():
            kind = _status_class(status)
            answers[kind] += count
            series[store.REQUESTS + _METHOD.get(method, _OTHER_METHOD) * len(STATUSES) + kind] += count
        series[store.BYTES_IN] += sum(columns[BYTES_IN])
        series[store.BYTES_OUT] += sum(columns[BYTES_OUT])
        series[store.RETRIES] += sum(tries - 1 for tries in columns[TRIES] if tries > 1)
        _add(series, store.DURATION, _histogram(columns[DURATION]))
        if any(columns[CACHE]):
            for what, count in Counter(columns[CACHE]).items():
                if what:
                    series[store.CACHED + _CACHED[what]] += count
        for cause, count in Counter(columns[CAUSE]).items():
            if cause:
                self._words[store.CAUSES + causes.NUMBER.get(cause, causes.NUMBER[causes.INTERNAL])] += count
        if server:
            waits = _histogram([wait for wait in columns[WAIT] if wait > 0])
            _add(series, store.WAIT, waits)
            series = self._servers.series(series_name(self._pool_of.get(route, ""), server))
            _add(series, store.SERVER_WAIT, waits)
            for kind, count in answers.items():
                series[store.ANSWERS + kind] += count


def _histogram(seconds: Sequence[float]) -> Counter[int]:
    """Return how many fall into each bucket, and behind the buckets their sum in microseconds."""
    buckets = Counter(map(bisect_left, repeat(BOUNDS), seconds))
    buckets[len(BOUNDS) + 1] = round(sum(seconds) * 1e6)
    return buckets


def _add(words: Words, at: int, histogram: Counter[int]) -> None:
    for bucket, count in histogram.items():
        words[at + bucket] += count


def _status_class(status: int) -> int:
    number = status // 100
    return number if 1 <= number <= 5 else 0
