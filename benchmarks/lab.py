"""The set-up of one workload: an origin and every contender running, each pinned, all ended when it is left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.certificate import make_certificate
from benchmarks.machine import BenchError, Cores, free_port
from benchmarks.origin import Origin
from benchmarks.peers import Certificate, Peer, Site
from benchmarks.processes import Service, running, wait_until

_SETTLE_SECONDS = 10.0
_SETTLE_PAUSE = 0.05
_SETTLED_NS = int(_SETTLE_PAUSE * 1e9 * 0.2)


@dataclass(frozen=True, slots=True)
class Placement:
    """The cores a proxy may use, and those its load generator and its origin may use."""

    peer: frozenset[int]
    load: frozenset[int]
    gives_way: bool = False
    """Load and origin never take a core from the proxy."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A peer in one of its shapes, under the name it has in the table."""

    name: str
    peer: Peer
    workers: int = 1
    together: bool = False
    """Load and origin are on both cores, the proxy on as many as it has workers; else it has one and they another."""

    def place(self, cores: Cores) -> Placement:
        """Return where it and its load run."""
        if not self.together:
            return Placement(peer=frozenset({cores.peer}), load=frozenset({cores.load}))
        own = frozenset((cores.peer, cores.load)[: self.workers])
        return Placement(peer=own, load=cores.both, gives_way=True)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a workload needs around it."""

    download_bytes: int = 0
    sink: bool = False
    """Uploads go to a program that reads them, not to nginx."""
    tls: bool = False


@dataclass(slots=True)
class Contender:
    """A running proxy."""

    entry: Entry
    placement: Placement
    service: Service
    site: Site

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.site.listen

    def settle(self) -> None:
        """Wait until it has worked off what the last round left, so that the next one has the core to itself."""
        last = sum(self.service.cpu_ns().values())

        def quiet() -> bool:
            nonlocal last
            now = sum(self.service.cpu_ns().values())
            spent, last = now - last, now
            return spent < _SETTLED_NS

        wait_until(quiet, _SETTLE_SECONDS, pause=_SETTLE_PAUSE)


@dataclass(slots=True)
class Lab:
    """What a workload measures with."""

    folder: Path
    contenders: list[Contender] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Contender -> why it could not be started."""


@contextlib.contextmanager
def lab(folder: Path, cores: Cores, needs: Needs, entries: Sequence[Entry], crs: Path | None) -> Iterator[Lab]:
    """Start the origin and every entry; a proxy that does not start is noted, not fatal.

    Raises:
        BenchError: the origin does not start.
    """
    folder.mkdir()
    made = Lab(folder)
    certificate = make_certificate(folder) if needs.tls else None
    with contextlib.ExitStack() as stack:
        origins: dict[frozenset[int], int] = {}
        starting: list[Contender] = []
        for entry in entries:
            placement = entry.place(cores)
            if placement.load not in origins:
                origins[placement.load] = _start_origin(stack, folder, needs, placement)
            contender = _start_peer(folder, entry, placement, origins[placement.load], certificate, crs)
            stack.enter_context(running(contender.service))
            starting.append(contender)
        for contender in starting:
            try:
                contender.service.wait_ready(contender.port)
            except BenchError as error:
                made.failures[contender.entry.name] = str(error)
            else:
                made.contenders.append(contender)
        yield made


def _start_origin(stack: contextlib.ExitStack, folder: Path, needs: Needs, placement: Placement) -> int:
    """Start an origin with a worker for each of its cores; return its port."""
    cores = placement.load
    origin = Origin(folder / f"origin-{len(cores)}", free_port(), workers=len(cores))
    origin.prepare(needs.download_bytes)
    command = [sys.executable, "-m", "benchmarks.sink", str(origin.port)] if needs.sink else origin.command()
    service = Service("the origin", command, origin.folder / "out.log", cores, gives_way=placement.gives_way)
    stack.enter_context(running(service))
    service.wait_ready(origin.port)
    return origin.port


def _start_peer(
    folder: Path, entry: Entry, placement: Placement, origin: int, certificate: Certificate | None, crs: Path | None
) -> Contender:
    own = folder / entry.name.replace(" ", "-")
    own.mkdir()
    site = Site(free_port(), origin, own, entry.workers, certificate, crs)
    for name, text in entry.peer.files(site).items():
        (own / name).write_text(text, encoding="utf-8")
    command = [str(entry.peer.program()), *entry.peer.arguments(site)]
    service = Service(entry.name, command, own / "stdout.log", placement.peer, entry.peer.environment(site))
    return Contender(entry, placement, service, site)
