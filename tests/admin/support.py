"""A running admin interface: the real application on real sockets, in a loop of its own thread."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from bascule.admin.api import Offers
from bascule.admin.app import AdminApp
from bascule.config.plan import Plan
from bascule.server.bus import BusServer
from bascule.server.context import KeeperContext
from bascule.state.arena import Arena
from bascule.upstream.board import Board
from bascule.upstream.keeper import UpstreamKeeper

STATUS: dict[str, Any] = {
    "version": "9.9.9",
    "pid": 4242,
    "run_dir": "/run/x",
    "uptime": 12.5,
    "state": "running",
    "generation": 3,
    "digest": "d",
    "listeners": ["http://127.0.0.1:8080"],
    "restarts": 2,
    "last_reload": None,
    "processes": [
        {"name": "worker 0", "generation": 3, "pid": 1, "state": "ready", "uptime": 12.0, "error": None},
        {"name": "keeper", "generation": 3, "pid": 2, "state": "ready", "uptime": 12.0, "error": None},
    ],
}


class FakeSupervisor:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = dict(STATUS)
        self.result: dict[str, Any] = {"ok": True, "error": None, "generation": 4}
        self.gone = False

    async def status(self) -> dict[str, Any]:
        if self.gone:
            raise ConnectionError("gone")
        return self.told

    async def reload(self) -> dict[str, Any]:
        if self.gone:
            raise ConnectionError("gone")
        return self.result


class Running:
    """The interface and what stands behind it."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.stats = Arena(16 << 20)
        self.arena = Arena(1 << 20)
        self.board = Board(self.arena, plan.pools, 1)
        self.supervisor = FakeSupervisor()
        self.kept: dict[str, Any] = {}
        self.bus = BusServer({}, self._keep)
        self.path = folder / "admin.sock"
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(str(self.path))
        self.unix.listen()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.tcp.getsockname()[1]
        self.loop = uvloop.new_event_loop()  # as in the keeper
        self.errors: list[Any] = []
        self.loop.set_exception_handler(lambda _loop, context: self.errors.append(context))
        self._thread = threading.Thread(target=self.loop.run_forever)

    def _keep(self, topic: str, payload: Any) -> None:
        if self.supervisor.gone:
            raise ConnectionError("the supervisor is gone")
        self.kept[topic] = payload

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    async def _make(self) -> None:
        ctx = KeeperContext(
            plan=self.plan,
            prepared=None,
            workers=1,
            generation=3,
            board=self.arena,
            stats=self.stats,
            bus=self.bus,
            supervisor=self.supervisor,  # type: ignore[arg-type]
            admin_sockets=[self.unix, self.tcp],
            run_dir="",
            loop=self.loop,
        )
        self.pools = UpstreamKeeper(self.plan, self.board, self.bus.publish, self.loop.time)
        await self.pools.start()
        self.app = AdminApp(ctx, Offers(self.pools))
        await self.app.start()

    def start(self) -> None:
        self._thread.start()
        self.call(self._make())

    def stop(self) -> None:
        self.call(self.app.stop())
        self.call(self.pools.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, tcp: bool = False
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if not tcp:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(30)
            connection.sock.connect(str(self.path))
        try:
            connection.request(method, path, headers={"connection": "close", **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, headers: dict[str, str] | None = None, tcp: bool = False) -> tuple[int, Any]:
        status, _, body = self.ask(method, path, headers, tcp)
        return status, json.loads(body)


@contextmanager
def running(plan: Plan, folder: Path) -> Iterator[Running]:
    found = Running(plan, folder)
    found.start()
    try:
        yield found
    finally:
        found.stop()
    assert found.errors == []
