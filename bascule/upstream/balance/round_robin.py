"""Smooth weighted round robin (I. Nikitin and M. Dounin for nginx, 2012): exact shares, no bursts.

At each turn every server gains its weight and the richest one serves and pays the sum of all. The turns repeat
after sum(weights)/gcd; they are computed as they come and replayed from then on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts

_RESOLUTION = 1000
"""Steps of the largest weight, where slow start or locality make weights fractional."""


def whole_weights(shares: Sequence[float]) -> list[int]:
    """Return the smallest whole numbers in the proportion of `shares`, to a thousandth of the largest."""
    if not all(float(share).is_integer() for share in shares):
        scale = _RESOLUTION / max(shares)
        shares = [max(1, round(share * scale)) for share in shares]
    weights = [int(share) for share in shares]
    divisor = math.gcd(*weights)
    return [weight // divisor for weight in weights]


def one_round(servers: Sequence[ServerState], weights: Sequence[int]) -> Iterator[ServerState]:
    """Yield the turns of one whole round; each server comes exactly `weight` times."""
    total = sum(weights)
    credit = [0] * len(servers)
    for _ in range(total):
        best = 0
        for index, weight in enumerate(weights):
            credit[index] += weight
            if credit[index] > credit[best]:
                best = index
        credit[best] -= total
        yield servers[best]


class RoundRobin:
    """Turns in proportion to the weights."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._turns: Iterator[ServerState] = iter(())

    def update(self, usable: Sequence[ServerState], members: Sequence[ServerState]) -> None:
        """Begin a new round at a random place, so that not all workers begin with the same server."""
        if not usable:
            self._turns = iter(())
            return
        weights = whole_weights([server.share for server in usable])
        turns = cycle(one_round(usable, weights))
        for _ in islice(turns, self._rng.randrange(len(usable))):
            pass
        self._turns = turns

    def choose(self, facts: RequestFacts) -> ServerState:
        """Return the server whose turn it is."""
        return next(self._turns)

    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return one of the servers by weight: over many such picks the shares are those of the turns."""
        return self._rng.choices(servers, [server.share for server in servers])[0]
