"""A program that nobody asks for anything hardly wakes up, and has the time right when somebody comes."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tests.support.clients import connect
from tests.support.origins import Origin
from tests.support.program import Bascule, children_of

HEADER = 1.0


def config(origin: Origin) -> dict[str, object]:
    return {"timeouts": {"header": HEADER}, "sites": {"*": origin.address}}


def sleeps(pid: int) -> int:
    """Return how often a process went to sleep by itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[0])


def test_it_wakes_up_a_few_times_a_second(bascule: Bascule) -> None:
    names = children_of(bascule.process.pid)
    time.sleep(1.5)  # it rests when nobody has been there for a while
    before, began = {pid: sleeps(pid) for pid in names}, time.monotonic()
    time.sleep(3)
    seconds = time.monotonic() - began
    rates = {name: (sleeps(pid) - before[pid]) / seconds for pid, name in names.items()}
    assert len(rates) == 2
    assert max(rates.values()) < 8, rates  # as a rule it is one and four


def test_who_comes_after_a_rest_has_all_its_time(port: int) -> None:
    for _ in range(2):
        time.sleep(1.7)
        with connect(port) as wire:
            began = time.monotonic()
            assert wire.at_end()
            assert time.monotonic() - began > HEADER * 0.8
