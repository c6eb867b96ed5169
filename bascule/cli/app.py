"""The program put together: what is prepared before the fork, what runs in a worker, what runs in the keeper.

The server room knows processes, the proxy room knows HTTP; here they meet.
"""

from __future__ import annotations

import grp
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bascule.admin.app import AdminApp
from bascule.config.plan import Plan
from bascule.proxy.app import ProxyApp
from bascule.server.context import KeeperContext, WorkerContext
from bascule.server.supervisor import Supervisor
from bascule.telemetry.accesslog import open_early
from bascule.telemetry.recorder import Recorder
from bascule.telemetry.sinks import Sink
from bascule.tls.server import ServerContexts
from bascule.upstream.board import Board
from bascule.upstream.keeper import UpstreamKeeper
from bascule.upstream.pool import PoolState


@dataclass
class Prepared:
    """What is built once per generation, in the supervisor, and inherited by its workers."""

    contexts: ServerContexts
    sink: Sink | None


@dataclass
class _Memory:
    """The last generation's contexts: TLS sessions survive a reload through them."""

    contexts: ServerContexts | None = field(default=None)


def run(load: Callable[[], Plan]) -> int:
    """Run Bascule on the plan that `load` returns, now and at every reload. Return the exit status."""
    memory = _Memory()

    def prepare(plan: Plan) -> Prepared:
        memory.contexts = ServerContexts.build(plan, memory.contexts)
        return Prepared(memory.contexts, open_early(plan.config.access_log, _owner(plan)))

    return Supervisor(load, prepare, worker, Keeper).run()


def _owner(plan: Plan) -> tuple[int, int] | None:
    """Return the account that workers run under, when it is another one."""
    config = plan.config
    if not config.user:
        return None
    account = pwd.getpwnam(config.user)
    return account.pw_uid, grp.getgrnam(config.group).gr_gid if config.group else account.pw_gid


def worker(context: WorkerContext) -> ProxyApp:
    """Return the application of a worker."""
    prepared: Prepared = context.prepared
    plan = context.plan
    recorder = Recorder(
        plan,
        context.stats,
        context.stats_slot,
        sink=prepared.sink,
        worker=context.index,
        generation=context.generation,
    )
    board = Board(context.board, plan.pools, context.workers)
    app = ProxyApp(plan, board, recorder, prepared.contexts, context.sockets, context.index, context.loop)
    for pool in app.pools:
        context.bus.subscribe(f"pool/{pool.plan.name}/members", _members_of(pool))
    context.bus.subscribe("maintenance", app.set_maintenance)
    return app


def _members_of(pool: PoolState) -> Callable[[str, Any], None]:
    return lambda topic, found: pool.update_members(found)


class Keeper:
    """The keeper's application: health checks, discovery, and the operators' interface."""

    def __init__(self, context: KeeperContext) -> None:
        board = Board(context.board, context.plan.pools, context.workers)
        self._upstream = UpstreamKeeper(
            context.plan,
            board,
            partial(context.bus.publish, durable=True),
            time.monotonic,
            retained=context.bus.retained,
        )
        self._admin = AdminApp(context, self._upstream)

    async def start(self) -> None:
        """Begin."""
        await self._upstream.start()
        await self._admin.start()

    async def stop(self) -> None:
        """End."""
        await self._admin.stop()
        await self._upstream.stop()
