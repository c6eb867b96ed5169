"""One keeper leads: whatever an operator was told to be done at a hand-over is done, and the next keeper knows of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.server import rundir
from tests.server.harness import PATIENCE, Program, ask, running, wait_for


@pytest.fixture
def program() -> Iterator[Program]:
    with running() as found:
        yield found


@contextlib.contextmanager
def waiting(program: Program, call: str) -> Iterator[dict[str, Any]]:
    """Begin a reload or an upgrade whose workers wait for the end of the block; its answer is then in what is yielded."""
    gate = Path(program.folder, f"gate-{call}")
    program.write(test={"gate": str(gate)})
    before = len(program.family())
    answer: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: answer.update(program.call(call)))
    thread.start()
    # In both cases a keeper and two workers; an upgrade has a supervisor too.
    wait_for(lambda: len(program.family()) >= before + (4 if call == "upgrade" else 3), "the new processes")
    try:
        yield answer
    finally:
        gate.touch()
        thread.join(20)


@pytest.mark.parametrize("call", ["reload", "upgrade"])
def test_what_the_old_keeper_accepts_during_a_hand_over_reaches_the_new_workers(program: Program, call: str) -> None:
    old = program.admin("who")
    with waiting(program, call) as answer:
        for number in range(10):
            assert program.admin(f"durable {number}") == "ok"
            assert program.admin("who") == old, "the new keeper does not lead yet"
    assert answer["ok"], answer
    wait_for(lambda: program.ask("topic durable") == '"9"', "the last value in the new workers")
    wait_for(lambda: program.admin("who") != old, "the new keeper to lead")
    assert program.admin("durable later") == "ok"
    wait_for(lambda: program.ask("topic durable") == '"later"', "a value of the new keeper")


@pytest.mark.parametrize("call", ["reload", "upgrade"])
def test_a_value_accepted_right_after_the_hand_over_is_not_lost(program: Program, call: str) -> None:
    assert program.call(call)["ok"]
    assert program.admin("durable value") == "ok", "whichever keeper took it"
    wait_for(lambda: program.ask("topic durable") == '"value"', "the value in the new workers")
    wait_for(lambda: program.call("status")["durable"] == ["durable"], "the value in the supervisor")


def test_the_lead_goes_down_a_row_of_upgrades(program: Program) -> None:
    with waiting(program, "upgrade"):
        assert program.admin("durable value") == "ok"
    assert program.call("upgrade")["ok"], "the first program may not have ended yet"
    wait_for(lambda: program.ask("topic durable") == '"value"', "the value in the newest workers")
    assert program.admin("durable later") == "ok"
    wait_for(lambda: program.ask("topic durable") == '"later"', "a value of whichever keeper led")
    wait_for(lambda: len(program.family()) == 4, "the end of the programs before")


def test_what_a_failed_generation_was_about_to_lead_stays_with_the_old_one(program: Program) -> None:
    old = program.admin("who")
    program.write(test={"start": "die"})
    assert not program.call("reload")["ok"]
    assert program.admin("who") == old
    assert program.admin("durable kept") == "ok"
    wait_for(lambda: program.ask("topic durable") == '"kept"', "the value")


def test_new_keeper_leads_when_the_old_one_dies_during_the_hand_over(program: Program) -> None:
    assert program.admin("durable value") == "ok"
    wait_for(lambda: program.call("status")["durable"] == ["durable"], "the supervisor to have it")
    with waiting(program, "reload") as answer:
        program.kill(program.pid_of("keeper"))
    assert answer["ok"], answer
    wait_for(lambda: program.admin("who")[0] == 2, "the keeper of the new generation to lead")
    assert program.ask("topic durable") == '"value"'


def test_new_program_leads_when_the_old_one_is_killed_after_an_upgrade(program: Program) -> None:
    with program.connect() as busy:
        busy.sendall(b"sleep 60\n")
        assert program.call("upgrade")["ok"]
        program.kill(program.process.pid)
        assert program.process.wait(PATIENCE) != 0
    # The old keeper may still take the command, and then has to say that it cannot keep the value.
    wait_for(lambda: program.admin("durable value") == "ok", "a keeper that can keep the value")
    wait_for(lambda: program.ask("topic durable") == '"value"', "the value")


def test_keeper_whose_supervisor_is_gone_says_so_and_claims_nothing(program: Program) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(program.instance().path / rundir.ADMIN_SOCKET))
        _generation, keeper = json.loads(ask(sock, "who"))
        os.kill(keeper, signal.SIGSTOP)  # so that it hears of the end and of the command in the same turn
        program.kill(program.process.pid)
        program.process.wait(PATIENCE)
        sock.sendall(b"durable value\n")
        os.kill(keeper, signal.SIGCONT)
        assert json.loads(sock.recv(1000)) == "the supervisor is gone"
