"""Accepting in turn: of the workers that share a listening socket, one with few clients takes the next connection.

The kernel wakes them all and the quickest gets it, so a burst of 64 connections was seen to end as 52 and 12, and the
busier worker's core was the bound of the whole. A worker that is ahead of another steps back until the others have
caught up, but not for long: if nobody has taken the connection by then, they are busy or gone, and it takes it itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

from bascule.upstream.dialling import Dialling

PATIENCE = 0.005
"""Seconds a worker that is ahead leaves to the others: about what a runnable process waits for a busy core."""
LOOK = 0.001
"""Seconds between its looks at whether it still is."""
RECOVERY = 0.1
"""Seconds without accepting after the process ran out of descriptors or memory."""
SLACK = 2
"""Clients more than another worker has that do not make a worker step back."""
LEAD = 8
"""As many more before it waits for one that has stepped back: that one is back in a moment, and then takes its turn.
Without a bound the one that is left has time for all of a burst: of 64 connections 61."""
BATCH = 2
"""Connections accepted of those that the others left; twice as many each further time, up to `MOST`."""
MOST = 32
"""What is accepted in one turn of the loop, and served in the next, is what every other client waits for."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER without any time."""
_RESTING = 1 << 39
"""Added to the count of a worker that has stepped back."""
_AWAY = 1 << 40
"""Added to the count of a worker that accepts nothing: nobody waits for it."""

Factory = Callable[[], asyncio.BaseProtocol]
Bars = Callable[[tuple[Any, ...] | str | bytes], bool]
"""Whether a caller, by its socket's name, gets no connection. It is cut before anything is made for it."""


class FairAcceptor:
    """Accepts for one worker. `crowd` holds every worker's count of clients, in memory that they share."""

    __slots__ = (
        "_away",
        "_batch",
        "_clients",
        "_crowd",
        "_listening",
        "_loop",
        "_opening",
        "_settled",
        "_timer",
        "_until",
        "_worker",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, crowd: memoryview, worker: int) -> None:
        self._loop = loop
        self._crowd = crowd
        self._worker = worker
        self._listening: list[tuple[socket.socket, Factory, Bars | None]] = []
        self._opening = 0
        """Accepted connections that have not reached their protocol."""
        self._settled: asyncio.Future[None] | None = None
        """Done when there are none, for who waits for that."""
        self._clients = 0
        self._batch = BATCH
        self._away = 0
        self._until = 0.0
        """When it stops stepping back, by the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, sock: socket.socket, factory: Factory, bars: Bars | None = None) -> None:
        """Accept from a listening, non-blocking socket; `factory` makes the protocol of a connection, of every caller
        that `bars` lets in."""
        self._listening.append((sock, factory, bars))
        self._loop.add_reader(sock.fileno(), self._ready, sock, factory, bars)
        self._publish()

    def count(self, clients: int) -> None:
        """Tell the other workers how many clients this one has."""
        self._clients = clients
        self._publish()

    def close(self) -> None:
        """Accept no more. What was accepted goes on; see `settle`."""
        self._pause(_AWAY)
        self._listening.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def settle(self) -> None:
        """Return when every accepted connection has reached its protocol."""
        if self._opening:
            self._settled = self._loop.create_future()
            await self._settled

    def _publish(self) -> None:
        self._crowd[self._worker] = self._away + self._clients + self._opening

    def _is_ahead(self) -> bool:
        """Whether a worker that may take the next connection has fewer clients."""
        own = self._clients + self._opening
        if own > min(self._crowd) + SLACK:
            return True
        return own > LEAD and any(
            own > count - _RESTING + LEAD + SLACK for count in self._crowd if _RESTING <= count < _AWAY
        )

    def _ready(self, sock: socket.socket, factory: Factory, bars: Bars | None) -> None:
        """Somebody waits to be accepted."""
        if self._is_ahead():
            self._step_back(PATIENCE, _RESTING)
        else:
            self._batch = BATCH
            self._accept(sock, factory, bars)

    def _accept(self, sock: socket.socket, factory: Factory, bars: Bars | None) -> bool:
        """Accept one connection. Return whether there may be another."""
        try:
            connection, name = sock.accept()
        except BlockingIOError:
            return False  # another worker was quicker
        except ConnectionAbortedError:
            return True
        except OSError:
            self._step_back(RECOVERY, _AWAY)
            return False
        if bars is not None and bars(name):
            reset(connection)
            connection.close()
            return True
        connection.setblocking(False)
        self._opening += 1
        self._publish()
        Dialling(self._loop, self._open(connection, factory), lambda _: connection.close())  # if it was gone already
        return True

    async def _open(self, connection: socket.socket, factory: Factory) -> None:
        try:
            await self._loop.connect_accepted_socket(factory, connection)
        finally:
            self._opening -= 1
            self._publish()
            if self._settled is not None and not self._opening:
                self._settled.set_result(None)

    def _pause(self, away: int) -> None:
        for sock, *_ in self._listening:
            self._loop.remove_reader(sock.fileno())
        self._away = away
        self._publish()

    def _step_back(self, seconds: float, away: int) -> None:
        if self._timer is None:
            self._pause(away)
            self._until = self._loop.time() + seconds
            self._timer = self._loop.call_later(min(seconds, LOOK), self._look)

    def _look(self) -> None:
        """Come back if that is due, or the others have caught up."""
        left = self._until - self._loop.time()
        if left > 0 and (self._away == _AWAY or self._is_ahead()):
            self._timer = self._loop.call_later(min(left, LOOK), self._look)
            return
        self._timer = None
        self._away = 0
        self._publish()
        if left > 0 or self._take_left():
            for sock, factory, bars in self._listening:
                self._loop.add_reader(sock.fileno(), self._ready, sock, factory, bars)

    def _take_left(self) -> bool:
        """Take what the others left. False: it is out of descriptors, and has stepped back once more."""
        for sock, factory, bars in self._listening:
            for _ in range(self._batch):
                if not self._accept(sock, factory, bars):
                    break
            if self._timer is not None:
                return False
        self._batch = min(2 * self._batch, MOST)
        return True


def reset(connection: socket.socket) -> None:
    """Let the close of a connection be a reset: nothing of it is left to keep."""
    with contextlib.suppress(OSError):  # it is gone already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
