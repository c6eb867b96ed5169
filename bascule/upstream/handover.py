"""What a new generation, of this program or the next, takes over from the one before: the standing of the servers.

Which are down, which are ejected, which came back not long ago, how much they can take, and which an operator drained.
Without it a server known to be down would get requests after every reload, until the checks find out anew, and one
taken out by hand after a reload that nobody asked for. Times are of the monotonic clock, the same for all processes.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from bascule.config.plan import PoolPlan
from bascule.upstream.adaptive import WORDS
from bascule.upstream.board import Board, PoolBoard
from bascule.upstream.server import server_key


def record(board: Board, pools: Sequence[PoolPlan]) -> dict[str, Any]:
    """Return the standing of every server by pool, JSON-able, for `restore`."""
    return {pool.name: _record(board.pools[pool.index], pool) for pool in pools}


def _record(board: PoolBoard, pool: PoolPlan) -> dict[str, Any]:
    if pool.config.discover:
        slots = {key: slot for slot, key in enumerate(board.keys) if key}
    else:
        slots = {server_key(server.address): slot for slot, server in enumerate(pool.config.servers)}
    return {
        "checked": pool.config.health is not None,
        "discovered": pool.config.discover is not None,
        "servers": [
            {
                "key": key,
                "slot": slot,
                "down": board.is_down(slot),
                "drain": board.is_drained(slot),
                "weight": board.weight(slot),
                "ejection": board.ejection(slot),
                "back": board.back[slot],
                "learned": board.learned(slot).tolist() if pool.config.adaptive else None,
            }
            for key, slot in slots.items()
        ],
    }


def restore(recorded: dict[str, Any], board: Board, pools: Sequence[PoolPlan]) -> None:
    """Take over the standing of each server that is in a pool of the same name again. Before the new workers start."""
    for pool in pools:
        if pool.name in recorded:
            _restore(recorded[pool.name], board.pools[pool.index], pool)


def _restore(recorded: dict[str, Any], board: PoolBoard, pool: PoolPlan) -> None:
    known = {found["key"]: found for found in recorded["servers"]}
    if pool.config.discover:  # the keeper and the workers find these members at the slots they had
        slots = {key: found["slot"] for key, found in known.items() if recorded["discovered"]}
        slots = {key: slot for key, slot in slots.items() if slot < board.slots}
        for key, slot in slots.items():
            board.keys[slot] = key
    else:
        slots = {server_key(server.address): slot for slot, server in enumerate(pool.config.servers)}
    for key, slot in slots.items():
        if key not in known:
            continue
        found = known[key]
        board.back[slot] = found["back"]
        learned = found.get("learned")  # `get`: a program from before there was such a thing does not tell
        if pool.config.adaptive and learned and len(learned) == WORDS:
            board.learned(slot)[:] = array("d", learned)
        down = bool(pool.config.health) and recorded["checked"] and found["down"]
        board.set_flags(slot, down=down, drain=found.get("drain", False), weight=found.get("weight"))
        since, until = found["ejection"]
        if until and pool.config.outliers.consecutive:
            board.eject(slot, 0, since, until)
