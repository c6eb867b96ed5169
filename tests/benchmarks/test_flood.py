"""The proof under attack runs, and its attackers attack."""

from __future__ import annotations

import re
import subprocess
import sys

from benchmarks.flood import address
from tests.support.program import ROOT


def test_addresses_differ() -> None:
    found = {address(number) for number in range(50_000)}
    assert len(found) == 50_000
    assert "127.0.0.2" not in found
    assert all(0 < int(part) < 255 for text in found for part in text.split(".")[3:])


def test_small() -> None:
    argv = [sys.executable, "-m", "benchmarks.flood", "--slow", "5", "--addresses", "20", "--seconds", "1"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=100)
    lines = done.stdout.splitlines()
    assert len(lines) == 5, done.stderr
    assert all(" 0 failed" in line for line in lines)
    admitted, refused = map(int, re.findall(r"(\d+) (?:admitted|refused)", lines[3]))
    assert 0 < admitted <= 100 + 100 * 10
    assert refused > 0
