"""What policies have in common that take the server with the least of something."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts

TIE = 2.0**-32
"""What a past pick weighs against a request in progress: only a tie notices it."""


class Least(ABC):
    """Knows the servers; of what it is the least, `among` tells."""

    def __init__(self) -> None:
        self._servers: Sequence[ServerState] = ()

    def update(self, usable: Sequence[ServerState], members: Sequence[ServerState]) -> None:
        """Take the servers; what they served so far is forgotten, lest a newcomer be made to catch up."""
        self._servers = usable
        for server in usable:
            server.bias = 0.0

    def choose(self, facts: RequestFacts) -> ServerState:
        """Return the server that has the least."""
        return self.among(self._servers, facts)

    @abstractmethod
    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return the one of these servers that has the least."""
