"""Consistent hashing with bounded load (Karger 1997; Mirrokni, Thorup, Zadimoghaddam 2016).

All members stand on a ring, usable or not, so that a server that goes takes only its own keys away and gets the same
ones back. A key walks on from its place until a usable server has room: at most `bound` times the mean load.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain

from bascule.config.pools import Hash
from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts

POINTS = 128
"""Places on the ring for a weight of one: the shares then spread by about 1/sqrt(128) = 9%."""
_MAX_UNITS = 8
"""Largest weight in units; heavier ones scale all, by powers of two so that it seldom changes."""


def position(key: bytes) -> int:
    """Return the place of a key on the ring: the same on every machine."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


def points(server: ServerState, count: int) -> Iterator[int]:
    """Yield the places of a server; a larger `count` only adds some."""
    seed = server.name.encode()
    for block in range(math.ceil(count / 8)):
        digest = blake2b(seed, digest_size=64, salt=block.to_bytes(4, "little")).digest()
        for start in range(0, 8 * min(8, count - 8 * block), 8):
            yield int.from_bytes(digest[start : start + 8], "little")


class ConsistentHash:
    """The same key to the same server, whatever happens to the others."""

    def __init__(self, config: Hash) -> None:
        self._kind = config.key
        self._name = config.name.encode()
        if self._kind == "header":
            self._name = self._name.lower()
        self._bound = config.bound
        self._usable: Sequence[ServerState] = ()
        self._built_for: list[tuple[str, float]] = []
        self._places: list[int] = []
        self._owners: list[ServerState] = []
        self._total_share = 1.0

    def update(self, usable: Sequence[ServerState], members: Sequence[ServerState]) -> None:
        """Take the usable servers; build the ring anew only when members or weights change."""
        self._usable = usable
        self._total_share = sum(server.share for server in usable) or 1.0
        shape = [(server.name, server.current_weight) for server in members]
        if shape != self._built_for or (members and self._owners and self._owners[0] not in members):
            self._built_for = shape
            self._build(members)

    def choose(self, facts: RequestFacts) -> ServerState:
        """Return the server of the request's key."""
        return self.among(self._usable, facts)

    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return the first of these servers on the way from the key's place that has room."""
        in_progress = sum(server.active + server.elsewhere for server in self._usable)
        limit = self._bound * (in_progress + 1) / self._total_share
        start = bisect(self._places, position(self._key(facts)))
        seen: set[ServerState] = set()
        first: ServerState | None = None
        for server in chain(self._owners[start:], self._owners[:start]):
            if server in seen or server not in servers:
                continue
            if server.active + server.elsewhere < math.ceil(limit * server.share):
                return server
            first = first or server
            seen.add(server)
            if len(seen) == len(servers):
                break
        # Only a part of the servers was asked for, or weight 0 keeps one off the ring: then the bound yields.
        return first or servers[0]

    def _key(self, facts: RequestFacts) -> bytes:
        """Return the request's key; without the header or cookie it is the client's address."""
        match self._kind:
            case "uri":
                return facts.target
            case "header":
                return facts.header(self._name) or facts.client
            case "cookie":
                return facts.cookie(self._name) or facts.client
            case _:
                return facts.client

    def _build(self, members: Sequence[ServerState]) -> None:
        heaviest = max((server.current_weight for server in members), default=1.0)
        unit = 2.0 ** max(0, math.ceil(math.log2(max(heaviest, 1) / _MAX_UNITS)))
        ring: list[tuple[int, int]] = []
        for index, server in enumerate(members):
            count = round(POINTS * server.current_weight / unit)
            if server.current_weight > 0:
                ring.extend((place, index) for place in points(server, max(1, count)))
        ring.sort(key=lambda item: (item[0], members[item[1]].name))
        self._places = [place for place, _ in ring]
        self._owners = [members[index] for _, index in ring]
