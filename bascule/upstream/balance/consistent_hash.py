"""Consistent hashing with bounded load (Karger 1997; Mirrokni, Thorup, Zadimoghaddam 2016).

All members stand on a ring, usable or not, so that a server that goes takes only its own keys away and gets the same
ones back. A key walks on from its place until a usable server has room: at most `bound` times the mean load.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from bascule.config.pools import Hash
from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts

POINTS = 128
"""Places on the ring for a weight of one: the shares then spread by about 1/sqrt(128) = 9%."""
_MAX_UNITS = 8
"""Largest weight in units; heavier ones scale all, by powers of two so that it seldom changes."""
_ROUNDING = 1e-9
"""Shares that floating point puts this little above a whole number are that number."""


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
        self._wanted: set[ServerState] = set()
        self._built_for: list[tuple[str, float]] = []
        self._places: list[int] = []
        self._owners: list[ServerState] = []
        self._total_share = 1.0

    def update(self, usable: Sequence[ServerState], members: Sequence[ServerState]) -> None:
        """Take the usable servers; build the ring anew only when members or weights change."""
        self._usable = usable
        self._wanted = set(usable)
        self._total_share = sum(server.share for server in usable) or 1.0
        shape = [(server.name, server.current_weight) for server in members]
        if shape != self._built_for:
            self._built_for = shape
            self._build(members)

    def choose(self, facts: RequestFacts) -> ServerState:
        """Return the server of the request's key."""
        return self._walk(self._wanted, facts) or self._usable[0]

    def among(self, servers: Sequence[ServerState], facts: RequestFacts) -> ServerState:
        """Return the first of these servers on the way from the key's place that has room."""
        return self._walk(set(servers), facts) or servers[0]

    def _walk(self, wanted: set[ServerState], facts: RequestFacts) -> ServerState | None:
        owners = self._owners
        start = bisect(self._places, position(self._key(facts)))
        first: ServerState | None = None
        full: set[ServerState] = set()
        for step in range(start, start + len(owners)):
            server = owners[step % len(owners)]
            if server not in wanted or server in full:
                continue
            if self._has_room(server):
                return server
            first = first or server
            full.add(server)
            if len(full) == len(wanted):
                break
        return first  # where only some of the servers were asked for, the bound yields

    def _has_room(self, server: ServerState) -> bool:
        load = server.active + server.elsewhere
        if not load:
            return True
        total = 1 + sum(server.active + server.elsewhere for server in self._usable)
        return load < math.ceil(self._bound * total * server.share / self._total_share - _ROUNDING)

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
