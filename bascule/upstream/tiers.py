"""Which servers take part: primaries before backups, the own zone before others, all of them in a panic.

Panic and the spill-over between zones follow Envoy (docs: "Panic threshold", "Priority levels").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.config.pools import Pool
from bascule.upstream.breaker import Circuit
from bascule.upstream.server import ServerState

OVERPROVISIONING = 1.4
"""A zone keeps all its traffic until less than 1/1.4 = 71% of its servers are healthy (Envoy's default)."""
MIN_WARMTH = 0.1
"""Share of its weight that a server in slow start begins with (Envoy: min_weight_percent)."""


@dataclass(slots=True)
class Selection:
    """The servers to balance over, their `share` set."""

    servers: list[ServerState]
    reserve: list[ServerState]
    """Healthy ones beside them: other zones, and backups. For further tries; without the backups, for overflow."""
    panic: bool
    warming: bool
    """Some share grows with time: select again soon."""


def select(members: Sequence[ServerState], pool: Pool, now: float) -> Selection:
    """Choose the servers that take new requests."""
    taking = [server for server in members if server.current_weight > 0 and not server.draining]
    chosen = [server for server in taking if not server.backup]
    panic = False
    if not _enough(chosen, pool.outliers.panic):
        chosen = taking
        if pool.outliers.panic and not _enough(taking, pool.outliers.panic):
            # The circuit breaker is there to spare the server: panic respects it.
            chosen = [server for server in taking if server.breaker.state is not Circuit.OPEN]
            panic = bool(chosen)
    servers = chosen if panic else [server for server in chosen if server.alive]
    warming = _weigh(taking, pool.slow_start, now)
    if pool.locality and not panic:
        servers = _prefer_zone(servers, chosen, pool.locality)
    for server in taking:
        server.inverse = 1 / server.share
    reserve = [server for server in taking if server.alive and server not in servers]
    return Selection(servers, reserve, panic, warming)


def _enough(servers: Sequence[ServerState], panic: float) -> bool:
    alive = sum(server.alive for server in servers)
    return alive > 0 and alive >= panic * len(servers) - 1e-9


def _weigh(servers: Sequence[ServerState], slow_start: float, now: float) -> bool:
    """Set each share from weight and slow start. Return whether one is still warming up."""
    warming = False
    for server in servers:
        server.share = server.current_weight
        if now - server.warm_since < slow_start:
            warming = True
            server.share *= max(MIN_WARMTH, (now - server.warm_since) / slow_start)
    return warming


def _prefer_zone(healthy: list[ServerState], members: Sequence[ServerState], zone: str) -> list[ServerState]:
    """Keep to the own zone; when too few of it are healthy, the others take over the share that is missing."""
    local = [server for server in healthy if server.locality == zone]
    others = [server for server in healthy if server.locality != zone]
    if not local or not others:
        return healthy
    health = len(local) / sum(server.locality == zone for server in members)
    kept = min(1.0, health * OVERPROVISIONING)
    if kept == 1.0:
        return local
    local_sum = sum(server.share for server in local)
    factor = local_sum * (1 - kept) / kept / sum(server.share for server in others)
    for server in others:
        server.share *= factor
    return local + others
