"""The lineage: the generations that live. One serves, those before it finish what they have; one keeper leads."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

from bascule.server import log
from bascule.server.generation import Generation
from bascule.server.house import House
from bascule.server.resources import Resources

RENEWED_WITHIN = 3600.0
"""Seconds that a generation gives its connections when one with the same plan takes over."""


class Lineage:
    """`before_leads()` tells whether the keeper of the program before this one still leads; `on_leaderless()` is called
    when no keeper of this program does and none will; `on_gone()` when a generation has ended.
    """

    def __init__(
        self,
        house: House,
        before_leads: Callable[[], bool],
        on_leaderless: Callable[[], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._house = house
        self._before_leads = before_leads
        self._on_leaderless = on_leaderless
        self._on_gone = on_gone
        self._living: list[Generation] = []
        self.kept: set[str] = set()
        """Keys of the sockets that are the program's and no generation's."""

    def __len__(self) -> int:
        return len(self._living)

    @property
    def current(self) -> Generation | None:
        """The generation that serves."""
        return next((found for found in self._living if found.state == "current"), None)

    @property
    def draining(self) -> int:
        """How many finish what they have."""
        return sum(generation.state == "draining" for generation in self._living)

    def launch(
        self, resources: Resources, on_ready: Callable[[Generation], None], on_failed: Callable[[str], None]
    ) -> Generation:
        """Start a new generation beside the present one; see `Generation`, also for what is raised."""
        generation = Generation(
            self._house,
            resources,
            on_ready=lambda: on_ready(generation),
            on_failed=on_failed,
            on_keeper_end=self.choose_leader,
            on_gone=self._gone,
        )
        if self.current is None and not self._before_leads():
            generation.lead()
        self._living.append(generation)
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # what workers are born with is never walked by their collectors, so its pages stay shared
        generation.launch()
        return generation

    def adopt(self, generation: Generation, on_quiet: Callable[[], None]) -> None:
        """The new generation serves; the one before is to finish what it has. `on_quiet()` when it accepts no more.

        It may take its time where its plan goes on. Where that has changed, nobody is served by an old one for longer.
        """
        for old in self._living:
            goes_on = old.resources.plan is generation.resources.plan
            if old is not generation and old.state == "current":
                within = RENEWED_WITHIN if goes_on else old.drain_time()
                old.wind_down(within, functools.partial(self._quiet, old, on_quiet), keeper_last=False)
            elif old.state == "draining" and not goes_on:
                old.hurry(old.drain_time())
        self.choose_leader()

    def choose_leader(self) -> None:
        """Have the current generation's keeper lead, once none before it does. Idempotent."""
        if any(generation.leads for generation in self._living):
            return
        current = self.current
        if current is None:
            self._on_leaderless()
        elif not self._before_leads():
            current.lead()

    def wind_down(self, within: float, *, keeper_last: bool) -> None:
        """Ask all processes to end; see `Generation.wind_down`."""
        for generation in tuple(self._living):
            generation.wind_down(within, functools.partial(self._quiet, generation), keeper_last=keeper_last)
        self.choose_leader()

    def kill(self) -> None:
        """Kill all processes."""
        self._house.fleet.kill_all()
        for generation in tuple(self._living):
            generation.kill()

    def check_beats(self) -> None:
        """Kill the workers that have hung. Called once a second."""
        for generation in self._living:
            generation.check_beats()

    def reopen_logs(self) -> None:
        """Have all workers open their logs anew."""
        for generation in self._living:
            try:
                generation.reopen_logs()
            except ValueError as error:
                log.say(str(error))

    def release_unused(self) -> None:
        """Close the sockets that nobody needs any more."""
        self._house.sockets.release(self.kept.union(*(generation.resources.keys for generation in self._living)))

    def prepared(self) -> list[Any]:
        """Return what each generation was prepared with."""
        return [generation.resources.prepared for generation in self._living]

    def headline(self) -> str:
        """Return how things stand, in a line for the service manager."""
        current = self.current
        if current is None:
            return "no generation serves"
        ready = sum(worker.state == "ready" for worker in current.workers)
        text = f"generation {current.resources.number}: {ready} of {len(current.workers)} workers ready"
        return f"{text}; CRASH LOOP, see the log" if self._house.crash_loop.active else text

    def describe(self) -> dict[str, Any]:
        """Return what `bascule status` prints of the processes."""
        current = self.current
        return {
            "generation": current.resources.number if current else None,
            "digest": current.resources.plan.digest if current else None,
            "listeners": current.resources.places() if current else [],
            "processes": [process for generation in self._living for process in generation.processes()],
        }

    def _quiet(self, generation: Generation, then: Callable[[], None] = lambda: None) -> None:
        """None of its workers accepts any more."""
        generation.resources.keys.clear()
        self.release_unused()
        then()

    def _gone(self, generation: Generation) -> None:
        self._living.remove(generation)
        generation.resources.board.close()
        self.release_unused()
        self._on_gone()
