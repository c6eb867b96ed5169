"""Least connections: fewest requests in progress for the weight; ties go to who served least for the weight."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts

TIE = 2.0**-32
"""What a past pick weighs against a request in progress: only a tie notices it."""


class LeastConnections:
    """Weighted least connections over all workers."""

    def __init__(self) -> None:
        self._servers: Sequence[ServerState] = ()

    def update(self, usable: Sequence[ServerState], members: Sequence[ServerState]) -> None:
        """Take the servers; what they served so far is forgotten, lest a newcomer be made to catch up."""
        self._servers = usable
        for server in usable:
            server.bias = 0.0

    def choose(self, facts: RequestFacts) -> ServerState:
        """Return the least loaded server."""
        return self.among(self._servers, facts)

    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return the least loaded of these servers."""
        least = 1e300
        for server in servers:
            load = (server.active + server.elsewhere) * server.inverse + server.bias
            if load < least:
                least = load
                best = server
        best.bias += TIE * best.inverse
        return best
