"""systemd: notifications through a real datagram socket, and sockets that it opened."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest

from bascule.server import notify
from tests.server.harness import PATIENCE, ROOT, Load, Program, wait_for
from tests.support.programs import require_program

UNIT = ROOT / "examples" / "systemd" / "bascule.service"


class Manager:
    """Listens as systemd does."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="b-")
        self.path = f"{self.folder.name}/notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.heard: list[dict[str, str]] = []
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def wait(self, key: str, value: str = "") -> dict[str, str]:
        """Wait for a message with this key, and this value if one is given."""

        def found() -> dict[str, str] | None:
            return next((said for said in tuple(self.heard) if key in said and value in ("", said[key])), None)

        return wait_for(found, f"{key}={value}")

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self.path)
        self.thread.join()
        self.sock.close()
        self.folder.cleanup()

    def _listen(self) -> None:
        while text := self.sock.recv(4096).decode():
            self.heard.append(dict(line.split("=", 1) for line in text.splitlines()))


@pytest.fixture
def manager() -> Iterator[Manager]:
    found = Manager()
    yield found
    found.close()


@pytest.fixture
def program(manager: Manager) -> Iterator[Program]:
    found = Program({}, environ={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"})
    try:
        yield found.start().ready()
    finally:
        found.end()


def test_ready_watchdog_and_stop_are_told(manager: Manager, program: Program) -> None:
    assert manager.wait("READY", "1")["STATUS"] == "generation 1: 2 of 2 workers ready"
    manager.wait("WATCHDOG", "1")
    os.kill(program.process.pid, signal.SIGTERM)
    manager.wait("STOPPING", "1")


def test_reload_is_told_with_its_time(manager: Manager, program: Program) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert program.call("reload")["ok"]
    assert int(manager.wait("RELOADING", "1")["MONOTONIC_USEC"]) >= before
    manager.wait("STATUS", "generation 2: 2 of 2 workers ready")
    order = [next(iter(said)) for said in manager.heard if said.keys() & {"READY", "RELOADING"}]
    assert order == ["READY", "RELOADING", "READY"]


def test_failed_reload_ends_with_ready_too(manager: Manager, program: Program) -> None:
    manager.wait("READY", "1")
    manager.heard.clear()
    program.write(test={"load": "fail"})
    assert not program.call("reload")["ok"]
    manager.wait("READY", "1")


def test_upgrade_names_the_new_main_process(manager: Manager, program: Program) -> None:
    manager.wait("READY", "1")
    manager.heard.clear()
    pid = program.call("upgrade")["pid"]
    assert manager.wait("MAINPID")["MAINPID"] == str(pid)
    assert program.process.wait(PATIENCE) == 0
    assert not [said for said in manager.heard if "STOPPING" in said], "the service does not stop"
    manager.heard.clear()
    manager.wait("WATCHDOG", "1")


def test_without_systemd_nothing_is_sent() -> None:
    silent = notify.Notifier({})
    silent.ready("fine")
    assert (silent.watchdog, silent.environ()) == (0.0, {})


def test_watchdog_of_another_process_is_not_ours() -> None:
    assert notify.Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog == 0
    assert notify.Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 0.5


def test_variables_are_taken_so_that_no_child_finds_them() -> None:
    environ = {
        "NOTIFY_SOCKET": "/run/x", "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:",
    }  # fmt: skip
    notify.Notifier(environ)
    assert notify.activated(environ) == [(3, "web"), (4, "")]
    assert environ == {}


@pytest.mark.parametrize("environ", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "x"}])
def test_descriptors_meant_for_nobody_or_another_are_left_alone(environ: dict[str, str]) -> None:
    assert notify.activated(environ) == []


def test_sockets_opened_by_systemd_are_served_and_survive_reloads() -> None:
    program = Program({})
    with socket.create_server(("127.0.0.1", 0)) as given:
        host, port = given.getsockname()
        program.write(listen=[f"{host}:{port}"])
        # What systemd does between fork and exec: descriptor 3, and the pid of the process to be.
        start = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3);"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='web');"
            "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
        )
        program.command = ("-c", start, str(given.fileno()), *program.command)  # type: ignore[assignment]
        try:
            program.start(pass_fds=[given.fileno()]).ready()
            assert program.address == (host, port)
            with Load(program) as load:
                assert program.call("reload")["ok"]
                load.more()
            assert load.losses == []
        finally:
            program.end()


def test_example_unit_is_valid() -> None:
    command = [require_program("systemd-analyze", "systemd"), "verify", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Unknown" not in done.stderr, done.stderr


def test_example_unit_leaves_the_workers_to_the_supervisor() -> None:
    text = UNIT.read_text()
    assert "Type=notify" in text
    assert "KillMode=mixed" in text, "systemd must not send SIGTERM to workers that the supervisor drains"
    assert sys.executable not in text
