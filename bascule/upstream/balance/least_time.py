"""Least time: peak-sensitive EWMA of the response time, times the requests in progress (Finagle's Peak EWMA)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bascule.upstream.balance.least import TIE, Least
from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts

DECAY = 10.0
"""Seconds after which an observation has lost 63% of its weight (Finagle's default)."""
UNKNOWN = 1.0
"""Seconds assumed of a server that has requests in progress but has never answered."""
FAILURE = 1.0
"""Least time that a failure counts for: a server that refuses quickly is not a quick server."""


def observe(server: ServerState, latency: float, now: float) -> None:
    """Take an observation into the average: a slower one at once, a faster one gradually."""
    if latency > server.cost:
        server.cost = latency
    else:
        keep = math.exp((server.cost_time - now) / DECAY)
        server.cost = server.cost * keep + latency * (1 - keep)
    server.cost_time = now


class LeastTime(Least):
    """The server that will probably answer first, for its weight."""

    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return the one of these servers with the least expected time."""
        least = math.inf
        for server in servers:
            busy = server.active + server.elsewhere
            cost = server.cost or (UNKNOWN if busy else 0.0)
            load = cost * (busy + 1) * server.inverse + server.bias
            if load < least:
                least = load
                best = server
        best.bias += TIE * best.inverse
        return best
