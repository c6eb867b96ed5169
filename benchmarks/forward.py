"""The forward proxy beside its peers, and its tunnels beside HAProxy's: ``python -m benchmarks.forward``.

CPU time of the whole proxy process tree: a browser's GET over kept connections, one CONNECT tunnel opened and closed,
a GiB through a tunnel, the memory of an idle tunnel. One worker each, interleaved, the median of the rounds. What was
measured of a contender is printed at once, too, on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.load import run_wrk
from benchmarks.machine import descriptor_limit, free_port, pick_cores, raise_descriptor_limit
from benchmarks.origin import Origin
from benchmarks.peers.base import find_program
from benchmarks.processes import Service, cpu_spent
from benchmarks.traffic import browser_headers, browser_target, message, write_pool

DOWNLOAD = 1 << 30
TUNNELS = 2000
"""Tunnels opened in a round."""
_AT_ONCE = 32
"""Tunnels opened at a time, as many as there are connections for the GETs: proxy.py sleeps 25 ms between looks."""
_SPARE_FILES = 64
"""Descriptors of a worker that are no tunnel's."""

_SQUID = """\
http_port 127.0.0.1:{port}
http_access allow all
acl CONNECT method CONNECT
cache deny all
cache_mem 8 MB
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
pid_filename none
coredump_dir {folder}
pinger_enable off
shutdown_lifetime 0 seconds
workers 1
"""
_TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Timeout 600
MaxClients 4000
LogFile "{folder}/access.log"
LogLevel Connect
PidFile "{folder}/tinyproxy.pid"
"""
_HAPROXY = """\
global
    nbthread 1
    maxconn 12000
    no strict-limits
defaults
    mode tcp
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    option splice-auto
frontend front
    bind 127.0.0.1:{port}
    default_backend origin
backend origin
    server origin 127.0.0.1:{origin}
"""


@dataclass(frozen=True)
class Contender:
    """A proxy, how it is started, and whether it takes CONNECT (HAProxy passes bytes to the origin as they come)."""

    name: str
    command: Callable[[Path, int, int], list[str]]
    connects: bool = True


def _bascule(workers: int, folder: Path, port: int, origin: int) -> list[str]:
    options = ["--listen", f"127.0.0.1:{port}", "--allow-private", "--workers", str(workers)]
    program = str(Path(sys.executable).with_name("bascule"))
    return [program, "forward", *options, "--access-log", str(folder / "access.log")]


def _configured(program: str, template: str, *options: str) -> Callable[[Path, int, int], list[str]]:
    def command(folder: Path, port: int, origin: int) -> list[str]:
        config = folder / "proxy.conf"
        config.write_text(template.format(port=port, folder=folder, origin=origin))
        given = [option.format(port=port) for option in options]
        return [str(find_program(program) or program), *given, str(config)]

    return command


def _proxy_py(folder: Path, port: int, origin: int) -> list[str]:
    one = ["--num-workers", "1", "--num-acceptors", "1", "--threadless", "--log-file", str(folder / "access.log")]
    return [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", str(port), *one]


CONTENDERS = (
    Contender("bascule", partial(_bascule, 1)),
    Contender("bascule-2", partial(_bascule, 2)),
    Contender("squid", _configured("squid", _SQUID, "-N", "-n", "bench{port}", "-f")),
    Contender("tinyproxy", _configured("tinyproxy", _TINYPROXY, "-d", "-c")),
    Contender("proxy.py", _proxy_py),
    Contender("haproxy (tcp)", _configured("haproxy", _HAPROXY, "-f"), connects=False),
)
_USUAL = [contender.name.split()[0] for contender in CONTENDERS if contender.name != "bascule-2"]
MEASURED = {
    "get": "GET, CPU us",
    "tunnel": "tunnel opened, CPU us",
    "download": "MiB tunnelled, CPU us",
    "idle": "idle tunnel, bytes",
}
"""What is measured, and what it is called."""


def _ask(port: int, origin: int, connects: bool) -> socket.socket:
    """Connect, and ask for a tunnel."""
    sock = socket.create_connection(("127.0.0.1", port), 20)
    if connects:
        target = f"127.0.0.1:{origin}"
        sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    return sock


def _await(sock: socket.socket) -> None:
    """Wait for the answer to CONNECT."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        data = sock.recv(4096)
        if not data:
            break
        answer += data
    if b" 200 " not in answer:
        raise SystemExit(f"no tunnel: {answer!r}")


def _open(port: int, origin: int, connects: bool, count: int) -> list[socket.socket]:
    """Open tunnels, all at the same time."""
    tunnels = [_ask(port, origin, connects) for _ in range(count)]
    if connects:
        for tunnel in tunnels:
            _await(tunnel)
    return tunnels


def _get(port: int, origin: int, pool: Path, seconds: int, core: int) -> int:
    return run_wrk(port, pool, random.randrange(10**6), seconds, 32, [core]).requests


def _connect(port: int, origin: int, connects: bool) -> int:
    for _ in range(0, TUNNELS, _AT_ONCE):
        for tunnel in _open(port, origin, connects, _AT_ONCE):
            tunnel.close()
    return math.ceil(TUNNELS / _AT_ONCE) * _AT_ONCE


def _download(port: int, origin: int, connects: bool) -> int:
    """Fetch the file through a tunnel; return the MiB that came."""
    buffer = bytearray(1 << 20)
    got = 0
    with _open(port, origin, connects, 1)[0] as sock:
        sock.sendall(b"GET /download/x HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n")
        while size := sock.recv_into(buffer):
            got += size
    if got < DOWNLOAD:
        raise SystemExit(f"the download broke off after {got} bytes")
    return got >> 20


def _idle(service: Service, port: int, origin: int, connects: bool, count: int) -> float:
    """Return the bytes of memory that an idle tunnel takes, in user space."""
    before = service.memory_bytes()
    tunnels: list[socket.socket] = []
    while len(tunnels) < count:
        tunnels += _open(port, origin, connects, min(_AT_ONCE, count - len(tunnels)))
    grown = service.memory_bytes() - before
    for tunnel in tunnels:
        tunnel.close()
    return grown / len(tunnels)


def _check_files(wanted: list[Contender], idle: int) -> None:
    """Say so where one process may not open the two descriptors of each idle tunnel."""
    single = [contender.name for contender in wanted if contender.name != "bascule-2"]
    most = (descriptor_limit() - _SPARE_FILES) // 2
    if single and idle > most:
        raise SystemExit(
            f"{idle} idle tunnels take {2 * idle + _SPARE_FILES} files of {single[0]}; `ulimit -Hn` allows"
            f" {descriptor_limit()}. Raise it, hold {most}, or measure --only bascule-2, which has two processes"
        )


@contextlib.contextmanager
def _running(contender: Contender, folder: Path, origin: int, core: int) -> Iterator[tuple[Service, int]]:
    port = free_port()
    folder.mkdir()
    folder.chmod(0o777)  # squid gives up being root before it opens its logs
    service = Service(contender.name, contender.command(folder, port, origin), folder / "out.log", [core])
    try:
        service.wait_ready(port)
        yield service, port
    finally:
        service.stop()


def _cpu_us(service: Service, work: Callable[[], int]) -> float:
    """Return the CPU time in microseconds per unit of work."""
    before = service.cpu_ns()
    done = work()
    return sum(cpu_spent(before, service.cpu_ns()).values()) / 1000 / done


def main(arguments: list[str]) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--idle", type=int, default=TUNNELS, help="idle tunnels held at a time")
    parser.add_argument("--only", default="", help="names of contenders, comma-separated")
    parser.add_argument("--measure", default=",".join(MEASURED), help="what of them, comma-separated")
    options = parser.parse_args(arguments)
    raise_descriptor_limit()
    measured = options.measure.split(",")
    if unknown := set(measured) - MEASURED.keys():
        parser.error(f"--measure takes {', '.join(MEASURED)}, not {', '.join(sorted(unknown))}")
    cores = pick_cores()
    names = options.only.split(",") if options.only else _USUAL
    wanted = [contender for contender in CONTENDERS if contender.name.split()[0] in names]
    _check_files(wanted, options.idle if "idle" in measured else 0)
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        folder.chmod(0o755)
        origin = Origin(folder / "origin", free_port())
        origin.prepare(DOWNLOAD)
        nginx = Service("origin", origin.command(), folder / "origin.log", [cores.load])
        stack.callback(nginx.stop)
        nginx.wait_ready(origin.port)
        pool = folder / "pool"
        prefix = f"http://127.0.0.1:{origin.port}/"
        write_pool(pool, lambda rng: message("GET", browser_target(rng, prefix), browser_headers(rng)), 500)
        running = {
            contender: stack.enter_context(_running(contender, folder / str(index), origin.port, cores.peer))
            for index, contender in enumerate(wanted)
        }
        for _ in range(options.rounds):
            for contender, (service, port) in running.items():
                both = (port, origin.port, contender.connects)
                for what in measured:
                    if what == "get" and not contender.connects:
                        continue
                    if what == "get":
                        work = partial(_get, port, origin.port, pool, options.seconds, cores.load)
                        value = _cpu_us(service, work)
                    elif what == "idle":
                        value = _idle(service, *both, options.idle)
                    else:
                        value = _cpu_us(service, partial(_connect if what == "tunnel" else _download, *both))
                    print(f"{contender.name}: {MEASURED[what]}: {value:.0f}", file=sys.stderr, flush=True)
                    found.setdefault((contender.name, what), []).append(value)
    for what in measured:
        print(MEASURED[what])
        for contender in wanted:
            values = found.get((contender.name, what))
            if values:
                shown = " ".join(f"{value:.0f}" for value in values)
                # what idle tunnels took stays with the process for those of the next round
                value = max(values) if what == "idle" else statistics.median(values)
                print(f"  {contender.name:14} {value:10.0f}   ({shown})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
