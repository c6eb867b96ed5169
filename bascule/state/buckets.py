"""Rate limits that all processes of a machine share: a table of fixed size in shared memory, exact at any time.

Each key has one number: its theoretical arrival time (TAT) of the generic cell rate algorithm (ITU-T I.371, virtual
scheduling). Keys are 64-bit hashes in sets of eight. A new key that finds its set full takes the place, *and the
debt*, of the key with the least: as in the Space-Saving sketch (Metwally et al. 2005) nobody becomes younger by being
pushed out, so a flood of keys can cost a newcomer some of its burst, but never lets anybody exceed its limit. Where a
debt keeps its key out for long (bans, what leads to them, tickets that were used), it would be the other way round: who
fills the table with debts must not have strangers banned. There a newcomer begins with nothing (`inherits`).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Collection
from contextlib import ExitStack

from bascule.state.locks import COUNT, Lock
from bascule.state.pages import Pages
from bascule.state.sets import LOCK_MASK, WAYS, lane, places, shared_memory

ROUNDING = 1e-6
"""Seconds that sums of floating-point times may be off. Who lets a debt be `most`, and not only less, allows so much
more: else chance decides about the last request of a burst, or about a ticket whose debt is all that there may be."""
Taker = Callable[[int, float], float]
KEYS_A_PAGE = mmap.PAGESIZE // 8
HASH_MASK = (1 << 62) - 1
"""A hash is a number below this that is not 0, which stands for a free place."""


def hash_of(key: bytes) -> int:
    """Return the hash of a key: SipHash under a secret that all processes of an instance were forked with."""
    return hash(key) & HASH_MASK or 1  # that of no bytes is 0


class Buckets:
    """One limit's keys; made before the fork, 16 bytes a key, of which pages are allocated as they are used.

    `keys` is rounded up to a power of two. Raises ValueError for less than `MIN_KEYS` or more than `MAX_KEYS`.
    """

    __slots__ = ("_inherits", "_locks", "_mask", "_pages", "_tags", "_tats", "changes")

    def __init__(
        self, keys: int, locks: tuple[Lock, ...], inherits: bool = True, changes: memoryview | None = None
    ) -> None:
        keys = places(keys)
        view = shared_memory(keys * 16 + COUNT * 8)
        self.changes = view[keys * 16 :].cast("Q") if changes is None else changes
        """By `lane`, how often a key of it was held or charged: while the number is the same, so are the keys. It may
        be that of another table with the same locks: then it counts for both."""
        self._pages = Pages(view)
        self._tags = view[: keys * 8].cast("Q")
        self._tats = view[keys * 8 : keys * 16].cast("d")
        self._mask = keys - WAYS
        self._locks = locks
        self._inherits = inherits

    def take(self, key: int, cost: float, most: float, now: float) -> float:
        """Charge `key` with `cost` seconds at `now` (monotonic), unless its debt would then exceed `most` seconds.

        Returns by how many seconds it would exceed it: 0 or less means that it was charged, and what is left of
        `most`; more than 0 that nothing was changed, and after how many seconds it would pass.
        """
        return self.taker(cost, most)(key, now)

    def taker(self, cost: float, most: float) -> Taker:
        """Return `take` for one limit: what it has to look up is at hand. Arguments are the key, and now."""
        tags, tats, mask, find = self._tags, self._tats, self._mask, self._find
        locks = [(lock.take, lock.wait, lock.give) for lock in self._locks]

        def take(key: int, now: float) -> float:
            place = key & mask
            seize, wait, give = locks[(place >> 3) & LOCK_MASK]  # see `lane`
            if not seize(False):
                wait()
            if tags[place] != key:
                place = find(place, key)
            tat = tats[place]
            if not now < tat:
                tat = now
            tat += cost
            excess = tat - now - most
            if excess <= 0.0:
                tats[place] = tat
            try:
                give()
            except ValueError:  # it was taken from us
                return excess
            return excess

        return take

    def hold(self, key: int, until: float) -> None:
        """Let nothing be charged to `key` before `until` (monotonic), whatever it owes; a time gone by frees it, and 0
        costs nobody else the place, where it has none."""
        with self._locks[lane(key)]:
            first = key & self._mask
            if not until and key not in self._tags[first : first + WAYS].tolist():
                return
            self._tats[self._place(key)] = until
            self.changes[lane(key)] += 1  # after it: who sees the number sees the change

    def owe(self, key: int, until: float) -> None:
        """Let `key` be in debt at least until a time (monotonic)."""
        with self._locks[lane(key)]:
            place = self._place(key)
            if self._tats[place] < until:
                self._tats[place] = until
                self.changes[lane(key)] += 1

    def charge(self, key: int, cost: float, most: float, now: float) -> float:
        """Charge `key` with `cost` seconds at `now`, but let its debt grow to `most` only. Return the debt."""
        with self._locks[lane(key)]:
            place = self._place(key)
            debt = min(max(self._tats[place] - now, 0.0) + cost, most)
            self._tats[place] = now + debt
            self.changes[lane(key)] += 1
        return debt

    def keep_only(self, keys: Collection[int]) -> None:
        """Free all keys but these. It looks at the whole table."""
        for key, tat in zip(self._tags.tolist(), self._tats.tolist(), strict=True):
            if tat and key not in keys:
                self.hold(key, 0.0)

    def give_back(self, now: float) -> int:
        """Return to the kernel the pages of whose keys none is in debt at `now`; return how many those were.

        A key without debt is as good as a free place, so nothing is forgotten. Raises OSError.
        """
        half = len(self._tats) // KEYS_A_PAGE  # a table smaller than a page has none to give
        present, given = self._pages.present(), 0
        for page in range(half):
            has_tags, has_tats = present[page] & 1, present[half + page] & 1
            if not (has_tags or has_tats) or (has_tats and self._in_debt(page, now)):
                continue
            with ExitStack() as held:
                for lock in self._locks:
                    held.enter_context(lock)
                if not self._in_debt(page, now):
                    self._pages.discard(half + page)  # first: a tag whose time is gone owes nothing
                    self._pages.discard(page)
                    given += has_tags + has_tats
        return given

    def _in_debt(self, page: int, now: float) -> bool:
        return max(self._tats[page * KEYS_A_PAGE : (page + 1) * KEYS_A_PAGE].tolist()) > now

    def until(self, key: int) -> float:
        """Return until when (monotonic) `key` is in debt; 0 for an unknown one. Takes no lock."""
        first = key & self._mask
        tags = self._tags[first : first + WAYS].tolist()
        return float(self._tats[first + tags.index(key)]) if key in tags else 0.0

    def _place(self, key: int) -> int:
        """Return the place of a key; what `taker` returns has this in line."""
        first = key & self._mask
        return first if self._tags[first] == key else self._find(first, key)

    def _find(self, first: int, key: int) -> int:
        """Return the place of a key within its set; a new one gets the place of the least indebted, and its debt or
        none."""
        tags, tats = self._tags, self._tats
        least = first
        for place in range(first, first + WAYS):
            tag = tags[place]
            if tag == key:
                return place
            if not tag:
                least = place
                break
            if tats[place] < tats[least]:
                least = place
        tags[least] = key
        if not self._inherits:
            tats[least] = 0.0
        return least
