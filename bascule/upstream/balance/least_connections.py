"""Least connections: fewest requests in progress for the weight; ties go to who served least for the weight."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.upstream.balance.least import TIE, Least
from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts


class LeastConnections(Least):
    """Weighted least connections over all workers."""

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
