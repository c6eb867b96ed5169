"""Reload: what serves goes on serving, whatever the new configuration does."""

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

from bascule.config.errors import ConfigError, Problem
from bascule.server.reload import MAX_DRAINING, Watcher
from bascule.server.worker import describe
from tests.server.harness import Load, Program, ask, running, wait_for


@pytest.fixture
def program() -> Iterator[Program]:
    with running() as found:
        yield found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def generation(program: Program) -> int:
    return int(program.ask("who").split()[0])


def test_reload_brings_a_new_generation_and_answers_with_its_number(program: Program) -> None:
    program.write(workers=1)
    assert program.call("reload") == {"ok": True, "error": None, "generation": 2}
    wait_for(lambda: len(program.call("status")["processes"]) == 2, "the old generation to go")
    assert generation(program) == 2
    assert program.call("status")["last_reload"]["ok"] is True


def test_signal_reloads(program: Program) -> None:
    os.kill(program.process.pid, signal.SIGHUP)
    program.wait_said("reloaded: generation 2 serves")
    assert generation(program) == 2


def test_keeper_may_ask_for_a_reload_and_gets_the_answer(program: Program) -> None:
    assert program.admin("reload") == {"ok": True, "error": None, "generation": 2}
    wait_for(lambda: program.processes("keeper")[0]["generation"] == 2, "the new keeper")


@pytest.mark.parametrize(
    ("test", "error"),
    [
        ({"load": "fail"}, "config.json:1: the configuration is wrong"),
        ({"load": "crash"}, "the rehearsal of the new configuration died: it was killed by SIGABRT"),
        ({"start": "fail"}, "RuntimeError: the worker does not want to start"),
        ({"start": "die"}, "exited with status 3"),
        ({"keeper": "fail"}, "RuntimeError: the keeper does not want to start"),
    ],
)
def test_failed_reload_changes_nothing_and_says_why(program: Program, test: dict[str, str], error: str) -> None:
    before = {process["pid"] for process in program.call("status")["processes"]}
    program.write(test=test)
    with Load(program) as load:
        answer = program.call("reload")
        load.more()
    assert (answer["ok"], answer["generation"]) == (False, None)
    assert error in answer["error"]
    assert error in program.wait_said("reload failed, nothing was changed: ")
    assert load.losses == [], "clients of new workers that were rolled back were served to the end"
    wait_for(lambda: {p["pid"] for p in program.call("status")["processes"]} == before, "the rollback")
    program.write(test={})
    assert program.call("reload")["ok"]


def test_address_that_cannot_be_had_fails_the_reload_and_nothing_else(program: Program) -> None:
    fresh = free_port()
    program.write(listen=["127.0.0.1:0", f"127.0.0.1:{fresh}", "192.0.2.1:80"])
    answer = program.call("reload")
    assert answer["error"] == "listen 192.0.2.1:80: no interface of this machine has that address"
    assert program.ask("hello") == "hello"
    with pytest.raises(OSError):
        program.connect(("127.0.0.1", fresh))


def test_listeners_come_and_go_with_the_configuration(program: Program) -> None:
    fresh = free_port()
    kept = program.address
    program.write(listen=["127.0.0.1:0", f"127.0.0.1:{fresh}"])
    assert program.call("reload")["ok"]
    assert program.ask("hello", address=("127.0.0.1", fresh)) == "hello"
    assert program.ask("hello", address=kept) == "hello", "port 0 is still the same socket"
    program.write(listen=["127.0.0.1:0"])
    assert program.call("reload")["ok"]

    def refused() -> bool:
        try:
            program.connect(("127.0.0.1", fresh)).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_for(refused, "the removed listener to close")
    assert program.ask("hello", address=kept) == "hello"


def test_requests_in_progress_are_finished_by_the_old_generation(program: Program) -> None:
    with program.connect() as busy:
        assert ask(busy, "who").startswith("1 ")
        assert program.call("reload")["ok"]
        assert generation(program) == 2
        assert ask(busy, "who").startswith("1 ")
        states = {process["state"] for process in program.call("status")["processes"] if process["generation"] == 1}
        assert "draining" in states
    wait_for(lambda: len(program.call("status")["processes"]) == 3, "the old generation to go")


def test_drain_ends_at_its_deadline() -> None:
    with running({"timeouts": {"drain": "100ms"}}) as program, program.connect() as idle:
        assert ask(idle, "who").startswith("1 ")
        assert program.call("reload")["ok"]
        assert idle.recv(10) == b""


def test_fifty_reloads_under_load_lose_nothing(program: Program) -> None:
    with Load(program) as load:
        for number in range(2, 52):
            assert program.call("reload") == {"ok": True, "error": None, "generation": number}
        load.more()
    assert load.losses == []
    assert load.answers > 50


def test_requests_that_come_during_a_reload_share_the_next(program: Program) -> None:
    answers: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(program.call("reload"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer["ok"] for answer in answers)
    assert max(answer["generation"] for answer in answers) < 11


def test_reload_waits_while_many_old_generations_drain() -> None:
    with running({"workers": 1}) as program, contextlib.ExitStack() as held:
        connections = []
        for number in range(1, MAX_DRAINING + 1):
            connections.append(held.enter_context(program.connect()))
            assert ask(connections[-1], "who").startswith(f"{number} ")
            assert program.call("reload")["ok"]
        answers: list[dict[str, Any]] = []
        one_more = threading.Thread(target=lambda: answers.append(program.call("reload")))
        one_more.start()
        assert len(program.processes("worker", "draining")) == MAX_DRAINING
        assert answers == []
        connections[3].close()
        one_more.join(10)
        assert answers == [{"ok": True, "error": None, "generation": MAX_DRAINING + 2}]


def test_reload_asked_for_during_the_start_begins_when_it_is_over() -> None:
    program = Program({})
    gate = program.folder / "gate"
    program.write(test={"gate": str(gate)})
    try:
        program.start()
        (admin,) = wait_for(lambda: list(program.folder.glob("bascule/*/admin.sock")), "the keeper's socket")
        with socket.socket(socket.AF_UNIX) as keeper:
            keeper.connect(str(admin))
            assert ask(keeper, "who"), "the keeper works already"
            os.kill(program.process.pid, signal.SIGHUP)
            assert json.loads(ask(keeper, "status"))["generation"] is None, "the supervisor has had the signal, too"
        gate.touch()
        program.ready()
        program.wait_said("reloaded: generation 2 serves")
    finally:
        program.end()


def test_watched_file_reloads_by_itself() -> None:
    with running({"watch": True}) as program:
        program.write(workers=1)
        program.wait_said("watched files have changed; reloading")
        program.wait_said("reloaded: generation 2 serves")
        program.write(test={"load": "fail"})
        program.wait_said("reload failed, nothing was changed")
        assert program.ask("hello") == "hello"


def test_watcher_waits_until_a_change_has_settled_and_tells_it_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    watcher = Watcher([str(file)])
    assert not watcher.changed()
    file.write_text("ab")
    assert not watcher.changed(), "it may still be being written"
    file.write_text("abc")
    assert not watcher.changed()
    assert watcher.changed()
    assert not watcher.changed()
    file.unlink()
    assert not watcher.changed()
    assert watcher.changed()


def test_logs_are_reopened_on_a_signal(program: Program) -> None:
    log = program.folder / "access.log"
    program.write(access_log={"path": str(log)})
    assert program.call("reload")["ok"]
    wait_for(lambda: len(program.call("status")["processes"]) == 3, "the old generation to go")
    os.kill(program.process.pid, signal.SIGUSR1)
    workers = {str(process["pid"]) for process in program.processes()}
    wait_for(lambda: log.exists() and set(log.read_text().split()) == workers, "a line of each worker")


def test_a_mistake_in_the_configuration_is_told_as_such() -> None:
    assert (
        describe(ConfigError([Problem("unknown key `a`", ("a",), "c.yaml", 2, 1)])) == "c.yaml:2:1: a: unknown key `a`"
    )
    assert describe(KeyError("a")) == "KeyError: 'a'"
