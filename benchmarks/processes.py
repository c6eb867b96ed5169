"""Processes under measurement: starting, pinning, waiting, reading CPU time and memory, ending.

CPU time is read from each process's CPU-time clock (clock_getcpuclockid(3)): nanoseconds, over all threads, those that
have ended included. `/proc/PID/stat` would give ticks of 10 ms.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.machine import BenchError

READY_SECONDS = 60.0
"""Rules that are compiled for the first time take a quarter of it, with the core for themselves."""
STOP_SECONDS = 5.0
_CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the clock that counts what the scheduler gave


def cpu_clock_ns(pid: int) -> int:
    """Return the CPU time all threads of `pid` have had, in nanoseconds. Raises OSError when it is gone."""
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def parse_stat(text: str) -> tuple[int, int]:
    """Return (parent, session) from the text of `/proc/PID/stat`; the name in brackets may hold anything."""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[3])


def tree_of(root: int, table: Mapping[int, tuple[int, int]]) -> set[int]:
    """Return `root`, its descendants and its session's members out of a table pid -> (parent, session)."""
    tree = {root} | {pid for pid, (_, session) in table.items() if session == root}
    while found := {pid for pid, (parent, _) in table.items() if parent in tree} - tree:
        tree |= found
    return tree & (table.keys() | {root})


def process_table() -> dict[int, tuple[int, int]]:
    """Return pid -> (parent, session) of every process."""
    table: dict[int, tuple[int, int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
                table[int(entry.name)] = parse_stat(stat)
    return table


def on_cores(cores: Collection[int], gives_way: bool = False) -> list[str]:
    """Return the words before a command that keep it on `cores`.

    One that `gives_way` never takes a core from a program that is at work there: it runs where that one has nothing to
    do or has had its share (SCHED_BATCH, sched(7)).
    """
    words = ["taskset", "-c", ",".join(map(str, sorted(cores)))]
    return [*words, "chrt", "--batch", "0"] if gives_way else words


class Service:
    """A program that runs in the background, in a session of its own, with everything it starts."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        cores: Collection[int],
        environment: Mapping[str, str] | None = None,
        gives_way: bool = False,
    ) -> None:
        """Start `command` on `cores`; stdout goes to `log`, stderr beside it."""
        self.name = name
        self.errors = log.with_suffix(".err")
        with log.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen(
                [*on_cores(cores, gives_way), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                env=None if environment is None else {**os.environ, **environment},
            )

    def wait_ready(self, port: int, seconds: float = READY_SECONDS) -> None:
        """Return once something accepts on 127.0.0.1:`port`.

        Raises:
            BenchError: it ended first, or did not listen in time; the message quotes what it printed.
        """

        def accepts() -> bool:
            if self.process.poll() is not None:
                status = self.process.returncode
                raise BenchError(f"{self.name} ended at once with status {status}: {self.last_words()}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        if not wait_until(accepts, seconds):
            raise BenchError(f"{self.name} did not listen within {seconds:.0f} s: {self.last_words()}")

    def last_words(self) -> str:
        """Return the end of what the program wrote to stderr."""
        return self.errors.read_text(encoding="utf-8", errors="replace")[-300:].strip() or "(it printed nothing)"

    def pids(self) -> set[int]:
        """Return the process and all that it started and that still runs."""
        return tree_of(self.process.pid, process_table())

    def cpu_ns(self) -> dict[int, int]:
        """Return the CPU time of each process of the tree so far, in nanoseconds."""
        readings: dict[int, int] = {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                readings[pid] = cpu_clock_ns(pid)
        return readings

    def memory_bytes(self) -> int:
        """Return the tree's memory: the sum of proportional set sizes, so that shared pages count once."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
                total += parse_kib(rollup, "Pss")
        return total

    def reset_peak(self) -> None:
        """Begin a new measurement of the peak (proc(5): writing 5 to `clear_refs`)."""
        for pid in self.pids():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def peak_bytes(self) -> int:
        """Return the sum of the processes' largest resident sets since `reset_peak`."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                total += parse_kib(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"), "VmHWM")
        return total

    def stop(self) -> None:
        """End the whole tree: politely first, then by force."""
        pids = self.pids()
        _signal(pids, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        _signal(pids | self.pids(), signal.SIGKILL)
        self.process.wait()


def parse_kib(text: str, name: str) -> int:
    """Return, in bytes, what a line `NAME: 12 kB` of a /proc file says; 0 where there is none."""
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_spent(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """Return the nanoseconds each process spent between two readings.

    Raises:
        BenchError: a process of the first reading is gone, so its time is lost: it crashed, or was recycled.
    """
    if gone := before.keys() - after.keys():
        raise BenchError(f"process {min(gone)} of the proxy ended while it was measured; the round cannot be counted")
    return {pid: nanoseconds - before.get(pid, 0) for pid, nanoseconds in after.items()}


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Return whether `condition` came true before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


@contextlib.contextmanager
def running(service: Service) -> Iterator[Service]:
    """End `service` when the block is left, however it is left."""
    try:
        yield service
    finally:
        service.stop()


def _signal(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
