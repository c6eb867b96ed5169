"""Room that is kept at a server for those who go first, while load is shed.

Where a flood begins, all slots of a server are taken at once, and how many it can bear was learned from what it had to
do before: until a window of `adaptive` is over, everybody waits at the server behind as many as there are slots. So
those who do not go first begin with a third of them, and get more by every answer that is as quick as `adaptive`
tolerates, fewer by every one that is not. A server that works on all at a time is in full use again some tens of
answers later; one that lets them wait among themselves loses nothing by it.
"""

from __future__ import annotations

from math import ceil
from typing import Final

from bascule.upstream.server import ServerState

LEAST: Final = 1 / 3
"""Part of the slots that is left to the others in any case: answers may be slow for other reasons than their number."""
QUICK: Final = 1.03
SLOW: Final = 0.95
"""By what an answer changes it: it stays where three in eight are slower than tolerated."""


def begin(server: ServerState) -> None:
    """Load begins to be shed. Where no limit is learned, nothing tells a slow server from a busy one: all have all."""
    server.part = LEAST if _tolerated(server) else 1.0


def end(server: ServerState) -> None:
    """It is over: whoever waits may have any slot."""
    server.part = 1.0


def take(server: ServerState, latency: float) -> None:
    """Take the seconds of one more answer, meanwhile."""
    if tolerated := _tolerated(server):
        part = server.part * (QUICK if latency <= tolerated else SLOW)
        server.part = min(1.0, max(LEAST, part))


def limit(server: ServerState) -> int:
    """Return how many requests a server may have in progress before those wait who do not go first; 0 for no limit."""
    return ceil(server.limit * server.part)


def _tolerated(server: ServerState) -> float:
    adaptive = server.adaptive
    return adaptive.tolerated if adaptive is not None and adaptive.holds else 0.0
