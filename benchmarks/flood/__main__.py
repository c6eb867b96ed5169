"""Runs phases on one program: quiet, an attack each, quiet again; prints a line for each."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.flood.honest import Honest, Newcomers
from benchmarks.flood.program import Attackers, Program, load

PHASES = {
    "slowloris": (10_000, 0.25),
    "bodies": (5_000, 0.5),
    "readers": (5_000, 0.5),
    "addresses": (50_000, load()),
    "flood": (200, load()),
    "botnet": (200, load()),
}
"""By kind the connections or addresses, and the actions a second: of one attacker for the slow ones, else of all."""


async def phase(program: Program, kind: str, options: argparse.Namespace) -> str:
    """Attack, measure the honest client meanwhile, and return what was seen."""
    attackers, before = None, program.memory() >> 20
    if kind in PHASES:
        size, rate = PHASES[kind]
        scale = options.scale
        attackers = Attackers(program.port, kind, max(1, int(size * scale)), rate if rate < 1 else rate * scale)
    client, newcomers = Honest(program.port), Newcomers(program.port)
    await client.run(options.warm_up)
    first = f"{_said(client.failures)}, longest {client.quantile(1):.0f} ms"
    onset, client.latencies, client.failures = client.latencies, [], Counter()
    peak = _peak(program)
    await asyncio.gather(client.run(options.seconds), newcomers.run(options.seconds))
    whole = Honest(program.port, latencies=onset + client.latencies)
    peak, memory = max(peak, _peak(program)), program.memory() >> 20
    told = {}
    if attackers is not None:
        told = attackers.stop()
        await asyncio.sleep(options.rest)
    return (
        f"{kind:12} honest: {len(client.latencies)} asked, failed: {_said(client.failures)} (before it was measured: "
        f"{first}), p50 {client.quantile(0.5):.1f} ms, p99 {client.quantile(0.99):.1f} ms "
        f"(from its beginning: {whole.quantile(0.99):.1f} ms), "
        f"{client.challenged} challenges; newcomers: {_said(newcomers.got)}; server: at most {peak} at a time; "
        f"memory {before} MiB before, {memory}, {program.memory() >> 20} after; "
        f"attackers: {_said(told)}"
    )


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "0"


def _peak(program: Program) -> int:
    """Return how many requests the server had in progress at most since this was asked last."""
    with urllib.request.urlopen(f"http://127.0.0.1:{program.origin_port}/peak") as response:
        return int(response.read())


async def run(options: argparse.Namespace) -> None:
    """Run the phases on one program."""
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        program = Program(Path(folder), options.workers)
        try:
            for kind in ("quiet", *options.kinds, "quiet again"):
                print(await phase(program, kind, options), flush=True)
        finally:
            program.stop()


def main(arguments: Sequence[str]) -> int:
    """Run by hand."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flood", description="An honest client under attack.")
    parser.add_argument("kinds", nargs="*", default=list(PHASES), help=f"attacks: {', '.join(PHASES)}")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the attackers, and of what they do")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rest", type=float, default=75.0, help="seconds after an attack, for memory to come back")
    parser.add_argument("--warm-up", type=float, default=4.0, help="length of an attack before anything is measured")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.setswitchinterval(0.0005)  # while it computes a proof, the honest client has other requests under way
    asyncio.run(run(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
