"""Locks between processes that cost a tenth of a microsecond and do not outlive their holder's death by much.

A semaphore in shared memory is taken and given back without a system call while nobody else wants it. It knows no
owner: when a process is killed while it holds one, nobody would ever give it back. So nobody waits for longer than
`PATIENCE`, then goes on as if it had the lock, and giving it back repairs it. What is guarded must bear that two
processes are inside at once in this rare case. Measured beside a file lock: docs/decisions/shared-buckets.md.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context

PATIENCE = 0.1
"""Seconds after which the holder counts as dead. It holds a lock for a microsecond, unless it lost its core: with four
processes at one lock on two busy cores, 5 ms took it from living holders so often that a limit was 9 % off."""
COUNT = 32
"""Locks that share the work, so that processes seldom meet."""


class Lock:
    """One lock, made before the fork. The hot path calls `take(False)`, and `wait()` where that is False.

    Raises OSError where the system has no POSIX semaphores (no /dev/shm).
    """

    __slots__ = ("give", "take")

    def __init__(self) -> None:
        lock = get_context("fork").Lock()
        self.take: Callable[..., bool] = lock.acquire
        self.give: Callable[[], None] = lock.release
        """Give it back. Raises ValueError where it is free already: it was taken over, and given back since."""

    def wait(self) -> None:
        """Take a lock that another has; after `PATIENCE` it is taken over."""
        self.take(True, PATIENCE)

    def __enter__(self) -> None:
        if not self.take(False):
            self.wait()

    def __exit__(self, *_: object) -> None:
        try:
            self.give()
        except ValueError:  # it was taken from us
            return


def make_locks() -> tuple[Lock, ...]:
    """Return `COUNT` locks."""
    return tuple(Lock() for _ in range(COUNT))
