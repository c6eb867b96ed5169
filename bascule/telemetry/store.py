"""Counters in shared memory: a block per worker slot, which only its worker writes and anybody reads.

A block describes itself: fixed words first, then two directories of named series (routes, servers). A reader sums
the blocks by name, so counters survive a worker's death and a reload, and a server found by discovery needs no
agreement between processes. A directory is bounded: names beyond it are counted together as `OTHER`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from bascule.telemetry import causes

_PREFIX: Final = "telemetry."
OTHER: Final = "other\nother"

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")
STATUSES: Final = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
REASONS: Final = ("connect", "reset", "timeout", "status", "protocol")
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms' buckets, in seconds; one more bucket takes what is longer."""

HISTOGRAM: Final = len(BOUNDS) + 2
"""Words of a histogram: its buckets (not cumulative) and the sum in microseconds."""

# Fixed words of a block. The gauges come first.
HEARTBEAT, PID, WORKER, GENERATION, OPEN, RSS, CPU, FDS = range(8)
ACCEPTED, ACCEPTED_TLS, REFUSED, TLS_FAILED, LINES, LINES_DROPPED = range(8, 14)
CAUSES: Final = 16
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
ROUTE_WIDTH: Final = WAIT + HISTOGRAM

# Words of a server's series, after its name.
ANSWERS: Final = _NAME
ERRORS: Final = ANSWERS + len(STATUSES)
SERVER_WAIT: Final = ERRORS + len(REASONS)
SERVER_WIDTH: Final = SERVER_WAIT + HISTOGRAM

ROUTES_MAX: Final = 256
SERVERS_MAX: Final = 1024
_ROUTES_AT: Final = FIXED
_SERVERS_AT: Final = _ROUTES_AT + 1 + ROUTES_MAX * ROUTE_WIDTH
BLOCK: Final = _SERVERS_AT + 1 + SERVERS_MAX * SERVER_WIDTH
"""Words of one slot's block; pages that are never touched cost no memory."""

Words = memoryview  # format 'Q'


class Arena(Protocol):
    """What is needed of shared memory: named segments, the same in every process (state/arena.py)."""

    def u64(self, name: str, count: int) -> memoryview: ...

    def names(self) -> list[str]: ...


def arena_bytes(slots: int) -> int:
    """Return how large an arena must be for the counters of `slots` workers, its own directory included."""
    return slots * BLOCK * 8 * 8 // 7 + (1 << 20)


class Directory:
    """Named series of one block. The writer adds; readers see a name only once it is whole."""

    def __init__(self, words: Words, width: int, capacity: int) -> None:
        self.words = words
        self._width = width
        self._capacity = capacity
        self._offsets = dict(self._scan())

    def offset(self, name: str) -> int:
        """Return where the series of `name` begins, adding it when it is new."""
        found = self._offsets.get(name)
        if found is not None:
            return found
        count = self.words[0]
        if count >= self._capacity - 1:
            name = OTHER  # the last place is kept for it
            if OTHER in self._offsets:
                return self._offsets[OTHER]
        offset = 1 + count * self._width
        raw = name.encode("utf-8", "replace")[: (_NAME - 1) * 8]
        self.words[offset + 1 : offset + _NAME].cast("B")[: len(raw)] = raw
        self.words[offset] = len(raw)
        self.words[0] = count + 1
        self._offsets[name] = offset
        return offset

    def keep(self, names: set[str]) -> None:
        """Forget every series when more than three quarters are taken and some names are not of `names`."""
        count = self.words[0]
        if count <= self._capacity * 3 // 4 or not (self._offsets.keys() - names - {OTHER}):
            return
        used = 1 + count * self._width
        self.words[0] = 0
        self.words[1:used].cast("B")[:] = bytes((used - 1) * 8)
        self._offsets = {}

    def series(self) -> Iterator[tuple[str, Words]]:
        """Yield the name and the words of each series."""
        for name, offset in self._scan():
            yield name, self.words[offset : offset + self._width]

    def _scan(self) -> Iterator[tuple[str, int]]:
        for index in range(min(self.words[0], self._capacity)):
            offset = 1 + index * self._width
            raw = bytes(self.words[offset + 1 : offset + _NAME].cast("B")[: self.words[offset]])
            yield raw.decode("utf-8", "ignore"), offset


class Block:
    """The counters of one slot."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.routes = Directory(words[_ROUTES_AT:_SERVERS_AT], ROUTE_WIDTH, ROUTES_MAX)
        self.servers = Directory(words[_SERVERS_AT:BLOCK], SERVER_WIDTH, SERVERS_MAX)


class Store:
    """The blocks of every slot, each a segment of its own in the arena."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena

    def block(self, slot: int) -> Block:
        """Return the block of `slot`, making it when it is the slot's first use."""
        return Block(self._arena.u64(f"{_PREFIX}{slot}", BLOCK))

    def blocks(self) -> Iterator[tuple[int, Block]]:
        """Yield each slot that was ever used with its block, lowest first."""
        slots = sorted(int(name[len(_PREFIX) :]) for name in self._arena.names() if name.startswith(_PREFIX))
        for slot in slots:
            yield slot, self.block(slot)
