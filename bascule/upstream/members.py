"""Members of a pool, a server and its slot on the board, as keeper and workers pass them on; what they become there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bascule.config.pools import Pool, Server
from bascule.upstream.adaptive import AdaptiveLimit
from bascule.upstream.board import PoolBoard
from bascule.upstream.server import ServerState


@dataclass(frozen=True, slots=True)
class Member:
    """A server, its slot, and the host name it was found under (for `Host`, SNI and verification)."""

    server: Server
    slot: int
    host: str = ""


def static_members(pool: Pool) -> list[Member]:
    """Return the members that the configuration lists, each in the slot of its place."""
    if pool.discover:
        return []
    unique = {str(server.address): Member(server, slot) for slot, server in enumerate(pool.servers)}
    return list(unique.values())


def encode_members(members: Sequence[Member]) -> dict[str, Any]:
    """Return the payload of ``pool/<name>/members``."""
    return {
        "members": [
            {
                "slot": member.slot,
                "host": member.host,
                "server": member.server.model_dump(mode="json"),
            }
            for member in members
        ]
    }


def parse_members(payload: Any, slots: int) -> list[Member]:
    """Return the members of a payload made by `encode_members`. Raises ValueError for anything else."""
    try:
        members = [
            Member(Server.model_validate(item["server"]), int(item["slot"]), str(item["host"]))
            for item in payload["members"]
        ]
    except (KeyError, TypeError, ValidationError) as error:
        raise ValueError(f"not a list of members: {error}") from error
    taken = {member.slot for member in members}
    if len(taken) != len(members) or any(not 0 <= slot < slots for slot in taken):
        raise ValueError("members share a slot, or one lies outside the board")
    return members


class Roll:
    """Makes the servers of a pool out of its members: who stays keeps its state, who is new starts slowly."""

    __slots__ = ("_board", "_config", "_worker")

    def __init__(self, config: Pool, board: PoolBoard, worker: int) -> None:
        self._config = config
        self._board = board
        self._worker = worker

    def call(
        self, members: Sequence[Member], known: dict[str, ServerState], warm: bool, now: float
    ) -> list[ServerState]:
        """Return the servers of the members; who stays is taken out of `known`. If `warm`, none starts slowly."""
        servers = []
        for member in members:
            fresh = ServerState(self._config, member.server, member.slot, member.host)
            server = known.pop(fresh.name, None)
            if server is None:
                server = fresh
                server.warm_since = (self._board.back_since(member.slot, now) or -1e9) if warm else now
                server.cost_time = now
            else:
                self._adopt(server, fresh)
            self._limit(server, member.server.max_connections)
            servers.append(server)
        return servers

    def _adopt(self, server: ServerState, fresh: ServerState) -> None:
        """Take over what may change about a member that stays."""
        if server.slot != fresh.slot:
            self._board.clear(server.slot, self._worker)
            server.adaptive = None
        for name in ("slot", "weight", "backup", "locality", "limit", "drain", "server_name", "host_header"):
            setattr(server, name, getattr(fresh, name))

    def _limit(self, server: ServerState, most: int) -> None:
        """Let the limit of a server adapt, where the pool has it so."""
        if (config := self._config.adaptive) is not None:
            server.adaptive = server.adaptive or AdaptiveLimit(config, self._board.learned(server.slot))
            server.adaptive.most = most
            server.limit = server.adaptive.enforced
