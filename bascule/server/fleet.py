"""The supervisor's children: forked, listened to, reaped, and killed when they overstay."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from bascule.server.channel import Channel
from bascule.server.framing import MAX_MESSAGE
from bascule.server.poller import Poller, Timer

Main = Callable[[socket.socket], int]
"""What a child runs: it gets its end of the socket pair and returns its exit status."""


class Child:
    """A process. `on_message` gets what it sends, `on_exit` its exit code (negative: the signal that killed it)."""

    def __init__(self, name: str, pid: int, on_exit: Callable[[Child, int], None]) -> None:
        self.name = name
        self.pid = pid
        self.born = time.monotonic()
        self.channel: Channel | None = None
        self._on_exit = on_exit
        self._doom: Timer | None = None

    @property
    def age(self) -> float:
        """Seconds since the fork."""
        return time.monotonic() - self.born

    def send(self, message: dict[str, Any]) -> None:
        """Send it a command."""
        if self.channel is not None:
            self.channel.send(message)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal it. It is not reaped yet, so its pid is its own."""
        os.kill(self.pid, number)

    def cut_off(self) -> None:
        """Kill it, and hear nothing more of it."""
        if self.channel is not None:
            self.channel.close()
        self.kill()

    def kill_after(self, delay: float, poller: Poller) -> None:
        """Kill it if it still lives after `delay` seconds; an earlier appointment is replaced."""
        if self._doom is not None:
            self._doom.cancel()
        self._doom = poller.later(delay, self.kill)

    def ended(self, code: int) -> None:
        """The fleet has reaped it."""
        if self._doom is not None:
            self._doom.cancel()
        if self.channel is not None:
            self.channel.drain()
            self.channel.close()
        self._on_exit(self, code)


class Fleet:
    """All living children by pid."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._children: dict[int, Child] = {}
        poller.on_signal(signal.SIGCHLD, self.reap)

    def __len__(self) -> int:
        return len(self._children)

    def fork(
        self,
        name: str,
        main: Main,
        on_message: Callable[[Child, Any], None],
        on_exit: Callable[[Child, int], None],
    ) -> Child:
        """Fork a child that runs `main` and exits with what it returns."""
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        # Until the child has let go of the supervisor's handlers, a signal meant for it must not reach them.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if pid == 0:
            _be_child(self._poller, main, ours, theirs, mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        child = Child(name, pid, on_exit)
        child.channel = Channel(
            ours, self._poller, lambda message: on_message(child, message), lambda: None, limit=MAX_MESSAGE
        )
        self._children[pid] = child
        return child

    def adopt(self, child: Child) -> None:
        """Reap this one too: it was started by other means than `fork`."""
        self._children[child.pid] = child

    def reap(self) -> None:
        """Collect every process that ended. As process 1 of a container these are also other people's orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                child.ended(os.waitstatus_to_exitcode(status))

    def kill_all(self) -> None:
        """Kill every child now."""
        for child in self._children.values():
            child.kill()


def describe_exit(code: int) -> str:
    """Return an exit code in words."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _be_child(
    poller: Poller, main: Main, ours: socket.socket, theirs: socket.socket, mask: set[int | signal.Signals]
) -> None:
    status = 1
    try:
        ours.close()
        poller.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = main(theirs)
    except BaseException:
        traceback.print_exc()
    finally:
        # Not sys.exit: the supervisor's exit handlers and open files are not the child's to finish.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
