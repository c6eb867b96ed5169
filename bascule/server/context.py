"""What the server room hands to the applications it runs, and what it asks of them. It knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bascule.config.plan import Plan
from bascule.config.schema import Listener
from bascule.server.bus import BusClient, BusServer
from bascule.server.lifeline import Lifeline
from bascule.state.arena import Arena

MAX_SLOTS = 512
"""Workers of all generations that may live at a time: 256 (the most a config may ask for) and their successors."""


@dataclass
class WorkerContext:
    """What a worker gets. `prepared` is what the injected `prepare(plan)` returned before the fork."""

    plan: Plan
    prepared: Any
    index: int
    """0 .. workers-1."""
    workers: int
    generation: int
    sockets: list[tuple[Listener, socket.socket]]
    """Listening, non-blocking, shared with every other worker: close them freely, but never shut them down."""
    board: Arena
    stats: Arena
    stats_slot: int
    """Unique among the living workers of all generations; below `MAX_SLOTS`."""
    bus: BusClient
    loop: asyncio.AbstractEventLoop
    swollen: Callable[[int], None] = lambda _kept: None
    """Tells the supervisor that this worker is calm, and keeps so many bytes of a crowd that has gone."""


@dataclass
class KeeperContext:
    """What the keeper gets."""

    plan: Plan
    prepared: Any
    workers: int
    generation: int
    board: Arena
    stats: Arena
    bus: BusServer
    supervisor: SupervisorCalls
    admin_sockets: list[socket.socket]
    """Listening: the UNIX socket ``admin.sock`` in `run_dir`, and the `admin.listen` address if there is one."""
    run_dir: str
    loop: asyncio.AbstractEventLoop


class SupervisorCalls:
    """The supervisor as the keeper (and through it the admin API) sees it.

    Every call raises ConnectionError when the supervisor is gone.
    """

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline

    async def status(self) -> dict[str, Any]:
        """Return what `bascule status` prints."""
        return await self._lifeline.call("status")

    async def reload(self) -> dict[str, Any]:
        """Load the configuration anew; return ``{"ok": bool, "error": str | None, "generation": int}``.

        The answer comes once the new generation runs (or did not); this keeper is asked to stop right after it.
        """
        return await self._lifeline.call("reload")

    async def upgrade(self) -> dict[str, Any]:
        """Replace the running program; return ``{"ok": bool, "error": str | None, "pid": int}``."""
        return await self._lifeline.call("upgrade")


class WorkerApp(Protocol):
    """What runs in a worker."""

    async def start(self) -> None:
        """Begin to accept. Raising fails the start, and with it the reload that wanted it."""

    def stop_accepting(self) -> None:
        """Take what waits in the accept queue, then accept no more."""

    async def drain(self, deadline: float) -> None:
        """Return when the last exchange has ended, or at `deadline` (in `loop.time()`)."""

    def reopen_logs(self) -> None:
        """Open the log files anew: they were rotated."""

    def close(self) -> None:
        """Let go of everything at once; the process ends after this."""


class KeeperApp(Protocol):
    """What runs in the keeper."""

    async def start(self) -> None:
        """Begin what the workers of this generation need. Raising fails the start, and with it the reload."""

    async def lead(self) -> None:
        """The keeper before has ended, if there was one: take over what only one may do, files and operators."""

    async def stop(self) -> None:
        """Finish what is in progress, within a few seconds."""


AppFactory = Callable[[WorkerContext], WorkerApp]
KeeperFactory = Callable[[KeeperContext], KeeperApp]
