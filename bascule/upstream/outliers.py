"""Passive checks: eject a server that fails request after request (after Envoy's outlier detection)."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.config.pools import Outliers
from bascule.upstream.server import ServerState


def ejection_time(config: Outliers, server: ServerState, now: float) -> float:
    """Count a further ejection of the server and return its length in seconds.

    Each further one doubles the time; every `ejection` spent in good standing takes one step back.
    """
    if config.ejection > 0:
        forgiven = int(max(0.0, now - server.ejected_until) / config.ejection)
        server.ejections = max(0, server.ejections - forgiven)
    length = min(config.max_ejection, config.ejection * 2.0 ** min(server.ejections, 32))
    server.ejections += 1
    server.ejected_until = now + length
    server.failures = 0
    return length


def honour(candidates: Sequence[tuple[float, ServerState]], members: int, max_share: float) -> set[ServerState]:
    """Return which of the ejections (start, server) count: the latest, as many as the share allows.

    Who failed longer ago has more likely recovered, and is asked again in place of who fails now.
    """
    allowed = int(max_share * members + 1e-9)
    ordered = sorted(candidates, key=lambda item: (-item[0], item[1].name))
    return {server for _, server in ordered[:allowed]}
