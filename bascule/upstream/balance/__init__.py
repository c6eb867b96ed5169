"""Balancing policies, one a file; `least.py` has what two share. `make_balancer` chooses by the pool's configuration.

A policy keeps no list of its own making: the pool tells it the usable servers (`update`), it answers whose turn it
is (`choose`), or whose turn it is among some of them (`among`), when the first choice was tried, full or on trial.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from bascule.config.pools import Pool
from bascule.upstream.balance.consistent_hash import ConsistentHash
from bascule.upstream.balance.least_connections import LeastConnections
from bascule.upstream.balance.least_time import LeastTime
from bascule.upstream.balance.random_two import RandomTwo
from bascule.upstream.balance.round_robin import RoundRobin
from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts


class Balancer(Protocol):
    """What a policy does."""

    def update(self, usable: Sequence[ServerState], members: Sequence[ServerState]) -> None:
        """Take note of the usable servers (their `share` set) and of all members of the pool."""

    def choose(self, facts: RequestFacts) -> ServerState:
        """Return the server whose turn it is; there is at least one."""
        ...

    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return the best of these servers; there is at least one."""
        ...


def make_balancer(pool: Pool, rng: random.Random) -> Balancer:
    """Return the policy that the pool asks for."""
    match pool.balance:
        case "round-robin":
            return RoundRobin(rng)
        case "least-connections":
            return LeastConnections()
        case "least-time":
            return LeastTime()
        case "random-two":
            return RandomTwo(rng)
        case "hash":
            return ConsistentHash(pool.hash)
