"""Starts the test program, talks to it, and makes sure that nothing of it outlives the test."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bascule.server import control, rundir
from tests.support.program import PATIENCE, ROOT, wait_for


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Program:
    """One running test program with a folder of its own."""

    command = ("-m", "tests.server.program")

    def __init__(self, config: dict[str, Any], environ: dict[str, str] | None = None) -> None:
        # Short, since the path of a UNIX socket is: pytest's tmp_path may not fit.
        self.folder = Path(tempfile.mkdtemp(prefix="b-"))
        self.folder.chmod(0o755)
        self.file = self.folder / "config.json"
        self.config = {"listen": ["127.0.0.1:0"], "workers": 2, **config}
        self.environ = {**os.environ, "XDG_RUNTIME_DIR": str(self.folder), **(environ or {})}
        self.lines: list[str] = []
        self.pids: set[int] = set()
        self.write()

    def write(self, **changes: Any) -> None:
        """Change keys of the configuration and write the file in one go."""
        self.config.update(changes)
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.config))
        new.rename(self.file)

    def start(self, **options: Any) -> Program:
        """Start it; do not wait."""
        argv = [sys.executable, *self.command, str(self.file)]
        self.process = subprocess.Popen(argv, cwd=ROOT, env=self.environ, stderr=subprocess.PIPE, text=True, **options)
        self.pids.add(self.process.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def ready(self) -> Program:
        """Wait until it says that it is ready."""
        wait_for(lambda: self.said("bascule: ready on ") or self.process.poll() is not None, "the ready line")
        assert self.process.poll() is None, self.lines
        return self

    def said(self, text: str) -> str:
        """Return the first line with `text` in it, or nothing."""
        return next((line for line in tuple(self.lines) if text in line), "")

    def wait_said(self, text: str) -> str:
        return wait_for(lambda: self.said(text), f"{text!r} in {self.lines}")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        found = re.search(r"http://([^ ,]+):(\d+)", self.said("bascule: ready on "))
        assert found
        return found[1], int(found[2])

    def instance(self) -> rundir.Instance:
        for path in (self.folder / "bascule").iterdir():
            if (found := rundir.instance_in(path)) is not None:
                self.pids.add(found.pid)
                return found
        raise AssertionError(f"no instance runs: {self.lines}")

    def call(self, name: str) -> dict[str, Any]:
        """Send a command to the control socket."""
        return control.call(self.instance().control, {"call": name}, PATIENCE)

    def processes(self, name: str = "worker", state: str = "ready") -> list[dict[str, Any]]:
        """Return what the status says of the processes whose name begins with `name`."""
        return [
            process
            for process in self.call("status")["processes"]
            if process["name"].startswith(name) and process["state"] == state
        ]

    def pid_of(self, name: str) -> int:
        return int(wait_for(lambda: self.processes(name), f"a ready {name}")[0]["pid"])

    def ask(self, line: str, **options: Any) -> str:
        """Open a connection, send a line, return the answer."""
        with self.connect(**options) as sock:
            return ask(sock, line)

    def connect(self, address: tuple[str, int] | None = None) -> socket.socket:
        return socket.create_connection(address or self.address, timeout=PATIENCE)

    def admin(self, line: str) -> Any:
        """Have the keeper do something."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(self.instance().path / rundir.ADMIN_SOCKET))
            return json.loads(ask(sock, line))

    @staticmethod
    def kill(pid: int) -> None:
        """Kill one process, as the kernel does when memory runs out."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def family(self) -> list[int]:
        """Return the pids of all living processes started from this configuration file."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if (
                    entry.name.isdigit()
                    and str(self.file) in (entry / "cmdline").read_text()
                    and alive(int(entry.name))
                ):
                    found.append(int(entry.name))
        return found

    def end(self) -> None:
        """Kill what is left and remove the folder."""
        wait_for(lambda: not [self.kill(pid) for pid in self.family()], "the end of all processes")
        if hasattr(self, "process"):
            self.process.wait(PATIENCE)
            self._reader.join(PATIENCE)
            assert self.process.stderr
            self.process.stderr.close()
        shutil.rmtree(self.folder)
        print("\n".join(self.lines))  # pytest shows it where a test failed

    def _read(self) -> None:
        assert self.process.stderr
        self.lines.extend(line.rstrip("\n") for line in self.process.stderr)


def ask(sock: socket.socket, line: str) -> str:
    """Send a line, return the answer; nothing if the connection ended instead."""
    sock.sendall(line.encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        data = sock.recv(65536)
        if not data:
            return ""
        answer += data
    return answer.decode().strip()


class Load:
    """Clients that ask again and again, one connection each time, and count what is lost."""

    def __init__(self, program: Program, clients: int = 4) -> None:
        self.answers = 0
        self.losses: list[str] = []
        self._program = program
        self._address = program.address
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.answers > len(self._threads), "the first answers")
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def more(self, count: int = 20) -> None:
        """Wait for further answers."""
        goal = self.answers + count
        wait_for(lambda: self.answers >= goal or self.losses, f"{count} more answers")

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            try:
                answer = self._program.ask(f"line {number}", address=self._address)
            except OSError as error:
                self.losses.append(repr(error))
                continue
            if answer == f"line {number}":
                self.answers += 1
            else:
                self.losses.append(f"line {number} was answered with {answer!r}")


@contextlib.contextmanager
def running(config: dict[str, Any] | None = None, **options: Any) -> Iterator[Program]:
    """A program that is ready, for the time of a `with`."""
    program = Program(config or {}, **options)
    try:
        yield program.start().ready()
    finally:
        program.end()
