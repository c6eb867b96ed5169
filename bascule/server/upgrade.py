"""Upgrade: the new program is started beside the old one and inherits the listening sockets.

The new one starts its workers; when they accept it says so, and only then does the old one let go. If it does not come
up, the old one goes on as if nothing had happened. What is inherited is described in a memory file, whose descriptor
the environment names; the two speak over a socket pair. The last that the old one says is that its keeper has ended,
and what that one kept meanwhile: until then no keeper of the new program leads.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bascule.server.channel import Channel
from bascule.server.durable import Durable
from bascule.server.fleet import Child, Fleet, describe_exit
from bascule.server.framing import MAX_MESSAGE
from bascule.server.poller import Poller, Timer

VARIABLE = "BASCULE_INHERIT"
START_WITHIN = 60.0
"""Seconds the new program has to say that it is ready."""
HELD_BACK = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
"""What would kill the new program until it has its handlers: it is begun with these blocked, and lets them in then."""


@dataclass(frozen=True)
class Inheritance:
    """What a program leaves to its successor."""

    pid: int
    """Of the program that leaves it."""
    run_dir: str
    lock: int
    sockets: dict[str, list[int]]
    durable: dict[str, Any]
    standing: Any
    """What the application has to say of its servers."""
    line: int = -1
    """The successor's end of the socket pair."""


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
    os.set_inheritable(will.line, False)
    return will


class Predecessor:
    """The program that left this one its sockets. `on_end()` when its keeper has ended, or it all has."""

    def __init__(self, line: int, poller: Poller, durable: Durable, on_end: Callable[[], None]) -> None:
        self._durable = durable
        self._on_end = on_end
        self.leads = True
        """Whether its keeper is still the one that operators speak to."""
        self._channel = Channel(socket.socket(fileno=line), poller, self._told, self._ended, limit=MAX_MESSAGE)

    def say_ready(self) -> None:
        """Tell it that it can go."""
        self._channel.send({"ready": True})

    def say_failed(self, reason: str) -> None:
        """Tell it why the start failed."""
        self._channel.send({"failed": reason[:4000]})

    def _told(self, message: dict[str, Any]) -> None:
        if "topic" in message:
            self._durable.keep(message["topic"], message["payload"])
        else:
            self._channel.close()

    def _ended(self) -> None:
        self.leads = False
        self._on_end()


class Upgrade:
    """One attempt. Either `on_ready(pid)` or `on_failed(reason)` is called, once."""

    def __init__(
        self, poller: Poller, fleet: Fleet, on_ready: Callable[[int], None], on_failed: Callable[[str], None]
    ) -> None:
        self._poller = poller
        self._fleet = fleet
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._late: Timer | None = None
        self._child: Child | None = None
        self._told_durable: dict[str, Any] = {}

    def start(self, argv: list[str], environ: dict[str, str], inheritance: Inheritance) -> None:
        """Start the new program, which gets the inheritance (with `line` filled in). Raises OSError."""
        ours, theirs = socket.socketpair()
        will = os.memfd_create("bascule-inheritance")
        line = theirs.fileno()
        passed = [line, will, inheritance.lock, *(fd for group in inheritance.sockets.values() for fd in group)]
        try:
            with open(will, "wb", closefd=False) as file:
                file.write(json.dumps(asdict(replace(inheritance, line=line))).encode())
            for fd in passed:
                os.set_inheritable(fd, True)
            environ = {**environ, VARIABLE: str(will)}
            pid = os.posix_spawn(argv[0], argv, environ, setsigmask=HELD_BACK, setsigdef=_DEFAULT)
        except OSError:
            ours.close()
            raise
        finally:
            for fd in passed:
                os.set_inheritable(fd, False)
            theirs.close()
            os.close(will)
        self._child = Child("new program", pid, self._ended)
        self._child.channel = Channel(ours, self._poller, self._told, lambda: None, limit=MAX_MESSAGE)
        self._fleet.adopt(self._child)
        self._late = self._poller.later(START_WITHIN, self._give_up)
        self._told_durable = inheritance.durable

    def hand_over(self, durable: Durable) -> None:
        """Let the new program's keeper lead: ours has ended, and this is what it kept. Idempotent."""
        if self._child is not None:
            for topic, payload in durable.since(self._told_durable):
                self._child.send({"topic": topic, "payload": payload})
            self._child.send({"lead": True})

    def abort(self) -> None:
        """Give up: this program stops, and not to make room."""
        if self._late is not None and self._child is not None:
            self._child.kill()

    def _told(self, message: dict[str, Any]) -> None:
        if "failed" in message:
            self._fail(message["failed"])
        elif self._finish() and self._child is not None:
            self._on_ready(self._child.pid)

    def _give_up(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._fail(f"it was not ready within {START_WITHIN:.0f} s")

    def _ended(self, _child: Child, code: int) -> None:
        self._fail(f"it {describe_exit(code)}")

    def _fail(self, reason: str) -> None:
        if self._finish():
            self._on_failed(reason)

    def _finish(self) -> bool:
        """Stop waiting; False if that was done before."""
        if self._late is None:
            return False
        self._late.cancel()
        self._late = None
        return True


def own_argv() -> list[str]:
    """Return the command that started this program, so that it starts what is installed now."""
    return [sys.executable, *sys.orig_argv[1:]]


_DEFAULT = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE]
