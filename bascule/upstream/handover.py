"""What a new generation takes over from the one before: which servers are down, and which are ejected.

Without it a server known to be down would get requests after every reload, until the checks find out anew. An
operator's overrides end with the reload.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.config.plan import PoolPlan
from bascule.upstream.board import Board, PoolBoard
from bascule.upstream.server import server_key


def hand_over(old: Board, old_pools: Sequence[PoolPlan], new: Board, new_pools: Sequence[PoolPlan]) -> None:
    """Copy the standing of each server that is in a pool of the same name again. Before the new workers start."""
    known = {pool.name: old.pools[pool.index] for pool in old_pools}
    before = {pool.name: pool for pool in old_pools}
    for pool in new_pools:
        if pool.name in known:
            _hand_over(known[pool.name], before[pool.name], new.pools[pool.index], pool)


def _hand_over(old: PoolBoard, before: PoolPlan, new: PoolBoard, pool: PoolPlan) -> None:
    slots = _slots(old, before)
    if pool.config.discover:  # the keeper and the workers find these members at the slots they had
        wanted = {key: slot for key, slot in slots.items() if before.config.discover and slot < new.slots}
        for key, slot in wanted.items():
            new.keys[slot] = key
    else:
        wanted = {server_key(server.address): slot for slot, server in enumerate(pool.config.servers)}
    for key, slot in wanted.items():
        if key not in slots:
            continue
        if pool.config.health and before.config.health:
            new.set_flags(slot, down=old.is_down(slots[key]), drain=False)
        since, until = old.ejection(slots[key])
        if until and pool.config.outliers.consecutive:
            new.eject(slot, 0, since, until)


def _slots(board: PoolBoard, pool: PoolPlan) -> dict[int, int]:
    """Return the slots of a pool's servers by their keys."""
    if pool.config.discover:
        return {key: slot for slot, key in enumerate(board.keys) if key}
    return {server_key(server.address): slot for slot, server in enumerate(pool.config.servers)}
