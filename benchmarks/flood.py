"""`python -m benchmarks.flood`: an honest client beside slowloris connections and a flood from many addresses.

Bascule runs with a limit per client and fixed answers, so that nothing but itself is measured; clients come from
127.0.0.0/8. Attackers and Bascule share the machine: a latency beside a flood is also one beside the flood's own work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

RATE = 100
"""Requests a second and client that are let through; the honest one makes half as many."""
_REQUEST = b"GET / HTTP/1.1\r\nHost: site.test\r\nUser-Agent: flood\r\n\r\n"
_PARALLEL = 64
_HONEST = "127.0.0.2"


def address(number: int) -> str:
    """Return the nth attacking address."""
    return f"127.{1 + number // 65024 % 250}.{number // 254 % 256}.{1 + number % 254}"


class Program:
    """Bascule in processes of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        config = {
            "listen": ["127.0.0.1:0"],
            "workers": workers,
            "run_dir": str(folder / "run"),
            "access_log": {"path": "off"},
            "events": {"path": "off"},
            "sites": {"*": {"limit": f"{RATE}/s per client", "routes": {"/": {"respond": {"body": "x"}}}}},
        }
        (folder / "flood.json").write_text(json.dumps(config))
        argv = [sys.executable, "-c", "from bascule.cli.main import main; main()", "run", str(folder / "flood.json")]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        ready = next((line for line in self._process.stderr if "ready on" in line), "")
        found = re.search(r":(\d+) ", ready)
        if found is None:
            raise RuntimeError("Bascule did not start")
        self.port = int(found[1])

    def memory(self) -> int:
        """Return the proportional resident bytes of all its processes."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        pids = [str(self._process.pid), *children]
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
        return sum(int(line.split()[1]) * 1024 for text in rollups for line in text.splitlines() if line[:4] == "Pss:")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)


class Attack:
    """Attackers on one port, and what became of them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.admitted = 0
        self.refused = 0
        self.cut = 0

    async def connect(self, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection from an address."""
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=(source, 0))

    async def slow(self, number: int) -> None:
        """Send a head a byte every two seconds, and begin again when cut off."""
        while True:
            try:
                _, writer = await self.connect(address(number))
                for byte in _REQUEST[:-2]:
                    writer.write(bytes((byte,)))
                    await writer.drain()
                    await asyncio.sleep(2)
            except OSError:
                self.cut += 1
                await asyncio.sleep(1)

    async def flood(self, first: int, addresses: int) -> None:
        """From one address after the other: sixteen requests at once, again and again."""
        number = first
        while True:
            try:
                reader, writer = await self.connect(address(number % addresses))
                for _ in range(4):
                    writer.write(_REQUEST * 16)
                    for _ in range(16):
                        status, length = await _answer(reader)
                        await reader.readexactly(length)
                        self.admitted += status == 200
                        self.refused += status == 429
                writer.close()
            except (OSError, asyncio.IncompleteReadError):
                self.cut += 1
            number += _PARALLEL


async def _answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Return status and length of a response's body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return int(head[9:12]), int(length[1]) if length else 0


async def honest(attack: Attack, seconds: float) -> tuple[list[float], int]:
    """Ask at an even pace; return the latencies in seconds, sorted, and how many requests failed."""
    latencies, failed = [], 0
    reader, writer = await attack.connect(_HONEST)
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        writer.write(_REQUEST)
        status, length = await _answer(reader)
        await reader.readexactly(length)
        latencies.append(time.monotonic() - begun)
        failed += status != 200
        await asyncio.sleep(max(0.0, 2 / RATE - latencies[-1]))
    writer.close()
    return sorted(latencies), failed


async def phase(
    name: str, program: Program, seconds: float, works: Sequence[Callable[[Attack], Awaitable[None]]]
) -> None:
    """Attack, measure the honest client meanwhile, print a line."""
    attack = Attack(program.port)
    tasks = [asyncio.ensure_future(work(attack)) for work in works]
    await asyncio.sleep(seconds / 4 if tasks else 0)
    latencies, failed = await honest(attack, seconds)
    memory = program.memory() >> 20
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
    print(
        f"{name:28} honest: {len(latencies)} asked, {failed} failed, p50 {p50:.1f} ms, p99 {p99:.1f} ms; attackers: "
        f"{attack.admitted} admitted, {attack.refused} refused, {attack.cut} cut; memory {memory} MiB",
        flush=True,
    )


async def run(options: argparse.Namespace) -> None:
    """Run all phases on one program."""
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        program = Program(Path(folder), options.workers)
        try:
            await phase("quiet", program, options.seconds, ())
            slow = [lambda attack, n=number: attack.slow(n) for number in range(options.slow)]
            await phase(f"{options.slow} slowloris", program, options.seconds, slow)
            many = [lambda attack, n=number: attack.flood(n, options.addresses) for number in range(_PARALLEL)]
            await phase(f"{options.addresses} flooding addresses", program, options.seconds, many)
            await phase("one flooding address", program, options.seconds, [lambda attack: attack.flood(0, 1)])
            await phase("quiet again", program, options.seconds, ())
        finally:
            program.stop()


def main(arguments: Sequence[str]) -> int:
    """Run by hand."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flood", description="An honest client under attack.")
    parser.add_argument("--slow", type=int, default=2000, help="slowloris connections")
    parser.add_argument("--addresses", type=int, default=50_000, help="flooding addresses")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase")
    parser.add_argument("--workers", type=int, default=2)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(run(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
