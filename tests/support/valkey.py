"""A Valkey or Redis server of Debian's for tests, which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.support.program import PATIENCE, wait_for
from tests.support.programs import require_program


class Valkey:
    """One server, on port 6379 of a loopback address of its own, or with `options` as its command line says."""

    _made = 0

    def __init__(self, folder: Path, *options: str, tls: bool = False, address: str = "") -> None:
        binary = shutil.which("valkey-server") or require_program("redis-server")
        Valkey._made += 1
        pid = os.getpid()
        self.address = address or f"127.{100 + Valkey._made % 100}.{pid >> 8 & 255}.{(pid & 255) or 1}"
        port = ["--port", "0", "--tls-port", "6379"] if tls else ["--port", "6379"]
        self._argv = [binary, "--bind", self.address, *port, "--save", "", "--dir", str(folder), *options]
        self.start()

    @property
    def place(self) -> str:
        return f"{self.address}:6379"

    def start(self) -> None:
        self.process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL)
        wait_for(self._listens, "the server of shared state")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def _listens(self) -> bool:
        assert self.process.poll() is None, "it did not start"
        with socket.socket() as sock:
            return sock.connect_ex((self.address, 6379)) == 0

    def __enter__(self) -> Valkey:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()
