"""The standing of each server: what checks, ejections, operators and the circuit breaker say of it now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.config.pools import Outliers
from bascule.upstream import outliers
from bascule.upstream.board import PoolBoard
from bascule.upstream.breaker import Circuit
from bascule.upstream.server import ServerState


def judge(servers: Sequence[ServerState], board: PoolBoard, worker: int, config: Outliers, now: float) -> float:
    """Set the standing of every server from the board. Return when time alone will change one (or infinity)."""
    change = float("inf")
    ejections: list[tuple[float, ServerState]] = []
    for server in servers:
        _read(server, board, worker, now)
        server.breaker.poll(server.answered, now)
        since, until = board.ejection(server.slot)
        if until > now:
            ejections.append((since, server))
            change = min(change, until)
        elif server.ejected:
            server.failures = config.consecutive - 1  # from now on a single failure ejects again
        change = min(change, server.breaker.deadline)
    ejected = outliers.honour(ejections, len(servers), config.max_share)
    for server in servers:
        if server.ejected and server not in ejected:
            server.warm_since = now
        server.ejected = server in ejected
        server.alive = server.up and not server.ejected and server.breaker.state is not Circuit.OPEN
    return change


def _read(server: ServerState, board: PoolBoard, worker: int, now: float) -> None:
    """Take over the keeper's flags; a server that the checks find up again is no longer ejected."""
    up = not board.is_down(server.slot)
    if up and not server.up:
        server.warm_since = now
        server.ejected_until = min(server.ejected_until, now)
        if board.ejection(server.slot)[1] > now:
            board.eject(server.slot, worker, 0.0, 0.0)
    server.up = up
    server.draining = server.drain or board.is_drained(server.slot)
    weight = board.weight(server.slot)
    server.current_weight = server.weight if weight is None else weight


def label(server: ServerState) -> str:
    """Return the standing in a word, for operators."""
    if not server.up:
        return "down"
    if server.ejected:
        return "ejected"
    if server.breaker.state is not Circuit.CLOSED:
        return str(server.breaker.state.value)
    return "drain" if server.draining or not server.current_weight else "up"


def snapshot(server: ServerState) -> dict[str, Any]:
    """Return the state of a server, for status pages."""
    return {
        "server": server.name,
        "state": label(server),
        "weight": server.current_weight,
        "backup": server.backup,
        "active": server.active,
        "elsewhere": server.elsewhere,
        "limit": server.limit,
        "idle": len(server.idle),
        "picks": server.picks,
        "failures": server.failures,
    }
