"""Workers stay on the cores that the configuration says, whoever is forked anew."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from bascule.server.affinity import AffinityError, cores_of, usable_cores
from tests.server.harness import Program, running, wait_for

CORES = usable_cores()


def test_auto_binds_where_every_worker_has_a_core_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {4, 2, 3})
    assert cores_of("auto", 3) == (2, 3, 4)
    assert cores_of("auto", 2) == ()
    assert cores_of("auto", 4) == ()
    assert cores_of("off", 3) == ()
    assert cores_of((4, 2), 3) == (4, 2, 4)
    with pytest.raises(AffinityError, match=r"may not use core 9; it may use 2, 3, 4"):
        cores_of((2, 9), 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    assert cores_of("auto", 1) == (), "a worker alone is not held"


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with running({"workers": len(CORES)}) as found:
        yield found


def places(program: Program) -> list[set[int]]:
    """The cores that each worker may run on."""
    return [os.sched_getaffinity(program.pid_of(f"worker {index}")) for index in range(len(CORES))]


def test_workers_keep_their_cores_over_death_and_reload(program: Program) -> None:
    if len(CORES) < 2:
        pytest.skip("this machine has one core")
    own = [{core} for core in CORES]
    assert places(program) == own
    assert os.sched_getaffinity(program.pid_of("keeper")) == set(CORES)
    victim = program.pid_of("worker 1")
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: program.processes("worker 1") and program.pid_of("worker 1") != victim, "another worker 1")
    assert places(program) == own
    program.write(affinity=[CORES[-1]])
    assert program.call("reload")["ok"]
    assert places(program) == [{CORES[-1]}] * len(CORES)
    program.write(affinity=[4095])
    refused = program.call("reload")
    assert not refused["ok"]
    assert "may not use core 4095" in str(refused)
    program.write(affinity="off")
    assert program.call("reload")["ok"]
    assert places(program) == [set(CORES)] * len(CORES)
