"""Giving memory back after a crowd: the C library keeps what was freed, in case that more is asked for, and Python's
allocator each arena of which one object lives."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterable
from mmap import PAGESIZE
from typing import Final

from bascule.proxy.client import ClientConnection
from bascule.proxy.phase import TUNNEL

CROWD: Final = 1000
"""Clients at a time from which on it matters what they leave behind: about 2 KiB each."""
LEFT: Final = 4
"""It is a crowd that has gone when no more than one in so many is there."""
REST: Final = 60
"""Seconds after a crowd has gone until what it left is looked at, and until it is looked at again."""


WARMTH: Final = 2 << 20
"""Bytes by which a process grows with its first requests of each kind, whoever asks: a new one would, too."""


def _give_back() -> None:
    """Return free pages of the heap to the kernel (malloc_trim(3)); nothing where the C library has no such call.

    Takes a millisecond for a heap of 10 MiB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _own_size() -> int:
    """Return the bytes of this process in memory that are in no file and not shared memory (proc_pid_statm(5))."""
    try:
        with open("/proc/self/statm", "rb") as file:
            resident, shared = file.read().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * PAGESIZE


def has_tunnel(clients: Iterable[object]) -> bool:
    """Whether a client has a tunnel, which the end of this process would cut off."""
    return any(isinstance(client, ClientConnection) and client.state == TUNNEL for client in clients)


def nobody_swells(_kept: int) -> None:
    """What a worker does about memory that it keeps, where it is not to be replaced."""


class Trimmer:
    """Looks once a second at how many clients a worker has, and gives memory back when a crowd has gone.

    What is kept all the same is told to `swollen` a minute later, if it is more than `beyond` bytes: only a new process
    has less. `size` returns how large this one is; after its first crowd, which warms it, `warmth` more may be kept.
    """

    __slots__ = ("_beyond", "_calm", "_give_back", "_left", "_most", "_rested", "_size", "_swollen", "_warmth")

    def __init__(
        self,
        swollen: Callable[[int], None] = nobody_swells,
        beyond: float = math.inf,
        give_back: Callable[[], None] = _give_back,
        size: Callable[[], int] = _own_size,
        *,
        warmth: int = 0,
    ) -> None:
        self._swollen = swollen
        self._beyond = beyond
        self._give_back = give_back
        self._size = size
        self._warmth = warmth
        self._most = 0
        self._left = False
        self._calm = 0
        """Bytes before the crowd."""
        self._rested = -1
        """Seconds since the crowd has gone; less than none while there is no crowd to speak of."""

    def every_second(self, clients: int, may_swell: Callable[[], bool] = lambda: True) -> None:
        """Take how many there are. What they had is free a moment after they went: hence at the next look.

        `may_swell` tells whether this process could be replaced, if it kept much.
        """
        if self._left:
            self._left, self._most = False, clients
            self._give_back()
        self._most = max(self._most, clients)
        self._left = self._most >= CROWD and clients * LEFT <= self._most
        if self._beyond < math.inf:
            self._weigh(may_swell)

    def _weigh(self, may_swell: Callable[[], bool]) -> None:
        if self._most >= CROWD:
            self._rested = 0
        elif self._rested < 0:
            self._calm = self._size()
        else:
            self._rested += 1
            if self._rested >= REST:
                kept = self._size() - self._calm - self._warmth
                if kept <= self._beyond:
                    self._rested = -1
                    self._warmth = 0
                else:
                    self._rested = 0
                    if may_swell():
                        self._swollen(kept)
