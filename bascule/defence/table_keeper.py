"""The keeper's part of the tables in shared memory: pages that a crowd of clients has left go back to the kernel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from bascule.defence.shared import Shared
from bascule.telemetry.sinks import complain

INTERVAL: Final = 10.0
"""Seconds between two looks at the tables."""
_LATE: Final = 10.0
"""Seconds that a debt must be over: the clock of a worker is that of its last tick."""


class TableKeeper:
    """Looks at one table after the other: at a full one of 131,072 keys for 3 ms."""

    def __init__(self, shared: Shared, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            for table in self._shared.tables():
                try:
                    table.give_back(self._clock() - _LATE)
                except OSError as error:
                    complain(f"memory of tables cannot be given back: {error.strerror}")
                    return
                await asyncio.sleep(0)
