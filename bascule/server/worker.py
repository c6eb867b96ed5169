"""A worker process: runs the injected application until the supervisor says stop, or is gone."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from typing import Any

from bascule.config.errors import ConfigError
from bascule.server.context import MAX_SLOTS, AppFactory, WorkerApp, WorkerContext
from bascule.server.lifeline import Lifeline
from bascule.state.arena import Arena

GC_THRESHOLD = 10_000
"""Net new container objects before a young collection: a few MiB of garbage at most."""
HEARTBEAT = 1.0
"""Seconds between two signs of life in the shared memory."""
IN_STEP_WITHIN = 2.0
"""Seconds a worker waits for what the keeper has to tell before it accepts: bans, switches, members of pools. A keeper
that is away may not keep it from its clients."""


def heartbeats(stats: Arena) -> memoryview:
    """Return the segment in which each worker's slot counts its seconds of life."""
    return stats.u64("server/heartbeats", MAX_SLOTS)


def settle_gc() -> None:
    """Spare what lives as long as the process from being walked by every later collection, and collect more rarely.

    Reference counting frees almost everything a request makes. Measured over 130,000 requests: with the default
    threshold of 700 the collector took 1.3% of the CPU time, with this one it was never called.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 10, 10)


def run_worker(sock: socket.socket, context: WorkerContext, factory: AppFactory) -> int:
    """Run until told to stop; `sock` is the line to the supervisor. Return the exit status."""
    return context.loop.run_until_complete(_Worker(context).run(sock, factory))


class _Worker:
    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._loop = context.loop
        self._app: WorkerApp | None = None
        self._stop = asyncio.Event()
        self._deadline = float("inf")
        self._drain: asyncio.Timeout | None = None
        self._beats = heartbeats(context.stats)

    async def run(self, sock: socket.socket, factory: AppFactory) -> int:
        lifeline = Lifeline(self._command, self._stop_gracefully)
        await lifeline.open(sock, self._loop)
        self._loop.add_signal_handler(signal.SIGTERM, self._stop_gracefully)
        self._loop.add_signal_handler(signal.SIGQUIT, os._exit, 1)
        self._context.bus.start()
        await self._context.bus.in_step(IN_STEP_WITHIN)
        self._context.swollen = lambda kept: lifeline.send({"event": "swollen", "kept": kept})
        try:
            self._app = factory(self._context)
            await self._app.start()
        except Exception as error:
            lifeline.send({"event": "failed", "error": describe(error)})
            await lifeline.finish()
            return 1
        settle_gc()
        lifeline.send({"event": "ready"})
        self._beat()
        await self._stop.wait()
        await self._wind_down(self._app, lifeline)
        return 0

    async def _wind_down(self, app: WorkerApp, lifeline: Lifeline) -> None:
        app.stop_accepting()
        for _listener, sock in self._context.sockets:
            sock.close()
        lifeline.send({"event": "draining"})
        # What the loop has accepted in this very turn reaches the application only in the next one.
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout_at(self._deadline) as self._drain:
                await app.drain(self._deadline)
        except TimeoutError:
            pass  # the deadline came forward while it drained
        finally:
            app.close()
            self._context.bus.close()
            await lifeline.finish()

    def _command(self, message: dict[str, Any]) -> None:
        if message["do"] == "stop":
            self._stop_within(message["within"])
        elif message["do"] == "reopen" and self._app is not None:
            self._app.reopen_logs()

    def _stop_gracefully(self) -> None:
        self._stop_within(self._context.plan.config.stop_timeout)

    def _stop_within(self, seconds: float) -> None:
        self._deadline = min(self._deadline, self._loop.time() + seconds)
        if self._drain is not None and not self._drain.expired():
            self._drain.reschedule(self._deadline)
        self._stop.set()

    def _beat(self) -> None:
        self._beats[self._context.stats_slot] += 1
        self._loop.call_later(HEARTBEAT, self._beat)


def describe(error: BaseException) -> str:
    """Return an exception as an operator should read it: its text, with its type unless that says nothing new."""
    text = str(error).strip()
    if isinstance(error, ValueError | OSError | ConfigError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
