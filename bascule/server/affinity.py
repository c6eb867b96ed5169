"""Which cores a worker runs on: one that stays where it is finds what it needs in that core's cache."""

from __future__ import annotations

import os

from bascule.config.types import Affinity


class AffinityError(ValueError):
    """The wanted cores cannot be had; the text says why and what to do."""


def usable_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may run on."""
    return tuple(sorted(os.sched_getaffinity(0)))


def cores_of(affinity: Affinity, workers: int) -> tuple[int, ...]:
    """Return the core of each worker, or nothing where the kernel chooses.

    ``auto`` binds where every worker gets a core and every core a worker: there is nowhere else to go then, and what
    the kernel would move is only taken from its cache. Raises AffinityError for a core that may not be used.
    """
    usable = usable_cores()
    if affinity == "auto":
        return usable if 1 < workers == len(usable) else ()
    if affinity == "off":
        return ()
    strange = sorted(set(affinity) - set(usable))
    if strange:
        may = ", ".join(map(str, usable))
        raise AffinityError(f"affinity: this process may not use core {strange[0]}; it may use {may}")
    return tuple(affinity[index % len(affinity)] for index in range(workers))


def bind(cores: tuple[int, ...], index: int) -> None:
    """Keep the calling process, worker `index`, on its core. A core that went away meanwhile is no reason to fail."""
    if index < len(cores) and cores[index] in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {cores[index]})
