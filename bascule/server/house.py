"""The house: what every generation of processes uses and none owns."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bascule import __version__
from bascule.server.context import MAX_SLOTS, AppFactory, KeeperFactory
from bascule.server.crashes import CrashLoop
from bascule.server.durable import Durable
from bascule.server.fleet import Fleet
from bascule.server.poller import Poller
from bascule.server.sockets import Sockets
from bascule.state.arena import Arena

Answer = Callable[[dict[str, Any]], None]


def unheard(_answer: dict[str, Any]) -> None:
    """Nobody waits for the answer to a signal; the log has it."""


@dataclass
class House:
    """Made once by the supervisor."""

    poller: Poller
    fleet: Fleet
    sockets: Sockets
    stats: Arena
    worker_factory: AppFactory
    keeper_factory: KeeperFactory
    on_call: Callable[[str, Answer], None]
    """Handles a call of the keeper."""
    on_swollen: Callable[[int, str, int], None]
    """Hears the number of a generation, and which worker of it keeps how many bytes of a crowd that has gone."""
    close_private: Callable[[], None]
    """In a child: closes what only the supervisor may hold."""
    crash_loop: CrashLoop
    durable: Durable
    slots: set[int] = field(default_factory=set)
    run_dir: str = ""
    restarts: int = 0

    def take_slot(self) -> int:
        """Return the lowest free slot. Raises RuntimeError when there is none."""
        slot = next((slot for slot in range(MAX_SLOTS) if slot not in self.slots), None)
        if slot is None:
            raise RuntimeError(f"{MAX_SLOTS} workers live already; wait until old ones have drained")
        self.slots.add(slot)
        return slot

    def describe(self) -> dict[str, Any]:
        """Return what there is to know of it, JSON-able."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "run_dir": self.run_dir,
            "restarts": self.restarts,
            "durable": sorted(self.durable.copy()),
        }
