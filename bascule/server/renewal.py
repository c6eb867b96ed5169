"""Renewal: where a worker keeps memory of a crowd that has gone, new processes take over, as in a reload.

An allocator keeps what is not free to the last object; only a process that is new begins small.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from bascule.config.plan import Plan
from bascule.server import log
from bascule.server.generation import Generation
from bascule.server.lineage import Lineage
from bascule.server.reload import Reloader

Launch = Callable[[Plan, Any, Callable[[Generation], None], Callable[[str], None]], Generation]


class Renewal:
    """One at a time, none beside a reload, and none while a generation before is not gone.

    `launch(plan, prepared, on_ready, on_failed)` starts a generation; `on_end(generation, error)` as with a reload.
    """

    def __init__(
        self, lineage: Lineage, reloader: Reloader, launch: Launch, on_end: Callable[[Generation | None, str], None]
    ) -> None:
        self._lineage = lineage
        self._reloader = reloader
        self._launch = launch
        self._on_end = on_end
        self.count = 0

    def begin(self, number: int, worker: str, kept: int) -> None:
        """A worker of generation `number` keeps so many bytes; what cannot be done now, it says again in a minute."""
        current = self._lineage.current
        if current is None or current.resources.number != number or self._lineage.draining:
            return
        launch = functools.partial(self._launch, current.resources.plan, current.resources.prepared)
        if self._reloader.renew(launch, self._ended):
            log.say(f"{worker} keeps {kept / (1 << 20):.1f} MiB of a crowd that has gone; new processes take over")

    def _ended(self, generation: Generation | None, error: str) -> None:
        if generation is not None:
            self.count += 1
            log.say(f"renewed: generation {generation.resources.number} serves")
        else:
            log.say(f"renewal failed, nothing was changed: {error}")
        self._on_end(generation, error)
