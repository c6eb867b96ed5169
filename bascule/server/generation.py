"""A generation: one keeper and the workers that run one Plan, from the fork to the last one's end."""

from __future__ import annotations

import functools
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvloop

from bascule.server import log, reports
from bascule.server.affinity import bind
from bascule.server.bus import BusClient, BusServer
from bascule.server.context import KeeperContext, WorkerContext
from bascule.server.crashes import Backoff
from bascule.server.fleet import Child, describe_exit
from bascule.server.house import House
from bascule.server.keeper import STOP_WITHIN, Keeper
from bascule.server.poller import Timer
from bascule.server.privileges import confine
from bascule.server.resources import Resources
from bascule.server.worker import HEARTBEAT, heartbeats, run_worker

START_WITHIN = 30.0
"""Seconds a new generation has until all its workers accept."""
KEEPER_PATIENCE = 2.0
"""Seconds that workers which are ready wait for the keeper. It may be slow (a name server is), but if it fails at once
then the start fails."""
KILL_GRACE = 2.0
"""Seconds after its deadline before a process that was asked to end is killed."""
HUNG_BEATS = 60
"""A worker that gives no sign of life for so many looks of the supervisor, one a second, is killed."""


class Member:
    """A place in the generation that a living process should fill: a worker's index, or the keeper's."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.name = "keeper" if index is None else f"worker {index}"
        self.child: Child | None = None
        self.state = "starting"
        self.slot = -1
        self.error = ""
        self.backoff = Backoff()
        self.restart: Timer | None = None
        self.seen_beat = 0
        self.missed_beats = 0


class Generation:
    """Forks the processes, restarts those that die while it is current, and winds them down.

    `on_ready()` once all workers accept; `on_failed(reason)` if that does not happen (its processes are then being
    killed); `on_keeper_end()` when its keeper has ended, and `on_gone()` when the last process has.
    """

    def __init__(
        self,
        house: House,
        resources: Resources,
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
        on_keeper_end: Callable[[], None],
        on_gone: Callable[[Generation], None],
    ) -> None:
        self.resources = resources
        self.state = "starting"
        self.members = [Member(None), *(Member(index) for index in range(resources.workers))]
        self._house = house
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._on_keeper_end = on_keeper_end
        self._on_gone = on_gone
        self._on_quiet: Callable[[], None] | None = None
        self._keeper_last = False
        self._leads = False
        self._inherited: dict[str, Any] = {}
        """Durable values that its keeper was born with."""
        self._beats = heartbeats(house.stats)
        self._late: Timer | None = None

    @property
    def keeper(self) -> Member:
        return self.members[0]

    @property
    def workers(self) -> list[Member]:
        return self.members[1:]

    @property
    def leads(self) -> bool:
        """Whether its keeper lives and is the one that operators speak to."""
        return self._leads and self.keeper.child is not None

    def lead(self) -> None:
        """Have its keeper lead: the one before has ended, and what that one kept is told to this one. Idempotent."""
        if not self._leads and self.keeper.child is not None:
            for topic, payload in self._house.durable.since(self._inherited):
                self.keeper.child.send({"do": "retain", "topic": topic, "payload": payload})
            self.keeper.child.send({"do": "lead"})
        self._leads = True

    def launch(self) -> None:
        """Fork them all. Raises OSError or RuntimeError when a process cannot be had; what was forked is killed."""
        self._late = self._house.poller.later(START_WITHIN, self._start_is_late)
        try:
            for member in self.members:
                self._fork(member)
        except (OSError, RuntimeError):
            self.kill()
            raise

    def wind_down(self, within: float, on_quiet: Callable[[], None], *, keeper_last: bool) -> None:
        """Ask all to end: the workers to accept no more and to finish, `on_quiet()` when all have ceased to accept.

        With `keeper_last` the keeper stays until the workers are gone, else until they are quiet: it may have asked for
        this, and then has an answer to pass on. May be called again with less time.
        """
        self._leave("draining")
        self._on_quiet = on_quiet
        self._keeper_last = keeper_last
        for member in self.workers:
            self._ask_to_end(member, within)
        self._look_around()

    def hurry(self, within: float) -> None:
        """Leave less time to workers that wind down."""
        for member in self.workers:
            self._ask_to_end(member, within)

    def kill(self) -> None:
        """Kill them all."""
        self._leave("draining")
        for member in self.members:
            if member.child is not None:
                member.child.kill()
        self._look_around()

    def reopen_logs(self) -> None:
        """Have the workers open their logs anew. Raises PrivilegeError if a new file cannot be made for them."""
        self.resources.entrust_logs()
        for member in self.workers:
            if member.child is not None:
                member.child.send({"do": "reopen"})

    def drain_time(self) -> float:
        """Return the longest time any route gives its connections to end."""
        plan = self.resources.plan
        return max((route.timeouts.drain for route in plan.routes), default=plan.config.timeouts.drain)

    def check_beats(self) -> None:
        """Kill the workers that have hung. Called once a second."""
        for member in self.workers:
            if member.child is None or member.state != "ready":
                continue
            beat = self._beats[member.slot]
            member.missed_beats = 0 if beat != member.seen_beat else member.missed_beats + 1
            member.seen_beat = beat
            if member.missed_beats >= HUNG_BEATS:
                seconds = HUNG_BEATS * HEARTBEAT
                log.say(f"{member.name} (pid {member.child.pid}) gave no sign of life for {seconds:.0f} s; killing it")
                member.child.kill()
                member.missed_beats = 0

    def processes(self) -> list[dict[str, Any]]:
        """Return what the status says of each member."""
        return [
            {
                "name": member.name,
                "generation": self.resources.number,
                "pid": member.child.pid if member.child else None,
                "state": member.state,
                "uptime": round(member.child.age, 3) if member.child else None,
                "error": member.error or None,
            }
            for member in self.members
        ]

    # --- forking

    def _fork(self, member: Member) -> None:
        member.state = "starting"
        member.error = ""
        member.seen_beat = member.missed_beats = 0
        supervisor = os.getpid()
        if member.index is None:
            self._inherited = self._house.durable.copy()
            main = functools.partial(self._keeper_main, supervisor)
        else:
            member.slot = self._house.take_slot()
            main = functools.partial(self._worker_main, supervisor, member.index, member.slot)
        try:
            member.child = self._house.fleet.fork(
                member.name,
                main,
                lambda _child, message: self._message(member, message),
                lambda child, code: self._ended(member, child, code),
            )
        except OSError:
            self._house.slots.discard(member.slot)
            raise

    def _worker_main(self, supervisor: int, index: int, slot: int, line: socket.socket) -> int:
        res, house = self.resources, self._house
        house.close_private()
        house.sockets.leave_only(sock for _listener, sock in res.service)
        confine(f"bascule-w{index}", supervisor, res.account)
        bind(res.cores, index)
        loop = uvloop.new_event_loop()
        context = WorkerContext(
            plan=res.plan,
            prepared=res.prepared,
            index=index,
            workers=res.workers,
            generation=res.number,
            sockets=res.service,
            board=res.board,
            stats=house.stats,
            stats_slot=slot,
            bus=BusClient(res.bus_path, loop),
            loop=loop,
        )
        return run_worker(line, context, house.worker_factory)

    def _keeper_main(self, supervisor: int, line: socket.socket) -> int:
        res, house = self.resources, self._house
        house.close_private()
        house.sockets.leave_only([res.bus, *res.admin])
        confine("bascule-keeper", supervisor, res.account)
        keeper = Keeper(self._leads)
        context = KeeperContext(
            plan=res.plan,
            prepared=res.prepared,
            workers=res.workers,
            generation=res.number,
            board=res.board,
            stats=house.stats,
            bus=BusServer(self._inherited, keeper.keep),
            supervisor=keeper.supervisor,
            admin_sockets=res.admin,
            run_dir=house.run_dir,
            loop=uvloop.new_event_loop(),
        )
        return keeper.run(line, res.bus, context, house.keeper_factory)

    # --- what the processes say, and how they end

    def _message(self, member: Member, message: Any) -> None:
        child = member.child
        if child is None:
            return
        try:
            report = reports.read(message, keeper=member.index is None)
        except reports.MessageError as error:
            log.say(f"{member.name} (pid {child.pid}) said what none says: {error}; killing it")
            child.cut_off()
            return
        match report:
            case reports.Call(name, number):
                self._house.on_call(name, lambda result: child.send({"answer": result, "id": number}))
            case reports.Ready() if member.state == "starting":
                member.state = "ready"
                self._check_ready()
            case reports.Draining():
                member.state = "draining"
                self._look_around()
            case reports.Failed(reason):
                member.error = reason[: reports.LONGEST_ERROR]
            case reports.Swollen(kept) if self.state == "current":
                self._house.on_swollen(self.resources.number, member.name, kept)
            case reports.Keep(topic, payload):
                self._house.durable.keep(topic, payload)

    def _ended(self, member: Member, child: Child, code: int) -> None:
        member.child = None
        was, member.state = member.state, "dead"
        if member.index is None:
            self._on_keeper_end()
        else:
            self._house.slots.discard(member.slot)
        reason = f"{member.name} (pid {child.pid}) {describe_exit(code)}"
        if member.error:
            reason = f"{member.name}: {member.error}"
        if self.state == "starting":
            self._fail(reason)
        elif self.state == "current":
            self._restart_later(member, child.age, reason)
        elif was in ("ending", "draining") and code not in (0, -signal.SIGKILL):
            log.say(f"{reason} on its way out")
        self._look_around()

    def _restart_later(self, member: Member, age: float, reason: str) -> None:
        self._house.restarts += 1
        delay = member.backoff.died(age)
        when = f"in {delay:.1f} s" if delay else "now"
        log.say(f"{reason} after {age:.1f} s; restarting it {when}")
        if self._house.crash_loop.died(age):
            log.say(
                "CRASH LOOP: processes keep dying soon after their start; the lines above say how. Restarts slow down"
            )
        member.restart = self._house.poller.later(delay, lambda: self._restart(member))

    def _restart(self, member: Member) -> None:
        member.restart = None
        try:
            self._fork(member)
        except (OSError, RuntimeError) as error:
            log.say(f"cannot restart {member.name}: {error}; trying again")
            member.restart = self._house.poller.later(1.0, lambda: self._restart(member))

    # --- changes of state

    def _check_ready(self) -> None:
        if self.state != "starting" or any(member.state != "ready" for member in self.workers):
            return
        if self.keeper.state == "ready":
            self._be_current()
        else:
            self._house.poller.later(KEEPER_PATIENCE, self._be_current)

    def _be_current(self) -> None:
        if self.state == "starting":
            self._leave("current")
            self._on_ready()

    def _start_is_late(self) -> None:
        waiting = ", ".join(member.name for member in self.workers if member.state != "ready")
        self._fail(f"not ready within {START_WITHIN:.0f} s: {waiting}")

    def _fail(self, reason: str) -> None:
        """Give up the start. Workers may accept already, said so or not; whom they have they serve to the end."""
        self._leave("draining")
        for member in self.members:
            self._ask_to_end(member, self.drain_time())
        self._on_failed(reason)
        self._look_around()

    def _leave(self, state: str) -> None:
        """Leave the present state for `state`; nothing is started any more on the way out."""
        self.state = state
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if state == "draining":
            for member in self.members:
                if member.restart is not None:
                    member.restart.cancel()
                    member.restart = None

    def _ask_to_end(self, member: Member, within: float) -> None:
        if member.child is not None:
            if member.state == "ready":
                member.state = "ending"
            member.child.send({"do": "stop", "within": within})
            member.child.kill_after(within + KILL_GRACE, self._house.poller)

    def _look_around(self) -> None:
        """On the way out: see how far it is."""
        if self.state != "draining":
            return
        if self._on_quiet and all(member.child is None or member.state == "draining" for member in self.workers):
            on_quiet, self._on_quiet = self._on_quiet, None
            on_quiet()
            if not self._keeper_last:
                self._ask_to_end(self.keeper, STOP_WITHIN)
        if any(member.child is not None for member in self.workers):
            return
        if self._keeper_last:
            self._keeper_last = False
            self._ask_to_end(self.keeper, STOP_WITHIN)
        if self.keeper.child is None:
            self.state = "gone"
            self._on_gone(self)
