"""Members of a pool as keeper and workers pass them on: a server and its slot on the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bascule.config.pools import Pool, Server


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
