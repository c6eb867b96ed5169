"""What the tables of this room have in common: keys are 64-bit hashes in sets of eight, in memory shared over forks."""

from __future__ import annotations

import mmap
from typing import Final

from bascule.state.locks import COUNT

WAYS: Final = 8
"""Keys of a set: their hashes are one cache line."""
MIN_KEYS, MAX_KEYS = 1 << 10, 1 << 24
LOCK_MASK: Final = COUNT - 1


def places(keys: int) -> int:
    """Return the places of a table for so many keys: the next power of two.

    Raises ValueError for less than `MIN_KEYS` or more than `MAX_KEYS`.
    """
    if not MIN_KEYS <= keys <= MAX_KEYS:
        raise ValueError(f"a table has {MIN_KEYS} to {MAX_KEYS} keys, not {keys}")
    return 1 << (keys - 1).bit_length()


def lane(key: int) -> int:
    """Return the number of the lock that guards a key: by the lowest bits of its set, so that a set has one lock."""
    return (key >> 3) & LOCK_MASK


def shared_memory(size: int) -> memoryview:
    """Return memory that processes forked later share; its pages are allocated as they are used."""
    return memoryview(mmap.mmap(-1, size, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
