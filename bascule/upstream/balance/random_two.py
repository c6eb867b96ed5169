"""Random of two: draw two servers by weight, take the less loaded (M. Mitzenmacher, The Power of Two Choices, 2001)."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts


def _draw(servers: Sequence[ServerState], sums: Sequence[float], rng: random.Random) -> int:
    return min(bisect(sums, rng.random() * sums[-1]), len(servers) - 1)


def _second(servers: Sequence[ServerState], sums: Sequence[float], first: int, rng: random.Random) -> int:
    """Draw by weight from all but the first: its stretch of the line is cut out."""
    width = servers[first].share
    point = rng.random() * (sums[-1] - width)
    if point >= sums[first] - width:
        point += width
    return min(bisect(sums, point), len(servers) - 1)


class RandomTwo:
    """Near-best balance with no common state, so many workers do not all run to the same server."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._servers: Sequence[ServerState] = ()
        self._sums: list[float] = []

    def update(self, usable: Sequence[ServerState], members: Sequence[ServerState]) -> None:
        """Take the servers and their weights."""
        self._servers = usable
        self._sums = list(accumulate(server.share for server in usable))

    def choose(self, facts: RequestFacts) -> ServerState:
        """Return the less loaded of two servers drawn."""
        return self._best(self._servers, self._sums)

    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return the less loaded of two drawn from these."""
        return self._best(servers, list(accumulate(server.share for server in servers)))

    def _best(self, servers: Sequence[ServerState], sums: Sequence[float]) -> ServerState:
        first = _draw(servers, sums, self._rng)
        one = servers[first]
        if len(servers) == 1:
            return one
        two = servers[_second(servers, sums, first, self._rng)]
        if (two.active + two.elsewhere) * two.inverse < (one.active + one.elsewhere) * one.inverse:
            return two
        return one
