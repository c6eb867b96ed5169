"""The processes of the demo: replicas of the shop and Bascule itself. None of them outlives the demo."""

from __future__ import annotations

import http.client
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from bascule.server import rundir

HOST: Final = "127.0.0.1"
START_TIMEOUT: Final = 100.0
STOP_TIMEOUT: Final = 8.0
_TRIED_PORTS: Final = 20
_LEASH: Final = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"
"""Linux: SIGTERM when the parent dies, whatever kills it (prctl PR_SET_PDEATHSIG)."""


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""


def find_shop(given: Path | None) -> Path:
    """Return the program of the sample shop. Raises DemoError."""
    import bascule

    candidates = [given] if given else [
        Path(bascule.__file__).resolve().parents[1] / "examples" / "shop" / "app.py",
        Path.cwd() / "examples" / "shop" / "app.py",
    ]  # fmt: skip
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DemoError(
        f"the sample shop is not there ({' or '.join(map(str, candidates))}): it comes with Bascule's source, not with "
        "the installed package; run the demo in a checkout, or name it with --shop FILE"
    )


def free_port(wanted: int) -> int:
    """Return `wanted`, or the next port on loopback that is free. Raises DemoError."""
    for port in range(wanted, min(wanted + _TRIED_PORTS, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError(f"no free port from {wanted} to {wanted + _TRIED_PORTS - 1} on {HOST}; name another with --port")


def _spawn(command: list[str], log: Path, stdout: int | None = None) -> subprocess.Popen[str]:
    """Start in a process group of its own: Ctrl-C reaches the demo alone, which then stops the rest in order."""
    if sys.platform == "linux":
        command = [sys.executable, "-ISc", _LEASH, *command]
    with log.open("ab") as errors:
        return subprocess.Popen(  # noqa: S603 - our own programs
            command, stdin=subprocess.DEVNULL, stdout=errors if stdout is None else stdout, stderr=errors, text=True,
            process_group=0,
        )  # fmt: skip


def _stop(process: subprocess.Popen[str]) -> None:
    """End a process, gently if it lets us."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


class Replica:
    """A replica of the shop. One that is killed comes back at its port after `away` seconds."""

    def __init__(self, shop: Path, folder: Path, name: str, away: float) -> None:
        self._command = [sys.executable, str(shop), "--db", str(folder / "shop.db"), "--name", name]
        self._log = folder / f"{name}.log"
        self._away = away
        self.name = name
        self.port = 0
        self.back_at = 0.0
        """When a killed replica comes back (monotonic seconds); 0 while it runs."""
        self._process = self._start()

    @property
    def pid(self) -> int:
        """Its process id; that of the one that was killed, until it is back."""
        return self._process.pid

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{HOST}:{self.port}"

    def tend(self) -> None:
        """Notice that it was killed, and start it again when it is time."""
        if not self.back_at:
            if self._process.poll() is not None:
                _stop(self._process)
                self.back_at = time.monotonic() + self._away
        elif time.monotonic() >= self.back_at:
            self._process = self._start()
            self.back_at = 0.0

    def stop(self) -> None:
        """End it."""
        _stop(self._process)

    def _start(self) -> subprocess.Popen[str]:
        process = _spawn([*self._command, "--port", str(self.port)], self._log, subprocess.PIPE)
        stdout = process.stdout
        assert stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            line = stdout.readline() if selector.select(START_TIMEOUT) else ""
        match = re.search(r":(\d+)$", line.strip())
        if match is None:
            _stop(process)
            raise DemoError(f"{self.name} does not start; see {self._log}:\n{tail(self._log)}")
        self.port = int(match.group(1))
        return process


class Proxy:
    """Bascule, run on the demo's configuration."""

    def __init__(self, config: Path, port: int) -> None:
        self.log = config.with_name("bascule.log")
        self.log.write_bytes(b"")
        self.port = port
        program = Path(sys.executable).with_name("bascule")
        direct = [sys.executable, "-c", "from bascule.cli.main import main; main()"]
        self._process = _spawn([*([str(program)] if program.is_file() else direct), "run", str(config)], self.log)

        self._run_dir: Path | None = None

    @property
    def admin_socket(self) -> Path:
        """Where it can be asked how it is. Raises RunDirError."""
        return self._instance_dir() / rundir.ADMIN_SOCKET

    @property
    def running(self) -> bool:
        """Whether it still runs, perhaps as another process after an upgrade."""
        return self._process.poll() is None or self._successor() is not None

    def _instance_dir(self) -> Path:
        self._run_dir = self._run_dir or rundir.find("", self._process.pid).path
        return self._run_dir

    def _successor(self) -> int | None:
        instance = rundir.instance_in(self._run_dir) if self._run_dir else None
        return instance.pid if instance and instance.pid != self._process.pid else None

    def wait_ready(self) -> None:
        """Return once the shop answers through it. Raises DemoError."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if not self.running:
                raise DemoError(f"Bascule ended with status {self._process.returncode}:\n{tail(self.log)}")
            if _answers(self.port):
                return
            time.sleep(0.1)
        raise DemoError(f"Bascule does not answer on port {self.port}; see {self.log}:\n{tail(self.log)}")

    def stop(self) -> None:
        """End it."""
        deadline = time.monotonic() + STOP_TIMEOUT
        while (pid := self._successor()) and time.monotonic() < deadline:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.1)
        _stop(self._process)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log."""
    return "\n".join(path.read_text(errors="replace")[-8192:].splitlines()[-lines:])
