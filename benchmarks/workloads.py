"""What is driven through the proxies, what is measured, and what Bascule must reach. The list is at the end."""

from __future__ import annotations

import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmarks import results, traffic
from benchmarks.idle import most_clients, with_idle_connections
from benchmarks.lab import Contender, Entry, Lab, Needs
from benchmarks.load import LoadResult, run_handshakes, run_wrk
from benchmarks.machine import BenchError, descriptor_limit, free_port
from benchmarks.peers import Peer
from benchmarks.processes import Service, cpu_spent, running, wait_until
from benchmarks.results import Metric, Sample, Target
from benchmarks.transfer import download, upload

PROXIES = ("nginx", "bascule", "haproxy", "envoy", "caddy", "traefik")
FIREWALLS = ("nginx", "envoy", "nginx-modsec", "bascule", "bascule-logic", "bascule-crs", "bascule-both")
_LONGEST_START = 120.0
_WITH_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""A program that was installed has its modules compiled; one that runs from its sources does it at its first start."""
_COUNTER_STEP = 10_000_000
"""Rounds begin this far apart, so that no round repeats a request of another."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much to spend."""

    quick: bool = False
    seconds: int | None = None
    """Of each round; None leaves it to the budget."""

    @property
    def round_seconds(self) -> int:
        return self.seconds or (1 if self.quick else 2)

    @property
    def transfer_bytes(self) -> int:
        return (128 if self.quick else 1024) << 20

    @property
    def idle_connections(self) -> int:
        return 2_000 if self.quick else 10_000


class Workload(ABC):
    """One line of the table."""

    metrics: ClassVar[tuple[Metric, ...]]
    """Columns; the ratio is taken of the first."""
    base: ClassVar[str] = "nginx"

    def __init__(
        self,
        name: str,
        title: str,
        peers: Sequence[str],
        targets: Sequence[Target],
        make: Callable[[random.Random], str] = traffic.page,
        pool: int = 4096,
    ) -> None:
        self.name = name
        self.title = title
        self.peers = tuple(peers)
        self.targets = tuple(targets)
        self.make = make
        self.pool = pool

    def needs(self, budget: Budget) -> Needs:
        """Return what must stand around it."""
        return Needs()

    def rounds(self, budget: Budget) -> int:
        """Return how many rounds to run."""
        return 2 if budget.quick else 3

    def warms_up(self, budget: Budget) -> bool:
        """Return whether a round that does not count comes first."""
        return not budget.quick

    def entries(self, peers: Sequence[Peer]) -> list[Entry]:
        """Return the contenders that these installed peers make."""
        return [Entry(peer.name, peer) for peer in peers]

    def base_of(self, contender: str) -> str:
        """Return the contender whose numbers this one's are divided by."""
        return self.base

    def write_pool(self, lab: Lab) -> None:
        """Write the requests that the rounds send."""
        traffic.write_pool(lab.folder / "pool", self.make, self.pool)

    @abstractmethod
    def measure(self, lab: Lab, contender: Contender, number: int, budget: Budget) -> Sample:
        """Run round `number` (from 0; -1 is the warm-up) on one contender."""


class Requests(Workload):
    """Requests over keep-alive connections, or one per connection, driven by wrk as fast as they are answered."""

    metrics = (results.CPU, results.RATE, results.P50, results.P99, results.BUSY, results.MEMORY)

    def __init__(
        self,
        name: str,
        title: str,
        make: Callable[[random.Random], str],
        *,
        peers: Sequence[str] = PROXIES,
        targets: Sequence[Target] = (),
        pool: int = 4096,
        connections: int = 32,
    ) -> None:
        super().__init__(name, title, peers, targets, make, pool)
        self.connections = connections

    def drive(self, lab: Lab, contender: Contender, start: int, seconds: int) -> LoadResult:
        """Run the load generator."""
        where = contender.placement
        pool = lab.folder / "pool"
        return run_wrk(contender.port, pool, start, seconds, self.connections, where.load, where.gives_way)

    def measure(self, lab: Lab, contender: Contender, number: int, budget: Budget) -> Sample:
        seconds = 1 if number < 0 else budget.round_seconds
        before = contender.service.cpu_ns()
        result = self.drive(lab, contender, (number + 1) * _COUNTER_STEP, seconds)
        spent = cpu_spent(before, contender.service.cpu_ns())
        contender.settle()
        if not result.requests:
            raise BenchError(f"no request was answered in {seconds} s")
        total = sum(spent.values())
        values = {
            results.CPU.key: total / 1e3 / result.requests,
            results.RATE.key: result.requests / result.seconds,
            results.P50.key: result.p50_us / 1e3,
            results.P99.key: result.p99_us / 1e3,
            results.BUSY.key: total / 1e7 / result.seconds,
            results.MEMORY.key: contender.service.memory_bytes() / 2**20,
            results.CAPACITY.key: results.capacity(result.requests, spent, contender.entry.workers),
        }
        return Sample(contender.entry.name, number, values, result.errors)


class Handshakes(Requests):
    """A full TLS 1.3 handshake for every request."""

    def needs(self, budget: Budget) -> Needs:
        return Needs(tls=True)

    def drive(self, lab: Lab, contender: Contender, start: int, seconds: int) -> LoadResult:
        return run_handshakes(contender.port, lab.folder / "pool", start, seconds)


class Scaling(Requests):
    """One worker, then two, each on a core of its own; the load and the origin are on both cores each time.

    So half of what a worker reads comes from the other core, with one worker as with two, and they differ in nothing
    but that there are two. Load and origin, which elsewhere have machines of their own, give way to the workers. What
    is compared is the rate that the busiest worker's CPU time would allow on cores of its own. It falls short where
    workers wait for each other, where one costs the other's requests time, or where the connections are shared out
    unevenly.
    """

    metrics = (results.CAPACITY, results.CPU, results.RATE, results.P50, results.P99, results.MEMORY)

    def rounds(self, budget: Budget) -> int:
        return 2 if budget.quick else 5

    def entries(self, peers: Sequence[Peer]) -> list[Entry]:
        return [Entry(f"{peer.name} x{workers}", peer, workers, together=True) for peer in peers for workers in (1, 2)]

    def base_of(self, contender: str) -> str:
        return f"{contender.partition(' ')[0]} x1"


class Transfer(Workload):
    """One body of a gigabyte."""

    metrics = (results.THROUGHPUT, results.CPU_PER_GIB, results.GROWTH, results.MEMORY)

    def __init__(self, name: str, title: str, *, up: bool, targets: Sequence[Target]) -> None:
        super().__init__(name, title, PROXIES, targets)
        self.up = up

    def needs(self, budget: Budget) -> Needs:
        return Needs(download_bytes=budget.transfer_bytes, sink=self.up)

    def warms_up(self, budget: Budget) -> bool:
        return False

    def measure(self, lab: Lab, contender: Contender, number: int, budget: Budget) -> Sample:
        size = budget.transfer_bytes
        target = f"/download/{number + 1}"
        contender.service.reset_peak()
        resting = contender.service.peak_bytes()
        before = contender.service.cpu_ns()
        if self.up:
            seconds = upload(contender.port, target, lab.folder / "origin-1" / "download.bin")
        else:
            seconds = download(contender.port, target, size)
        spent = sum(cpu_spent(before, contender.service.cpu_ns()).values())
        growth = contender.service.peak_bytes() - resting
        values = {
            results.THROUGHPUT.key: size / 2**20 / seconds,
            results.CPU_PER_GIB.key: spent / 1e6 * 2**30 / size,
            results.GROWTH.key: growth / 2**20,
            results.MEMORY.key: contender.service.memory_bytes() / 2**20,
        }
        return Sample(contender.entry.name, number, values)


class Idle(Workload):
    """Ten thousand clients that asked once and stay connected."""

    metrics = (results.IDLE, results.MEMORY, results.HELD)

    def __init__(self, name: str, title: str, targets: Sequence[Target]) -> None:
        super().__init__(name, title, PROXIES, targets)

    def rounds(self, budget: Budget) -> int:
        return 1

    def measure(self, lab: Lab, contender: Contender, number: int, budget: Budget) -> Sample:
        count = 200 if number < 0 else min(budget.idle_connections, most_clients(descriptor_limit()))
        requests = traffic.read_pool(lab.folder / "pool")
        contender.settle()
        resting = contender.service.memory_bytes()
        held = with_idle_connections(contender.port, count, requests, lambda: _steady_memory(contender))
        values = {
            results.IDLE.key: (held - resting) / 1024 / count,
            results.MEMORY.key: held / 2**20,
            results.HELD.key: count,
        }
        return Sample(contender.entry.name, number, values)


class Starts(Workload):
    """How long Bascule takes to serve with the whole CRS, whose rules it compiles first, or has compiled before."""

    metrics = (results.COLD_START, results.START)

    def rounds(self, budget: Budget) -> int:
        return 1

    def warms_up(self, budget: Budget) -> bool:
        return False

    def base_of(self, contender: str) -> str:
        return contender

    def measure(self, lab: Lab, contender: Contender, number: int, budget: Budget) -> Sample:
        port, folder = free_port(), lab.folder / f"start-{number}"
        folder.mkdir()
        config = {
            "listen": f"127.0.0.1:{port}",
            "cache_dir": str(folder),
            "run_dir": str(folder),
            "workers": 1,
            "waf": {"mode": "block", "crs": str(contender.site.crs)},
            "sites": {"*": {"routes": {"/": [f"127.0.0.1:{contender.site.origin}"]}}},
        }
        file = folder / "bascule.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        command = [str(contender.entry.peer.program()), "run", str(file)]
        seconds = []
        for run in ("cold", "warm"):
            began = time.monotonic()
            log = folder / f"{run}.log"
            with running(Service(self.name, command, log, contender.placement.peer, _WITH_BYTECODE)) as service:
                service.wait_ready(port, _LONGEST_START)
                seconds.append(time.monotonic() - began)
        values = {results.COLD_START.key: seconds[0], results.START.key: seconds[1]}
        return Sample(contender.entry.name, number, values)


def _steady_memory(contender: Contender) -> int:
    """Return the memory in bytes once two readings in a row are within half a percent."""
    last = contender.service.memory_bytes()

    def steady() -> bool:
        nonlocal last
        now = contender.service.memory_bytes()
        moved, last = abs(now - last), now
        return moved < now * 0.005

    wait_until(steady, seconds=5, pause=0.25)
    return last


def _bascule(metric: Metric, bound: float, aim: float | None, against: str | None = "nginx") -> Target:
    return Target("bascule", metric, bound, aim, against)


def _crs(bound: float, aim: float | None = None, against: str | None = "nginx-modsec") -> Target:
    return Target("bascule-crs", results.CPU, bound, aim, against)


_BESIDE_ENVOY = _crs(1.0, against="envoy")
_GET = (_crs(4.5, against="nginx"), _crs(1 / 25), _BESIDE_ENVOY)
_LARGE = _crs(3000, 1000, against=None)


class Headline(Requests):
    """The workload that everything is judged by first gets more rounds."""

    def rounds(self, budget: Budget) -> int:
        return 3 if budget.quick else 5


_BEATEN = tuple(_bascule(results.CPU, 1.0, None, rival) for rival in ("envoy", "caddy", "traefik"))


_PLAIN: tuple[Workload, ...] = (
    Headline(
        "get",
        "Browser-like GET, keep-alive, no WAF",
        traffic.page,
        targets=(_bascule(results.CPU, 1.6, 1.25), *_BEATEN),
    ),
    Requests("static-1k", "1 KiB static", traffic.file_of("/1k/"), targets=(_bascule(results.CPU, 1.6, 1.25),)),
    Requests("static-64k", "64 KiB static", traffic.file_of("/64k/"), targets=(_bascule(results.CPU, 1.6, 1.25),)),
    Requests(
        "connect",
        "New connection per request, plain",
        traffic.page_on_new_connection,
        targets=(_bascule(results.CPU, 2.5, 1.8),),
    ),
    Handshakes(
        "connect-tls",
        "New connection per request, TLS 1.3, full handshake",
        traffic.page_on_new_connection,
        targets=(_bascule(results.CPU, 1.5, 1.2),),
    ),
    Transfer("download", "Large download", up=False, targets=(_bascule(results.THROUGHPUT, 0.7, 1.0),)),
    Transfer("upload", "Large upload", up=True, targets=(_bascule(results.THROUGHPUT, 0.7, 1.0),)),
    Idle("idle", "Idle keep-alive connections", targets=(_bascule(results.IDLE, 12, 6, against=None),)),
    Scaling(
        "scale",
        "2 workers on 2 cores against 1 on 1",
        traffic.page,
        peers=("nginx", "bascule"),
        targets=(Target("bascule x2", results.CAPACITY, 1.8, 1.95, "bascule x1"),),
    ),
)
_FIREWALL = (
    ("waf-get", "WAF: browser-like GET", traffic.page, 4096, 32, _GET),
    ("waf-form", "WAF: form POST, 300 B", traffic.checkout, 2048, 32, (_crs(1 / 30, 1 / 45), _BESIDE_ENVOY)),
    ("waf-json", "WAF: JSON POST, 2 KB", traffic.order, 1024, 32, (_crs(1 / 80, 1 / 150), _BESIDE_ENVOY)),
    ("waf-form-64k", "WAF: form POST, 64 KiB", traffic.form(65_536), 64, 4, (_LARGE,)),
    ("waf-json-64k", "WAF: JSON POST, 64 KiB", traffic.document(65_536), 64, 4, (_LARGE,)),
)


class Logic(Requests):
    """What Bascule's own rules add to Bascule."""

    base = "bascule"


WORKLOADS: tuple[Workload, ...] = (
    *_PLAIN,
    *(
        Logic(
            name.replace("waf", "logic"),
            title.replace("WAF", "Logical rules"),
            make,
            peers=("bascule", "bascule-logic"),
            pool=pool,
            connections=connections,
        )
        for name, title, make, pool, connections, _ in _FIREWALL
    ),
)
"""Those that need no rules from elsewhere."""

FIREWALL_WORKLOADS: tuple[Workload, ...] = (
    *(
        Requests(name, title, make, peers=FIREWALLS, targets=targets, pool=pool, connections=connections)
        for name, title, make, pool, connections, targets in _FIREWALL
    ),
    Starts(
        "waf-start",
        "WAF: from the command line to the first connection accepted",
        ("bascule-crs",),
        (
            Target("bascule-crs", results.COLD_START, 60.0),
            Target("bascule-crs", results.START, 2.0),
        ),
    ),
)
"""Harmless requests through proxies with the whole CRS on, when its folder is given; a refusal counts as an error."""
