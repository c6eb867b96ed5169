"""The supervisor's loop: what is readable, which timers are due, which signals came. Nothing more.

Deliberately not an event loop library: the supervisor must survive what its children do not, so it stays small,
single-threaded and free of code it does not need.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Protocol

LONGEST_WAIT = 1.0


class Closeable(Protocol):
    """A file object: it has a descriptor and can be closed."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Timer:
    """A call to come; `cancel()` it, or let it come."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Poller:
    """Waits for files, timers and signals, and makes the calls.

    `poll` and not `epoll` inside: an epoll set is shared with forked children, who must not be able to change it.
    """

    def __init__(self) -> None:
        self._selector = selectors.PollSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._signal_reader, self._signal_writer = socket.socketpair()
        self._handlers: dict[int, Callable[[], None]] = {}
        for end in (self._signal_reader, self._signal_writer):
            end.setblocking(False)
        self.watch(self._signal_reader, self._read_signals)

    def watch(self, file: Closeable, on_read: Callable[[], object]) -> None:
        """Call `on_read()` whenever `file` can be read."""
        self._selector.register(file, selectors.EVENT_READ, (on_read, None))

    def watch_write(self, file: Closeable, on_write: Callable[[], object] | None) -> None:
        """Call `on_write()` too whenever the watched `file` takes data again; None stops that."""
        on_read = self._selector.get_key(file).data[0]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if on_write else 0)
        self._selector.modify(file, events, (on_read, on_write))

    def forget(self, file: Closeable) -> None:
        """Watch `file` no longer. Unknown files are ignored."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(file)

    def later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback()` after `delay` seconds."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + delay, next(self._order), timer))
        return timer

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Call `callback()` from the loop when the signal came."""
        self._handlers[number] = callback
        signal.signal(number, _noted)
        signal.set_wakeup_fd(self._signal_writer.fileno(), warn_on_full_buffer=False)

    def step(self) -> None:
        """Wait for something to happen, at most `LONGEST_WAIT`, and make the calls that are due."""
        wait = LONGEST_WAIT
        if self._timers:
            wait = min(wait, max(0.0, self._timers[0][0] - time.monotonic()))
        for key, events in self._selector.select(wait):
            on_read, on_write = key.data
            if events & selectors.EVENT_WRITE and on_write is not None and self._still_watched(key):
                on_write()
            if events & selectors.EVENT_READ and self._still_watched(key):
                on_read()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    def close(self) -> None:
        """Close every watched file and the loop itself, and let signals do what they do by default.

        A forked child calls this to let go of what is its parent's.
        """
        signal.set_wakeup_fd(-1)
        for number in self._handlers:
            signal.signal(number, signal.SIG_DFL)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._signal_writer.close()
        self._selector.close()

    def _still_watched(self, key: selectors.SelectorKey) -> bool:
        """A call made just before may have closed the file, and its number may already be another's."""
        now = self._selector.get_map().get(key.fd)
        return now is not None and now.fileobj is key.fileobj

    def _read_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in self._signal_reader.recv(4096):
                handler = self._handlers.get(number)
                if handler is not None:
                    handler()


def _noted(_number: int, _frame: object) -> None:
    """The wakeup descriptor has been told; nothing is done inside a signal handler."""
