"""Load: wrk for what it can do, threads of this program for TLS handshakes that must not resume."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from benchmarks.certificate import HOST
from benchmarks.machine import BenchError
from benchmarks.peers.base import find_program
from benchmarks.processes import on_cores, wait_until
from benchmarks.traffic import fill, read_pool

_SCRIPT = Path(__file__).with_name("wrk.lua")
_MARK = "RESULT "


class LoadResult(msgspec.Struct, frozen=True):
    """What a load generator saw in one round."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    errors: int
    """Answers other than 2xx/3xx, and failed connects, reads, writes and time-outs."""


def parse_wrk(output: str) -> LoadResult:
    """Return the result line that `wrk.lua` printed.

    Raises:
        BenchError: there is none.
    """
    for line in output.splitlines():
        if line.startswith(_MARK):
            return msgspec.json.decode(line[len(_MARK) :], type=LoadResult)
    raise BenchError(f"wrk printed no result: {output.strip()[-400:] or '(nothing)'}")


def run_wrk(
    port: int,
    pool: Path,
    start: int,
    seconds: int,
    connections: int,
    cores: Collection[int],
    gives_way: bool = False,
) -> LoadResult:
    """Drive 127.0.0.1:`port` for `seconds`, the counter beginning at `start`.

    Each of `cores` has a thread of its own with `connections` connections; it may give way to who works there.
    """
    program = find_program("wrk")
    if program is None:
        raise BenchError("wrk is not installed: apt-get install wrk")
    threads = len(cores)
    command = [*on_cores(cores, gives_way), str(program), "-s", str(_SCRIPT)]
    command += ["-t", str(threads), "-c", str(connections * threads), "-d", f"{seconds}s", "--timeout", "30s"]
    command += [f"http://127.0.0.1:{port}/", "--", str(pool), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            if threads > 1:
                _spread(running.pid, cores)
            output, _ = running.communicate(timeout=seconds + 60)
        finally:
            running.kill()
    return parse_wrk(output)


def _spread(pid: int, cores: Collection[int]) -> None:
    """Give each of `cores` one of the threads that wrk starts beside its first; where it has ended, parsing tells."""
    tasks = Path(f"/proc/{pid}/task")
    with contextlib.suppress(OSError):
        wait_until(lambda: len(list(tasks.iterdir())) > len(cores), seconds=5, pause=0.002)
        _, *threads = sorted(int(task.name) for task in tasks.iterdir())
        for thread, core in zip(threads, sorted(cores), strict=False):
            os.sched_setaffinity(thread, {core})


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def run_handshakes(port: int, pool: Path, start: int, seconds: float, threads: int = 4) -> LoadResult:
    """Drive a TLS listener with one request per connection and a full TLS 1.3 handshake for each.

    wrk would resume its sessions; each of these connections begins without one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    requests = read_pool(pool)
    deadline = time.perf_counter() + seconds

    def drive(offset: int) -> tuple[list[float], int]:
        latencies: list[float] = []
        errors, counter = 0, start + offset
        while (begun := time.perf_counter()) < deadline:
            counter += threads
            try:
                good = _ask_once(context, port, fill(requests[counter % len(requests)], counter))
            except OSError:
                good = False
            errors += not good
            latencies.append((time.perf_counter() - begun) * 1e6)
        return latencies, errors

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as executor:
        outcomes = list(executor.map(drive, range(threads)))
    latencies = [latency for of_thread, _ in outcomes for latency in of_thread]
    return LoadResult(
        requests=len(latencies),
        seconds=time.perf_counter() - begun,
        p50_us=percentile(latencies, 0.50),
        p99_us=percentile(latencies, 0.99),
        errors=sum(errors for _, errors in outcomes),
    )


def _ask_once(context: ssl.SSLContext, port: int, request: bytes) -> bool:
    """Connect, ask, read to the end, close; return whether the answer is complete and 200."""
    with socket.socket() as plain:
        plain.settimeout(30)
        # without it the request waits for the delayed acknowledgement of the handshake's last flight
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect(("127.0.0.1", port))
        with context.wrap_socket(plain, server_hostname=HOST) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(16384):
                answer += chunk
    return answer.startswith(b"HTTP/1.1 200 ") and b"\r\n\r\n" in answer
