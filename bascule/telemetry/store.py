"""Counters in shared memory: a block per worker slot, which only its worker writes and anybody reads.

A block describes itself: fixed words, and two directories of named series (routes, servers). A reader sums the blocks
by name, so counters survive a worker's death and a reload, and a server found by discovery needs no agreement between
processes. A directory is bounded: names beyond it are counted together as `OTHER`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final, Protocol

from bascule.telemetry import causes

_PREFIX: Final = "telemetry."
OTHER: Final = "other\nother"

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")
STATUSES: Final = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
REASONS: Final = ("connect", "reset", "timeout", "status", "protocol")
DECISIONS: Final = ("refuse", "delay", "detect", "challenge", "pass")
"""What defence decides about a request or connection that it does not simply let pass, and who passed a challenge."""
CACHE: Final = ("hit", "stale", "revalidated", "collapsed", "miss", "bypass")
"""What a cache did for a request: it had a fresh response, a stale one, one that the server said is still right, or one
that was on its way already; it had none; or it was not asked."""
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms' buckets, in seconds; one more bucket takes what is longer."""

HISTOGRAM: Final = len(BOUNDS) + 2
"""Words of a histogram: its buckets (not cumulative) and the sum in microseconds."""

# Fixed words of a block. The gauges come first.
HEARTBEAT, PID, WORKER, GENERATION, OPEN, RSS, CPU, FDS, SHARE = range(9)
ACCEPTED, ACCEPTED_TLS, REFUSED, TLS_FAILED, LINES, LINES_DROPPED, EVENTS, EVENTS_DROPPED = range(9, 17)
SHARE_ANSWERED, SHARE_FAILED = range(17, 19)
CAUSES: Final = 19
FIXED: Final = CAUSES + len(causes.ALL)

_NAME: Final = 32
"""Words of a series' name: its length and up to 248 bytes of UTF-8."""

# Words of a route's series, after its name.
REQUESTS: Final = _NAME
BYTES_IN: Final = REQUESTS + len(METHODS) * len(STATUSES)
BYTES_OUT: Final = BYTES_IN + 1
RETRIES: Final = BYTES_IN + 2
DURATION: Final = BYTES_IN + 3
WAIT: Final = DURATION + HISTOGRAM
CACHED: Final = WAIT + HISTOGRAM
ROUTE_WIDTH: Final = CACHED + len(CACHE)

# Words of a server's series, after its name.
ANSWERS: Final = _NAME
ERRORS: Final = ANSWERS + len(STATUSES)
SERVER_WAIT: Final = ERRORS + len(REASONS)
SERVER_WIDTH: Final = SERVER_WAIT + HISTOGRAM

# Words of a rule of defence, after its name.
DECIDED: Final = _NAME
DEFENCE_WIDTH: Final = DECIDED + len(DECISIONS)

ROUTES_MAX: Final = 1024
SERVERS_MAX: Final = 2048
DEFENCE_MAX: Final = 256
_CHUNK: Final = 32
"""Series of a directory that are made at a time."""

Words = memoryview  # format 'Q'


class Arena(Protocol):
    """What is needed of shared memory: named segments, the same in every process (state/arena.py)."""

    def u64(self, name: str, count: int) -> memoryview: ...

    def names(self) -> list[str]: ...


class Directory:
    """Named series of one slot, made in chunks as needed; the first is `OTHER`.

    Only the slot's worker calls `series` and `keep`. A reader sees a name only once it is whole.
    """

    def __init__(self, arena: Arena, prefix: str, width: int, capacity: int, existing: Container[str]) -> None:
        self._arena = arena
        self._prefix = prefix
        self._width = width
        self._capacity = capacity
        self._chunks: list[Words] = []
        while f"{prefix}{len(self._chunks)}" in existing:
            self._add_chunk()
        self._series = dict(self.entries())

    def entries(self) -> Iterator[tuple[str, Words]]:
        """Yield the name and the words of each series."""
        for chunk in self._chunks:
            for number in range(min(chunk[0], _CHUNK)):
                start = 1 + number * self._width
                words = chunk[start : start + self._width]
                yield bytes(words[1:_NAME].cast("B")[: words[0]]).decode("utf-8", "ignore"), words

    def series(self, name: str) -> Words:
        """Return the words of the series `name`, which is made if it is new; those of `OTHER` when there is no room.

        Raises MemoryError when there is not even room for that.
        """
        found = self._series.get(name)
        if found is None:
            if not self._series:
                self._make(OTHER)
            name = _shortened(name)
            found = self._series.get(name) or self._make(name)
        return found

    def keep(self, names: set[str]) -> None:
        """Forget every series when more than three quarters are taken and some names are not of `names`."""
        if len(self._series) <= self._capacity * 3 // 4 or not (self._series.keys() - names - {OTHER}):
            return
        for chunk in self._chunks:
            chunk[0] = 0
            chunk.cast("B")[:] = bytes(chunk.nbytes)
        self._series = {}

    def _make(self, name: str) -> Words:
        count = len(self._series)
        if count >= self._capacity:
            return self._series[OTHER]
        if count >= len(self._chunks) * _CHUNK:
            try:
                self._add_chunk()
            except MemoryError:
                if not count:
                    raise
                return self._series[OTHER]
        chunk = self._chunks[count // _CHUNK]
        start = 1 + chunk[0] * self._width
        words = chunk[start : start + self._width]
        raw = name.encode()
        words[1:_NAME].cast("B")[: len(raw)] = raw
        words[0] = len(raw)
        chunk[0] += 1
        self._series[name] = words
        return words

    def _add_chunk(self) -> None:
        self._chunks.append(self._arena.u64(f"{self._prefix}{len(self._chunks)}", 1 + _CHUNK * self._width))


def _shortened(name: str) -> str:
    """Return what of a name fits into its place."""
    return name.encode("utf-8", "replace")[: (_NAME - 1) * 8].decode("utf-8", "ignore")


class Block:
    """The counters of one slot."""

    def __init__(self, arena: Arena, slot: int) -> None:
        existing = set(arena.names())
        self.words = arena.u64(f"{_PREFIX}{slot}", FIXED)
        self.routes = Directory(arena, f"{_PREFIX}{slot}.routes.", ROUTE_WIDTH, ROUTES_MAX, existing)
        self.servers = Directory(arena, f"{_PREFIX}{slot}.servers.", SERVER_WIDTH, SERVERS_MAX, existing)
        self.defence = Directory(arena, f"{_PREFIX}{slot}.defence.", DEFENCE_WIDTH, DEFENCE_MAX, existing)


def used_slots(arena: Arena) -> list[int]:
    """Return the slots that were ever used, lowest first."""
    ends = (name[len(_PREFIX) :] for name in arena.names() if name.startswith(_PREFIX))
    return sorted(int(end) for end in ends if end.isdecimal())
