"""The requests that servers may have in progress at a time, shared out between the workers through the board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bascule.upstream.board import PoolBoard
from bascule.upstream.server import ServerState

TURN: Final = 0.5
"""Seconds for which a worker may take what is too little for all: long beside the tenth of a second after which each
looks whether there is a slot for who waits."""


class Slots:
    """The slots of a pool's servers as one worker sees them; of a server without a limit there are always some."""

    __slots__ = ("_alone", "_board", "_clock", "_worker")

    def __init__(self, board: PoolBoard, worker: int, clock: Callable[[], float]) -> None:
        self._board = board
        self._clock = clock
        self._worker = worker
        self._alone = board.workers == 1
        for slot in range(board.slots):
            board.set_active(slot, worker, 0)  # what a predecessor had in progress; it may have been killed
        board.set_waiting(worker, 0)

    def is_free(self, server: ServerState, limit: int) -> bool:
        """Does it look as if `claim` would say yes, with `limit` in place of the server's (0: none)?"""
        if not limit or self._alone:
            return not limit or server.active < limit
        return server.active < self.share(limit) and self._board.active(server.slot) < limit

    def claim(self, server: ServerState) -> bool:
        """Take a slot of a server, if one is free over all workers."""
        limit = server.limit
        if not limit or self._alone:
            return not limit or server.active < limit
        if server.active >= self.share(limit):
            return False
        # Count first, look then: two workers may both step back, but they cannot both go ahead.
        self._board.set_active(server.slot, self._worker, server.active + 1)
        if self._board.active(server.slot) <= limit:
            return True
        self.publish(server)
        return False

    def publish(self, server: ServerState) -> None:
        """Tell the other workers what this one has in progress at a server."""
        self._board.set_active(server.slot, self._worker, server.active)

    def publish_line(self, length: int) -> None:
        """Tell the other workers how many requests wait at this one."""
        self._board.set_waiting(self._worker, length)

    def elsewhere(self, server: ServerState) -> int:
        """Return the requests in progress at a server in the other workers."""
        return 0 if self._alone else self._board.active(server.slot) - server.active

    def share(self, limit: int) -> int:
        """Return how much of a limit this worker may take: beyond an even share it leaves the rest to those who wait
        at other workers, for who ends a request would otherwise always be the first to begin another."""
        lines = self._board.lines(self._worker)
        if limit >= lines:
            return -(-limit // lines)
        # There is not one for each worker. They take turns, or those who end requests would leave none to the others.
        first = int(self._clock() / TURN) * limit
        return int((self._board.rank(self._worker) - first) % lines < limit)
