"""Millions of domains and the categories they belong to, shared by all workers: a look-up costs about a microsecond.

An open-addressing table of 64-bit hashes: a name is in it if its hash is, which for ten million entries is wrong once
in 2**40 look-ups. The hash is Python's SipHash, keyed at random in each program start and inherited by the workers, so
nobody can make names that collide. The pages are written before the fork and never after it: all workers share them.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from bascule.forward.lists import DomainList

MAX_CATEGORIES = 512
_FILL = 2
"""Slots for each entry: at half full a look-up that finds nothing looks at 1.5 of them on average."""
_EXACT = b"="
"""Stands before names that do not include what is below them; no domain begins with it."""
_KEPT = 8192


class DomainTable:
    """Categories by domain. Build it before the fork, look it up after.

    `lists` are the lists of each category. The order of the categories is that of `names`.
    """

    def __init__(self, lists: Mapping[str, Sequence[DomainList]]) -> None:
        if len(lists) > MAX_CATEGORIES:
            raise ValueError(f"{len(lists)} categories, and {MAX_CATEGORIES} are the most")
        self.names = tuple(lists)
        self.entries = 0
        size = 16
        while size < _FILL * sum(len(part) for parts in lists.values() for part in parts):
            size *= 2
        self._mask = size - 1
        # Arrays hold no references, so no count in them is ever touched: their pages stay shared after a fork.
        self._hashes = array("q", bytes(size * 8))
        self._values = array("I", bytes(size * 4))
        self._has_names = any(part.names for parts in lists.values() for part in parts)
        self._sets: list[tuple[int, int]] = [(0, 0)]
        """What a value means: the categories an entry puts a name into, and those it takes it out of, as bits."""
        self._numbers: dict[tuple[int, int], int] = {(0, 0): 0}
        self._known: dict[bytes, tuple[str, ...]] = {}
        for number, parts in enumerate(lists.values()):
            bit = 1 << number
            for part in parts:
                self._insert(map(hash, part.domains), bit, 0)
                self._insert(map(hash, [_EXACT + name for name in part.names]), bit, 0)
                self._insert(map(hash, part.exceptions), 0, bit)

    @property
    def size(self) -> int:
        """Bytes of the table, shared by all workers."""
        return len(self._hashes) * 12

    def _insert(self, hashes: map[int], into: int, out: int) -> None:
        table, values, mask = self._hashes, self._values, self._mask
        alone = self._number(into, out)
        fresh = 0
        for key in hashes:
            slot = key & mask
            while (there := table[slot]) and there != key:
                slot = (slot + 1) & mask
            if not there:
                table[slot] = key
                values[slot] = alone
                fresh += 1
            elif values[slot] != alone:
                old_into, old_out = self._sets[values[slot]]
                values[slot] = self._number(old_into | into, old_out | out)
        self.entries += fresh

    def _number(self, into: int, out: int) -> int:
        number = self._numbers.setdefault((into, out), len(self._sets))
        if number == len(self._sets):
            self._sets.append((into, out))
        return number

    def bits(self, host: bytes) -> int:
        """Return the categories of a lower-case host name as bits; `names` has their order.

        The walk goes from the name itself to the domains above it; a top-level domain is in no list.
        """
        table, mask, find = self._hashes, self._mask, host.find
        into = out = start = 0
        last = host.rfind(b".")
        name = _EXACT + host if self._has_names else host
        while True:
            key = hash(name)
            slot = key & mask
            while there := table[slot]:
                if there == key:
                    more, less = self._sets[self._values[slot]]
                    into |= more & ~out
                    out |= less
                    break
                slot = (slot + 1) & mask
            if start or name is host:
                start = find(b".", start) + 1
                if not 0 < start <= last:
                    return into
                name = host[start:]
            else:
                name = host

    def categories(self, host: bytes) -> tuple[str, ...]:
        """Return the names of a host's categories; remembers those asked for most recently."""
        known = self._known.get(host)
        if known is None:
            bits = self.bits(host)
            known = tuple(name for number, name in enumerate(self.names) if bits >> number & 1) if bits else ()
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[host] = known
        return known
