"""The proof under attack runs, and its attackers attack."""

from __future__ import annotations

import re
import subprocess
import sys

from benchmarks.flood.attackers import address
from tests.support.program import ROOT


def test_addresses_differ() -> None:
    found = {address(number) for number in range(50_000)}
    assert len(found) == 50_000
    assert "127.0.0.2" not in found
    assert all(0 < int(part) < 255 for text in found for part in text.split(".")[3:])


def test_small() -> None:
    argv = [sys.executable, "-m", "benchmarks.flood", "bodies", "flood", "--scale", "0.005"]
    argv += ["--seconds", "1", "--warm-up", "0.5", "--rest", "1"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=100)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["quiet", "bodies", "flood", "quiet"], done.stderr
    assert all(" asked, failed: 0 " in line for line in lines), done.stdout
    assert all(re.search(r"at most [1-9]\d* at a time", line) for line in lines)
    assert re.search(r"attackers: 200 \d+, addresses 1, ", lines[2])
