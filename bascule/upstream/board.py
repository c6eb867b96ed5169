"""The board: what workers and keeper tell each other about servers, in shared memory.

Per pool a version, and per worker the requests that wait; per slot of a server the keeper's flags, the server's key and
when it came back; per slot and worker the requests in progress, start and end of an ejection. Every word has one writer
and readers never lock. Two are written by all: the version (each writer takes values that no other ever uses, so that
no change can hide behind another), and what is learned of a server's concurrency (adaptive.py: whoever finds an update
due makes it; one that is lost comes again).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Protocol, cast

from bascule.config.plan import PoolPlan
from bascule.upstream.adaptive import WORDS

MAX_DISCOVERED = 256
"""Slots of a pool with discovery; more members than slots are not used."""

DOWN = 1
DRAIN = 2
_WEIGHT_SHIFT = 8


class SharedArena(Protocol):
    """Named segments of memory shared over fork, zero at first (state/arena.py)."""

    def u64(self, name: str, count: int) -> memoryview: ...
    def f64(self, name: str, count: int) -> memoryview: ...


def pool_slots(pool: PoolPlan) -> int:
    """Return how many slots a pool takes."""
    return MAX_DISCOVERED if pool.config.discover else len(pool.config.servers)


class PoolBoard:
    """The part of the board that belongs to one pool."""

    def __init__(
        self,
        version: memoryview,
        flags: memoryview,
        keys: memoryview,
        active: memoryview,
        since: memoryview[float],
        until: memoryview[float],
        back: memoryview[float],
        learned: memoryview[float],
        waiting: memoryview,
    ) -> None:
        self.version = version
        self._waiting = waiting
        self.flags = flags
        self.keys = keys
        self._active = active
        self._since = since
        self._until = until
        self.back = back
        """When each server came back from being down, or joined the pool (keeper only; 0: it always served)."""
        self._learned = learned
        self.slots = len(flags)
        self.workers = len(waiting)
        self._stamps: itertools.count[int] | None = None

    def announce(self, writer: int) -> None:
        """Tell all readers that something changed. `writer` is the worker's index, or -1 for the keeper."""
        if self._stamps is None:
            # Milliseconds since boot lead, so that a restarted writer repeats none of its predecessor's values.
            start = (int(time.monotonic() * 1000) << 20) + (writer + 1)
            self._stamps = itertools.count(start, 1024)
        self.version[0] = next(self._stamps)

    # -- written by the keeper

    def is_down(self, slot: int) -> bool:
        """Did the active checks find the server of this slot down?"""
        return bool(self.flags[slot] & DOWN)

    def is_drained(self, slot: int) -> bool:
        """Was it drained by an operator?"""
        return bool(self.flags[slot] & DRAIN)

    def weight(self, slot: int) -> int | None:
        """Return an operator's weight for the server; None means the configured one."""
        raw: int = self.flags[slot] >> _WEIGHT_SHIFT
        return raw - 1 if raw else None

    def set_flags(self, slot: int, *, down: bool, drain: bool, weight: int | None = None) -> None:
        """Write what the keeper knows of a server. Keeper only."""
        raw = 0 if weight is None else weight + 1
        value = (DOWN if down else 0) | (DRAIN if drain else 0) | raw << _WEIGHT_SHIFT
        if self.flags[slot] != value:
            self.flags[slot] = value
            self.announce(-1)

    def back_since(self, slot: int, now: float) -> float:
        """Return since when the server serves, after it was new, down or ejected; 0 if it always did."""
        until = self.ejection(slot)[1]
        return max(self.back[slot], until if until <= now else 0.0)

    # -- written by each worker

    def eject(self, slot: int, worker: int, since: float, until: float) -> None:
        """Eject the server for that time (seconds of the monotonic clock); 0 takes an ejection back."""
        place = slot * self.workers + worker
        self._since[place] = since
        self._until[place] = until
        self.announce(worker)

    def ejection(self, slot: int) -> tuple[float, float]:
        """Return start and end of the ejection that lasts longest of those that workers decided."""
        start = slot * self.workers
        place = max(range(start, start + self.workers), key=self._until.__getitem__)
        return self._since[place], self._until[place]

    def set_active(self, slot: int, worker: int, count: int) -> None:
        """Publish the requests this worker has in progress on the server."""
        self._active[slot * self.workers + worker] = count

    def active(self, slot: int) -> int:
        """Return the requests in progress on the server over all workers."""
        start = slot * self.workers
        return sum(self._active[start : start + self.workers])

    # -- written by whichever worker is first

    def learned(self, slot: int) -> memoryview[float]:
        """Return the words in which the workers keep what they learned of the server's concurrency."""
        return self._learned[slot * WORDS : (slot + 1) * WORDS]

    def set_waiting(self, worker: int, count: int) -> None:
        """Publish the requests of this worker that wait for a server of the pool."""
        self._waiting[worker] = count

    def lines(self, worker: int) -> int:
        """Return how many workers have requests that wait; this one counts in any case."""
        return 1 + sum(1 for index, count in enumerate(self._waiting.tolist()) if count and index != worker)

    def rank(self, worker: int) -> int:
        """Return how many workers before this one have requests that wait."""
        return sum(1 for count in self._waiting[:worker].tolist() if count)

    def clear(self, slot: int, worker: int) -> None:
        """Forget what this worker said, and all learned, of a server that left the slot."""
        for place in range(slot * WORDS, (slot + 1) * WORDS):
            self._learned[place] = 0.0
        self._active[slot * self.workers + worker] = 0
        self._until[slot * self.workers + worker] = 0.0


class Board:
    """The layout over the arena; build it alike in every process, before or after the fork."""

    def __init__(self, arena: SharedArena, pools: Sequence[PoolPlan], workers: int) -> None:
        slots = sum(pool_slots(pool) for pool in pools)
        version = arena.u64("upstream.version", max(1, len(pools)))
        flags = arena.u64("upstream.flags", max(1, slots))
        keys = arena.u64("upstream.keys", max(1, slots))
        active = arena.u64("upstream.active", max(1, slots * workers))
        since = cast("memoryview[float]", arena.f64("upstream.ejected_since", max(1, slots * workers)))
        until = cast("memoryview[float]", arena.f64("upstream.ejected_until", max(1, slots * workers)))
        back = cast("memoryview[float]", arena.f64("upstream.back_since", max(1, slots)))
        learned = cast("memoryview[float]", arena.f64("upstream.learned", max(1, slots * WORDS)))
        waiting = arena.u64("upstream.waiting", max(1, len(pools) * workers))
        self.pools: list[PoolBoard] = []
        start = 0
        for index, pool in enumerate(pools):
            end = start + pool_slots(pool)
            self.pools.append(
                PoolBoard(
                    version[index : index + 1],
                    flags[start:end],
                    keys[start:end],
                    active[start * workers : end * workers],
                    since[start * workers : end * workers],
                    until[start * workers : end * workers],
                    back[start:end],
                    learned[start * WORDS : end * WORDS],
                    waiting[index * workers : (index + 1) * workers],
                )
            )
            start = end

    @staticmethod
    def size(pools: Sequence[PoolPlan], workers: int) -> int:
        """Return the bytes of arena that are enough for the board and the arena's own directory."""
        slots = sum(pool_slots(pool) for pool in pools)
        return 2 * 8 * (len(pools) * (1 + workers) + (3 + WORDS) * slots + 3 * slots * workers) + (1 << 16)
