"""The keeper process: one per generation, beside the workers. Health checks, discovery, admin API run in it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any

from bascule.server.bus import BusServer
from bascule.server.context import KeeperApp, KeeperContext, KeeperFactory, SupervisorCalls
from bascule.server.lifeline import Lifeline
from bascule.server.worker import describe, settle_gc

STOP_WITHIN = 5.0
"""Seconds the keeper's application has to finish."""


class Keeper:
    """Runs the injected application until the supervisor says stop, or is gone.

    Of all keepers one leads, at once (`leads`) or when the supervisor says so: at a reload or an upgrade, when the one
    before has ended. So everything that an operator is told to be done is done once, and the next keeper knows of it.
    """

    def __init__(self, leads: bool) -> None:
        self._leads = leads
        self._said = asyncio.Event()
        """The supervisor said that it is to lead or to stop."""
        self._stop = asyncio.Event()
        self._bus: BusServer | None = None
        self._own: dict[str, Any] = {}
        """Durable values found out before it leads; until then those of the keeper before count."""
        self.lifeline = Lifeline(self._command, self._ended)
        self.supervisor = SupervisorCalls(self.lifeline)

    def keep(self, topic: str, payload: Any) -> None:
        """Have the supervisor hold a durable value of the bus for the keepers to come.

        Raises ConnectionError when the supervisor is gone: what an operator is told to be done outlives this keeper.
        """
        if self._leads:
            self.lifeline.entrust({"event": "keep", "topic": topic, "payload": payload})
        else:
            self._own[topic] = payload

    def run(self, sock: socket.socket, bus: socket.socket, context: KeeperContext, factory: KeeperFactory) -> int:
        """Run until told to stop; `sock` is the line to the supervisor. Return the exit status."""
        return context.loop.run_until_complete(self._run(sock, bus, context, factory))

    async def _run(
        self, sock: socket.socket, bus: socket.socket, context: KeeperContext, factory: KeeperFactory
    ) -> int:
        self._bus = context.bus
        await self.lifeline.open(sock, context.loop)
        context.loop.add_signal_handler(signal.SIGTERM, self._ended)
        context.loop.add_signal_handler(signal.SIGQUIT, os._exit, 1)
        try:
            app = factory(context)
            await app.start()
            if self._leads:
                await app.lead()
            await context.bus.start(bus, context.loop)  # workers wait for it, and begin with all that is known by now
            settle_gc()
            self.lifeline.send({"event": "ready"})
            if not self._leads:
                await self._said.wait()
                await self._take_the_lead(app)
        except Exception as error:
            self.lifeline.send({"event": "failed", "error": describe(error)})
            await self.lifeline.finish()
            return 1
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

    async def _take_the_lead(self, app: KeeperApp) -> None:
        if self._stop.is_set():
            return
        self._leads = True
        for topic, payload in self._own.items():
            self.keep(topic, payload)
        self._own.clear()
        await app.lead()

    def _command(self, message: dict[str, Any]) -> None:
        if message["do"] == "stop":
            self._ended()
        elif message["do"] == "lead":
            self._said.set()
        elif message["do"] == "retain" and message["topic"] not in self._own and self._bus is not None:
            self._bus.publish(message["topic"], message["payload"])

    def _ended(self) -> None:
        self._stop.set()
        self._said.set()
