"""Giving memory back after a crowd: the C library keeps what was freed, in case that more is asked for."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

CROWD: Final = 1000
"""Clients at a time from which on it matters what they leave behind: about 2 KiB each."""
LEFT: Final = 4
"""It is a crowd that has gone when no more than one in so many is there."""


def _give_back() -> None:
    """Return free pages of the heap to the kernel (malloc_trim(3)); nothing where the C library has no such call.

    Takes a millisecond for a heap of 10 MiB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Trimmer:
    """Looks once a second at how many clients a worker has, and gives memory back when a crowd has gone."""

    __slots__ = ("_give_back", "_left", "_most")

    def __init__(self, give_back: Callable[[], None] = _give_back) -> None:
        self._give_back = give_back
        self._most = 0
        self._left = False

    def every_second(self, clients: int) -> None:
        """Take how many there are. What they had is free a moment after they went: hence at the next look."""
        if self._left:
            self._left, self._most = False, clients
            self._give_back()
        self._most = max(self._most, clients)
        self._left = self._most >= CROWD and clients * LEFT <= self._most
