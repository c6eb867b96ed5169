"""Runs the whole program on loopback, each instance with a folder of its own, and stops it cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
COMMAND = (sys.executable, "-m", "bascule")
T = TypeVar("T")


def children_of(pid: int) -> dict[int, str]:
    """Return the processes that a process began, by their ids, with their names."""
    found = {}
    for entry in os.listdir("/proc"):  # no glob: it fails on a process that ends as it looks
        with contextlib.suppress(OSError, ValueError):
            head, _, rest = Path("/proc", str(int(entry)), "stat").read_text().rpartition(")")
            if int(rest.split()[1]) == pid:
                found[int(entry)] = head.partition("(")[2]
    return found


def wait_for(condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Return the first true value of `condition()`; fail after `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {patience} s in vain for {what}")


async def until(condition: Callable[[], Any]) -> None:
    """As `wait_for`, in an event loop."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.001)


class Bascule:
    """One instance: ``with Bascule(config) as bascule``; or `arguments` of ``bascule reverse`` in place of a config.

    A configuration without `listen` and `forward` listens on a free port of 127.0.0.1. It has one worker and no access log unless
    it says otherwise.
    """

    def __init__(self, config: dict[str, Any] | None = None, *arguments: str) -> None:
        # Short, since the path of a UNIX socket is: pytest's tmp_path may not fit.
        self.folder = Path(tempfile.mkdtemp(prefix="b-"))
        self._argv = [*COMMAND, *arguments]
        if config is not None:
            file = self.folder / "bascule.json"
            default: dict[str, Any] = {"workers": 1, "access_log": {"path": "off"}}
            if "forward" not in config:
                default["listen"] = ["127.0.0.1:0"]
            file.write_text(json.dumps({**default, "run_dir": str(self.folder / "run"), **config}))
            self._argv += ["run", str(file)]
        self.lines: list[str] = []
        """What it said on standard error."""

    def __enter__(self) -> Bascule:
        environ = {**os.environ, "XDG_RUNTIME_DIR": str(self.folder), "XDG_CACHE_HOME": str(self.folder)}
        self.output = (self.folder / "stdout").open("w+b")
        self.process = subprocess.Popen(
            self._argv, cwd=ROOT, env=environ, stdout=self.output, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for(lambda: self._ready_line() or self.process.poll() is not None, "the ready line")
            assert self.process.poll() is None, "\n".join(self.lines)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in self.children():
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr
        self.process.stderr.close()
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        print("\n".join(self.lines))  # pytest shows it where a test failed
        assert not [line for line in self.lines if "Traceback" in line], "\n".join(self.lines)

    def _read(self) -> None:
        assert self.process.stderr
        self.lines.extend(line.rstrip("\n") for line in self.process.stderr)

    def _ready_line(self) -> str:
        return next((line for line in tuple(self.lines) if "ready on " in line), "")

    @property
    def ports(self) -> list[int]:
        """The TCP ports it listens on, in the order of the configuration."""
        return [int(port) for port in re.findall(r"https?://[^ ,]+:(\d+)", self._ready_line())]

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def children(self) -> list[int]:
        """Process ids of the workers and the keeper."""
        return list(children_of(self.process.pid))

    def memory(self) -> int:
        """Resident bytes of all its processes, what they share counted once (proportional set size)."""
        total = 0
        for pid in [self.process.pid, *self.children()]:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1]) * 1024  # type: ignore[index]
        return total

    def sockets(self) -> int:
        """The number of sockets that its workers and its keeper have open."""
        count = 0
        for pid in self.children():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    count += os.readlink(entry).startswith("socket:")
        return count

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the JSON access log on standard output, as far as they are whole."""
        whole = (self.folder / "stdout").read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]
