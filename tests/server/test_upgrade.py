"""Upgrade: a new program takes over the sockets, and nobody notices."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.server.harness import PATIENCE, Load, Program, ask, running, wait_for
from tests.support.program import children_of


@pytest.fixture
def program() -> Iterator[Program]:
    with running() as found:
        yield found


def test_upgrade_under_load_loses_nothing(program: Program) -> None:
    with Load(program) as load:
        answer = program.call("upgrade")
        assert answer["ok"], answer
        assert program.process.wait(PATIENCE) == 0
        load.more()
    assert load.losses == []
    instance = program.instance()
    assert instance.pid == answer["pid"] != program.process.pid
    assert program.call("status")["pid"] == instance.pid


def test_signal_upgrades_and_the_old_program_finishes_what_it_has(program: Program) -> None:
    with program.connect() as busy:
        old = ask(busy, "who")
        os.kill(program.process.pid, signal.SIGUSR2)
        program.wait_said("serves; this one ends when its requests have")
        assert ask(busy, "who") == old
        assert program.process.poll() is None
    assert program.process.wait(PATIENCE) == 0
    assert program.ask("who") != old


def test_upgraded_program_can_be_upgraded_reloaded_and_stopped(program: Program) -> None:
    first = program.call("upgrade")["pid"]
    wait_for(lambda: program.process.poll() is not None, "the first program to end")
    assert program.call("reload")["ok"]
    second = program.call("upgrade")["pid"]
    assert first != second
    wait_for(lambda: set(program.family()) >= {second} and first not in program.family(), "the second to end")
    assert program.call("stop")["ok"]
    wait_for(lambda: not program.family(), "the end")
    assert not list((program.folder / "bascule").iterdir())


def test_failed_upgrade_changes_nothing_and_says_why(program: Program) -> None:
    path = program.folder / "app.sock"
    program.write(listen=["127.0.0.1:0", f"unix:{path}"])
    assert program.call("reload")["ok"]
    program.write(test={"start": "fail"})
    with Load(program) as load:
        answer = program.call("upgrade")
        load.more()
    assert answer["ok"] is False
    assert "the worker does not want to start" in answer["error"]
    assert load.losses == []
    assert program.instance().pid == program.process.pid
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        assert ask(sock, "hello") == "hello", "the file of the UNIX socket is still there"
    program.write(test={})
    assert program.call("upgrade")["ok"], "and it can be tried again"


def test_unix_sockets_and_durable_values_are_inherited(program: Program) -> None:
    path = program.folder / "app.sock"
    program.write(listen=["127.0.0.1:0", f"unix:{path}"])
    assert program.call("reload")["ok"]
    assert program.admin("durable value") == "ok"
    wait_for(lambda: program.call("status")["durable"] == ["durable"], "the supervisor to have it")
    assert program.call("upgrade")["ok"]
    assert program.process.wait(PATIENCE) == 0
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        wait_for(lambda: ask(sock, "topic durable") == '"value"', "the value")


def test_a_signal_to_a_program_that_has_just_begun_is_heard_later(program: Program) -> None:
    before = set(children_of(program.process.pid))
    os.kill(program.process.pid, signal.SIGUSR2)
    new = wait_for(lambda: set(children_of(program.process.pid)) - before, "the new program")
    os.kill(new.pop(), signal.SIGHUP)
    program.wait_said("serves; this one ends when its requests have")
    program.wait_said("generation 2 serves")


def test_stop_during_an_upgrade_stops_both(program: Program) -> None:
    program.write(test={"start": "slow"})
    os.kill(program.process.pid, signal.SIGUSR2)
    wait_for(lambda: len(program.family()) > 4, "the new program")
    os.kill(program.process.pid, signal.SIGTERM)
    program.process.wait(PATIENCE)
    wait_for(lambda: not program.family(), "the end of both")
