"""The machine the numbers belong to: its cores, its limits, its name."""

from __future__ import annotations

import os
import platform
import resource
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


class BenchError(Exception):
    """The bench cannot measure what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which processor core each side runs on."""

    peer: int
    """The proxy under test has this core for itself."""
    load: int
    """Load generator, origin and this program share this one."""

    @property
    def both(self) -> frozenset[int]:
        return frozenset((self.peer, self.load))


def pick_cores() -> Cores:
    """Return the first two cores this process may use.

    Raises:
        BenchError: there is only one.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError("the bench needs two cores, one for the proxy and one for load and origin; this has one")
    return Cores(peer=allowed[0], load=allowed[1])


def descriptor_limit() -> int:
    """Return how many files this process and its children may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_descriptor_limit() -> None:
    """Lift the soft limit on open files to the hard one, for this process and its children."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scratch_root() -> Path | None:
    """Return a folder in memory, so that no disk's pace is measured; None means the system's default."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else None


def describe() -> dict[str, str]:
    """Return what a reader needs to compare the numbers with another machine's."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, timeout=10
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
