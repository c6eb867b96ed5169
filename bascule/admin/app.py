"""The admin interface as it runs in the keeper: Starlette on uvicorn, on the keeper's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from bascule.admin.api import Api, Offers
from bascule.admin.guard import Guard, SecurityHeaders
from bascule.admin.history import INTERVAL, History
from bascule.server.context import KeeperContext

MAX_CONNECTIONS: Final = 64
"""Connections answered at a time per listener; more get 503."""
_GRACE: Final = 2
"""Seconds that answers in progress have at a stop."""
_QUIET: Final = 0.1
"""Seconds in which who has just connected may still ask, at a stop."""


class AdminApp:
    """Serves the admin API on the keeper's admin sockets: the UNIX ones openly, the TCP ones guarded."""

    def __init__(self, ctx: KeeperContext, offers: Offers) -> None:
        self._history = History()
        self._api = Api(ctx.plan, ctx.supervisor, ctx.bus, ctx.stats, self._history, offers)
        api = self._api.app()
        unix = [sock for sock in ctx.admin_sockets if sock.family == socket.AF_UNIX]
        tcp = [sock for sock in ctx.admin_sockets if sock.family != socket.AF_UNIX]
        self._servers: list[tuple[_Server, list[socket.socket]]] = []
        for sockets, app in ((unix, api), (tcp, Guard(api, ctx.plan.config.admin.token))):
            if sockets:
                self._servers.append((_Server(SecurityHeaders(app)), sockets))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to answer. Raises OSError or RuntimeError if that cannot be."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._sample()))
        for server, sockets in self._servers:
            task = loop.create_task(server.serve(sockets))
            self._tasks.append(task)
            while not server.started:
                if task.done():
                    raise RuntimeError("the admin listener did not start") from task.exception()
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Finish the answers in progress, within two seconds or so."""
        if not self._tasks:
            return
        self._tasks[0].cancel()
        for server, _ in self._servers:
            server.cease()
        await asyncio.sleep(_QUIET)
        for server, _ in self._servers:
            server.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _sample(self) -> None:
        while True:
            self._history.add(self._api.totals())
            await asyncio.sleep(INTERVAL)


class _Server(uvicorn.Server):
    """uvicorn that leaves signals and logging to the process it runs in."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._over = asyncio.Event()

    async def main_loop(self) -> None:
        """As uvicorn's own, which looks ten times a second whether it is to end."""
        while not await self.on_tick(0):  # the date of its answers
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), INTERVAL)

    def end(self) -> None:
        """Finish what is in progress, and end."""
        self.should_exit = True
        self._over.set()

    def cease(self) -> None:
        """Accept no more."""
        for listening in self.servers:
            listening.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
