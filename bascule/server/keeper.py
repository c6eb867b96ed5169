"""The keeper process: one per generation, beside the workers. Health checks, discovery, admin API run in it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any

from bascule.server.context import KeeperContext, KeeperFactory, SupervisorCalls
from bascule.server.lifeline import Lifeline
from bascule.server.worker import describe, settle_gc

STOP_WITHIN = 5.0
"""Seconds the keeper's application has to finish."""


class Keeper:
    """Runs the injected application until the supervisor says stop, or is gone."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self.lifeline = Lifeline(self._command, self._stop.set)
        self.supervisor = SupervisorCalls(self.lifeline)

    def keep(self, topic: str, payload: Any) -> None:
        """Have the supervisor hold a durable value of the bus for the keepers to come."""
        self.lifeline.send({"event": "keep", "topic": topic, "payload": payload})

    def run(self, sock: socket.socket, bus: socket.socket, context: KeeperContext, factory: KeeperFactory) -> int:
        """Run until told to stop; `sock` is the line to the supervisor. Return the exit status."""
        return context.loop.run_until_complete(self._run(sock, bus, context, factory))

    async def _run(
        self, sock: socket.socket, bus: socket.socket, context: KeeperContext, factory: KeeperFactory
    ) -> int:
        await self.lifeline.open(sock, context.loop)
        context.loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        context.loop.add_signal_handler(signal.SIGQUIT, os._exit, 1)
        try:
            await context.bus.start(bus, context.loop)
            app = factory(context)
            await app.start()
        except Exception as error:
            self.lifeline.send({"event": "failed", "error": describe(error)})
            await self.lifeline.finish()
            return 1
        settle_gc()
        self.lifeline.send({"event": "ready"})
        await self._stop.wait()
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await app.stop()
        except TimeoutError:
            pass
        finally:
            context.bus.close()
            await self.lifeline.finish()
        return 0

    def _command(self, message: dict[str, Any]) -> None:
        if message["do"] == "stop":
            self._stop.set()
