"""Bascule and the server behind it, each in processes of its own, with the defences on that the phases are about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.flood.origin import CAPACITY

KINDS = ("Pss_Anon:", "Pss_Shmem:")
"""The lines that count, of smaps_rollup (proc(5))."""
CAP = 12
"""Requests that may be in progress at the server."""
KEPT_OUT = 600
"""Requests a second from which on the site counts as under attack; the honest client makes a tenth of that."""


def config(origin: int, folder: Path, workers: int) -> dict[str, Any]:
    """Return the configuration: what an operator would turn on for a server with little capacity."""
    route = {
        "servers": [f"127.0.0.1:{origin}"],
        "adaptive": {"min": 4, "initial": 8, "max": CAP},
        "max_queue": 200,
        "limits": {"request_buffer": "64KiB"},
    }
    return {
        "listen": ["127.0.0.1:0"],
        "workers": workers,
        "run_dir": str(folder / "run"),
        "access_log": {"path": "off"},
        "events": {"path": "off"},
        "arrivals": {"per_client": "50/s burst 200"},
        "shedding": {"mode": "block", "wait": "200ms"},
        "account": {"mode": "block"},
        "defence": {"attack": {"requests": f"{KEPT_OUT}/s", "after": "1s", "until": "5s"}},
        "sites": {
            "*": {
                "limit": "100/s per client",
                "challenge": {"level": "off", "under_attack": "proof", "difficulty": "light"},
                "routes": {"/": route},
            }
        },
    }


class Program:
    """Bascule in front of its server."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._origin = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.flood.origin"], stdout=subprocess.PIPE, text=True
        )
        assert self._origin.stdout is not None
        self.origin_port = int(self._origin.stdout.readline())
        file = folder / "flood.json"
        file.write_text(json.dumps(config(self.origin_port, folder, workers)))
        argv = [sys.executable, "-c", "from bascule.cli.main import main; main()", "run", str(file)]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        ready = next((line for line in self._process.stderr if "ready on" in line), "")
        found = re.search(r":(\d+) ", ready)
        if found is None:
            self.stop()
            raise RuntimeError("Bascule did not start")
        self.port = int(found[1])

    def memory(self) -> int:
        """Return the proportional resident bytes of all processes of Bascule, without files, which others map, too."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (str(self._process.pid), *children)]
        return sum(
            int(line.split()[1]) * 1024 for text in rollups for line in text.splitlines() if line.startswith(KINDS)
        )

    def stop(self) -> None:
        """End both."""
        for process in (self._process, self._origin):
            process.terminate()
            process.wait(60)


class Attackers:
    """Attackers in a process of their own, which has the processor only where nobody else wants it: elsewhere they have
    machines of their own."""

    def __init__(self, port: int, kind: str, count: int, rate: float) -> None:
        self.kind = kind
        argv = [sys.executable, "-m", "benchmarks.flood.attackers", kind, str(port), str(count), str(rate)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=_yield_to_all
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # they are all there

    def stop(self) -> dict[str, int]:
        """End them; return what became of what they did."""
        told, _ = self._process.communicate("\n", 60)
        return dict(json.loads(told))


def _yield_to_all() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def load() -> float:
    """Return the requests a second of a flood that is 20 times of what the server can do."""
    return 20 * CAPACITY
