"""Upgrade: the new program is started beside the old one and inherits the listening sockets.

The new one starts its workers; when they accept it says so through a pipe, and only then does the old one let go.
If it does not come up, the old one goes on as if nothing had happened. What is inherited is described in a memory
file, whose descriptor the environment names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bascule.server.fleet import Child, Fleet, describe_exit
from bascule.server.poller import Poller, Timer

VARIABLE = "BASCULE_INHERIT"
START_WITHIN = 60.0
"""Seconds the new program has to say that it is ready."""
_READY = b"ready"


@dataclass(frozen=True)
class Inheritance:
    """What a program leaves to its successor."""

    pid: int
    """Of the program that leaves it."""
    run_dir: str
    lock: int
    sockets: dict[str, list[int]]
    durable: dict[str, Any]
    ready: int = -1
    """Where to say ready, or why not."""

    def say_ready(self) -> None:
        """Tell the old program that it can go."""
        self._say(_READY)

    def say_failed(self, reason: str) -> None:
        """Tell the old program why the start failed."""
        self._say(reason.encode()[:4000])

    def _say(self, text: bytes) -> None:
        try:
            os.write(self.ready, text)
            os.close(self.ready)
        except OSError:  # the old program is gone, or gave up waiting
            return


def inherited(environ: MutableMapping[str, str]) -> Inheritance | None:
    """Return what the parent left to this process, or None if it was started anew."""
    text = environ.pop(VARIABLE, "")
    if not text.isdigit():
        return None
    with os.fdopen(int(text), "rb") as file:
        file.seek(0)
        will = Inheritance(**json.load(file))
    if will.pid != os.getppid():
        return None  # the variable has come down to a process it was not meant for
    os.set_inheritable(will.ready, False)
    return will


class Upgrade:
    """One attempt. Exactly one of `on_ready(pid)` and `on_failed(reason)` is called."""

    def __init__(
        self, poller: Poller, fleet: Fleet, on_ready: Callable[[int], None], on_failed: Callable[[str], None]
    ) -> None:
        self._poller = poller
        self._fleet = fleet
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._said = b""
        self._late: Timer | None = None
        self._reader: Any = None
        self._child: Child | None = None

    def start(self, argv: list[str], environ: dict[str, str], inheritance: Inheritance) -> None:
        """Start the new program, which gets the inheritance (with `ready` filled in). Raises OSError."""
        reader, writer = os.pipe()
        self._reader = os.fdopen(reader, "rb", buffering=0)
        os.set_blocking(reader, False)
        will = os.memfd_create("bascule-inheritance")
        passed = [writer, will, inheritance.lock, *(fd for group in inheritance.sockets.values() for fd in group)]
        try:
            os.write(will, json.dumps(asdict(replace(inheritance, ready=writer))).encode())
            for fd in passed:
                os.set_inheritable(fd, True)
            pid = os.posix_spawn(argv[0], argv, {**environ, VARIABLE: str(will)}, setsigmask=[], setsigdef=_DEFAULT)
        except OSError:
            self._reader.close()
            raise
        finally:
            for fd in passed:
                os.set_inheritable(fd, False)
            os.close(writer)
            os.close(will)
        self._child = Child("new program", pid, self._ended)
        self._fleet.adopt(self._child)
        self._poller.watch(self._reader, self._read)
        self._late = self._poller.later(START_WITHIN, self._give_up)

    def abort(self) -> None:
        """Give up: this program stops, and not to make room."""
        if self._late is not None and self._child is not None:
            self._child.kill()

    def _read(self) -> None:
        data = self._reader.read(4096)
        if data:
            self._said += data
        if self._said == _READY and self._child is not None:
            self._finish()
            self._on_ready(self._child.pid)
        elif not data:
            self._fail(self._said.decode(errors="replace") or "it ended without a word")

    def _give_up(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._fail(f"it was not ready within {START_WITHIN:.0f} s")

    def _ended(self, _child: Child, code: int) -> None:
        if self._late is not None:
            said = (self._said + (self._reader.read(4096) or b"")).removeprefix(_READY)
            self._fail(said.decode(errors="replace") or f"it {describe_exit(code)}")

    def _fail(self, reason: str) -> None:
        if self._finish():
            self._on_failed(reason)

    def _finish(self) -> bool:
        """Stop waiting; False if that was done before."""
        if self._late is None:
            return False
        self._late.cancel()
        self._late = None
        self._poller.forget(self._reader)
        self._reader.close()
        return True


def own_argv() -> list[str]:
    """Return the command that started this program, so that it starts what is installed now."""
    return [sys.executable, *sys.orig_argv[1:]]


_DEFAULT = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE]
