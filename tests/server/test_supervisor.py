"""The supervisor with real processes: start, stop, and what happens when something dies."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.server.harness import PATIENCE, Load, Program, alive, ask, running, wait_for


@pytest.fixture
def program() -> Iterator[Program]:
    with running() as found:
        yield found


def started(config: dict[str, object]) -> Iterator[Program]:
    found = Program(config)
    try:
        yield found.start()
    finally:
        found.end()


@pytest.fixture
def wont_start(request: pytest.FixtureRequest) -> Iterator[Program]:
    yield from started(request.param)


def test_says_ready_once_and_answers(program: Program) -> None:
    assert program.ask("hello") == "hello"
    assert [line for line in program.lines if "ready on" in line] == program.lines
    assert f"http://127.0.0.1:{program.address[1]} (2 workers, pid {program.process.pid}" in program.lines[0]


def test_every_worker_accepts_from_the_one_socket(program: Program) -> None:
    pids = {process["pid"] for process in program.processes()}
    assert len(pids) == 2
    seen: set[int] = set()

    def seen_all() -> bool:
        held = [program.connect() for _ in range(8)]
        seen.update(int(ask(sock, "who").split()[2]) for sock in held)
        for sock in held:
            sock.close()
        return seen == pids

    wait_for(seen_all, "an answer of each worker")


def test_status_names_generation_pids_uptime_and_restarts(program: Program) -> None:
    status = program.call("status")
    assert status["pid"] == program.process.pid
    assert (status["generation"], status["restarts"], status["state"]) == (1, 0, "running")
    assert status["uptime"] > 0
    assert [process["name"] for process in status["processes"]] == ["keeper", "worker 0", "worker 1"]
    assert program.admin("status")["pid"] == program.process.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_what_is_in_progress(program: Program, number: int) -> None:
    with program.connect() as busy:
        busy.sendall(b"sleep 0.3\n")
        wait_for(lambda: program.ask("lines") != "0", "the request to be taken")
        os.kill(program.process.pid, number)
        assert busy.recv(100) == b"slept\n"
        busy.shutdown(socket.SHUT_WR)
        assert program.process.wait(PATIENCE) == 0
    assert not program.family()
    assert not list((program.folder / "bascule").iterdir()), "the run dir is removed"


def test_stop_refuses_new_connections_while_it_drains(program: Program) -> None:
    with program.connect() as busy:
        assert ask(busy, "hello") == "hello"
        os.kill(program.process.pid, signal.SIGTERM)

        def refused() -> bool:
            try:
                program.connect().close()
            except OSError:
                return True
            return False

        wait_for(refused, "the listener to close")
        assert ask(busy, "still here") == "still here"


def test_stop_command_answers_when_all_is_over(program: Program) -> None:
    assert program.call("stop") == {"ok": True, "error": None, "pid": program.process.pid}
    assert program.process.wait(PATIENCE) == 0
    assert not program.family()


def test_deadline_of_the_stop_is_kept() -> None:
    with running({"stop_timeout": "200ms"}) as program, program.connect() as idle:
        assert ask(idle, "hello") == "hello"
        begin = time.monotonic()
        os.kill(program.process.pid, signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 0
        assert 0.15 < time.monotonic() - begin < 25, "not the 30 s that are usual"
        assert idle.recv(10) == b""


def test_second_signal_hurries(program: Program) -> None:
    with program.connect() as idle:
        assert ask(idle, "hello") == "hello"
        os.kill(program.process.pid, signal.SIGTERM)
        wait_for(lambda: program.call("status")["state"] == "stopping", "the stop")
        begin = time.monotonic()
        os.kill(program.process.pid, signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 0
        assert time.monotonic() - begin < 25, "not the 30 s of stop_timeout"


def test_quit_ends_at_once(program: Program) -> None:
    with program.connect() as busy:
        busy.sendall(b"sleep 90\n")
        wait_for(lambda: program.ask("lines") != "0", "the request to be taken")
        begin = time.monotonic()
        os.kill(program.process.pid, signal.SIGQUIT)
        program.process.wait(PATIENCE)
        assert time.monotonic() - begin < PATIENCE, "the request takes longer"
    wait_for(lambda: not program.family(), "the workers to go")


def test_worker_that_hangs_is_killed_at_the_deadline() -> None:
    with running({"stop_timeout": "100ms"}) as program, program.connect() as sock:
        sock.sendall(b"hang\n")
        os.kill(program.process.pid, signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 0
        assert not program.family()


def test_worker_that_hangs_for_long_is_replaced() -> None:
    with running({"workers": 1, "test": {"hung_beats": 2}}) as program, program.connect() as sock:
        victim = program.pid_of("worker 0")
        sock.sendall(b"hang\n")
        program.wait_said(f"worker 0 (pid {victim}) gave no sign of life for 2 s; killing it")
        assert program.ask("hello") == "hello"


def test_killed_worker_is_replaced_and_the_rest_goes_on(program: Program) -> None:
    victim = program.pid_of("worker 0")
    with Load(program) as load:
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: program.processes("worker 0") and program.pid_of("worker 0") != victim, "another worker 0")
        load.more()
    # Only what the victim had in hand may be lost: each client had one request at most.
    assert len(load.losses) <= 4
    assert program.call("status")["restarts"] == 1
    assert f"worker 0 (pid {victim}) was killed by SIGKILL" in program.said("SIGKILL")


def test_connections_queued_for_a_dead_worker_are_served() -> None:
    with running({"workers": 1}) as program:
        victim = program.pid_of("worker 0")
        os.kill(victim, signal.SIGSTOP)
        with program.connect() as queued:
            queued.sendall(b"who\n")
            os.kill(victim, signal.SIGKILL)
            assert queued.recv(100).startswith(b"1 0 ")


def test_killed_keeper_is_replaced_without_a_loss(program: Program) -> None:
    victim = program.pid_of("keeper")
    with Load(program) as load:
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: program.processes("keeper") and program.pid_of("keeper") != victim, "another keeper")
        load.more()
    assert load.losses == []


def test_children_end_with_a_killed_supervisor(program: Program) -> None:
    children = [process["pid"] for process in program.call("status")["processes"]]
    with program.connect() as busy:
        busy.sendall(b"sleep 0.2\n")
        wait_for(lambda: program.ask("lines") != "0", "the request to be taken")
        program.process.kill()
        assert busy.recv(100) == b"slept\n", "what is in progress is finished"
    wait_for(lambda: not any(map(alive, children)), "the children to go")


def test_starts_again_right_after_the_supervisor_was_killed(program: Program) -> None:
    program.process.kill()
    again = Program({"listen": [f"127.0.0.1:{program.address[1]}"]})
    try:
        again.start().ready()
        assert again.ask("hello") == "hello"
    finally:
        again.end()


def test_crash_loop_slows_restarts_and_is_told() -> None:
    with running({"workers": 1}) as program:
        program.write(test={"start": "die-later"})
        assert program.call("reload")["ok"]
        program.wait_said("CRASH LOOP")
        assert program.call("status")["state"] == "crash-loop"
        delays = [line.rpartition("restarting it ")[2] for line in program.lines if "restarting it" in line]
        assert delays[:4] == ["now", "in 0.1 s", "in 0.2 s", "in 0.4 s"]
        program.write(test={})
        assert program.call("reload")["ok"], "a reload is the way out"
        wait_for(lambda: program.ask("hello") == "hello", "an answer")


@pytest.mark.parametrize(
    ("wont_start", "reason"),
    [
        ({"test": {"load": "fail"}}, "config.json:1: the configuration is wrong"),
        ({"test": {"start": "fail"}}, "RuntimeError: the worker does not want to start"),
        ({"test": {"start": "die"}}, "exited with status 3"),
        ({"test": {"keeper": "fail"}}, "RuntimeError: the keeper does not want to start"),
        ({"listen": ["192.0.2.1:80"]}, "listen 192.0.2.1:80: no interface of this machine has that address"),
        ({"user": "no-such-user-here"}, "user: there is no account 'no-such-user-here'"),
    ],
    indirect=["wont_start"],
)
def test_failed_start_says_why_and_leaves_nothing(wont_start: Program, reason: str) -> None:
    assert wont_start.process.wait(PATIENCE) == 1
    wont_start.wait_said("cannot start: ")
    assert reason in wont_start.said("cannot start: ")
    assert not wont_start.family()


def test_second_instance_of_the_same_address_is_refused(program: Program) -> None:
    port = program.address[1]
    for second in started({"listen": [f"127.0.0.1:{port}"]}):
        assert second.process.wait(PATIENCE) == 1
        assert f"listen 127.0.0.1:{port}: another program listens there already" in second.wait_said("cannot start")


def test_descriptors_do_not_leak_into_workers_over_reloads(program: Program) -> None:
    # A worker serves even where its connection to the keeper takes longer than it waits for that.
    wait_for(lambda: all(program.ask("connected") == "True" for _ in range(10)), "the workers to hear the keeper")
    before = max(int(program.ask("files")) for _ in range(10))
    for _ in range(5):  # one after the other: a worker inherits the lock of each generation that still drains
        assert program.call("reload")["ok"]
        wait_for(lambda: len(program.call("status")["processes"]) == 3, "the old generation to go")
    wait_for(lambda: int(program.ask("files")) <= before + 1, "what is closed to be gone")


def test_counters_survive_reloads_and_restarts(program: Program) -> None:
    assert program.ask("lines") == "1"
    os.kill(program.pid_of("worker 0"), signal.SIGKILL)
    assert program.call("reload")["ok"]
    assert int(program.ask("lines")) >= 2
