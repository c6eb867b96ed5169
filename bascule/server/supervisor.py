"""The supervisor: opens the sockets, starts generations of processes, and answers signals and commands.

Start reading at `Supervisor.run`. It is single-threaded and does no work of the data plane.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from bascule.config.plan import Plan
from bascule.server import log, notify, rundir, upgrade
from bascule.server.context import AppFactory, KeeperFactory
from bascule.server.control import ControlServer
from bascule.server.crashes import CrashLoop
from bascule.server.durable import Durable
from bascule.server.fleet import Fleet
from bascule.server.generation import Generation
from bascule.server.house import Answer, House, unheard
from bascule.server.lineage import Lineage
from bascule.server.poller import Poller
from bascule.server.privileges import raise_open_files
from bascule.server.reload import MAX_DRAINING, Reloader, Watcher
from bascule.server.renewal import Renewal
from bascule.server.resources import ARENA_SIZE, Resources, gather, unix_listener
from bascule.server.sockets import Sockets
from bascule.server.worker import describe, heartbeats
from bascule.state.arena import Arena

HURRY = 1.0
"""Seconds left to requests in progress after a second SIGTERM."""


class Supervisor:
    """`load` reads the configuration, `prepare` builds from the plan what is worth building once, before the fork, with
    what the generation that serves was prepared with at hand (None at the start); the factories make what runs in each
    worker and in the keeper. What `standing` returns of a generation (JSON-able) is what `restore` gives to the one
    after it, of this program or the next, before it starts. When a generation has ended, or could not be started,
    `tidy` is told what those that live were prepared with. Nothing else is known about the application.
    """

    def __init__(
        self,
        load: Callable[[], Plan],
        prepare: Callable[[Plan, Any], Any],
        worker_factory: AppFactory,
        keeper_factory: KeeperFactory,
        standing: Callable[[Resources], Any] = lambda _resources: None,
        restore: Callable[[Any, Resources], None] = lambda _standing, _resources: None,
        tidy: Callable[[Sequence[Any]], None] = lambda _prepared: None,
    ) -> None:
        self._begun = time.monotonic()
        self._load = load
        self._prepare = prepare
        self._standing = standing
        self._restore = restore
        self._tidy = tidy
        self._notify = notify.Notifier(os.environ)
        self._poller = Poller()
        self._will = upgrade.inherited(os.environ)
        self._predecessor: upgrade.Predecessor | None = None
        self._fleet = Fleet(self._poller)
        self._sockets = Sockets()
        self._dir: rundir.RunDir | None = None
        self._control: ControlServer | None = None
        self._house = House(
            poller=self._poller,
            fleet=self._fleet,
            sockets=self._sockets,
            stats=Arena(ARENA_SIZE),
            worker_factory=worker_factory,
            keeper_factory=keeper_factory,
            on_call=self._keeper_calls,
            on_swollen=self._swollen,
            close_private=self._close_private,
            crash_loop=CrashLoop(time.monotonic),
            durable=Durable(self._will.durable if self._will else {}),
        )
        self._lineage = Lineage(self._house, self._is_led, self._leave_lead, self._generation_gone)
        if self._will is not None:
            self._predecessor = upgrade.Predecessor(
                self._will.line, self._poller, self._house.durable, self._lineage.choose_leader
            )
        heartbeats(self._house.stats)
        self._number = 0
        self._reloader = Reloader(
            poller=self._poller,
            fleet=self._fleet,
            rehearse=self._rehearse,
            build=self._build,
            adopt=self._adopt,
            may_begin=self._may_reload,
            on_begin=self._notify.reloading,
            on_end=self._reloaded,
        )
        self._renewal = Renewal(self._lineage, self._reloader, self._launch, self._replaced)
        self._last_reload: dict[str, Any] | None = None
        self._watcher = Watcher(())
        self._upgrade: upgrade.Upgrade | None = None
        self._successor = 0
        self._told = ""
        self._stopping = False
        self._stop_answers: list[Answer] = []
        self._exit_status = 0

    @property
    def handed_over(self) -> bool:
        """Whether another program goes on: the one after this, or the one that this failed to replace."""
        return bool(self._successor) or (self._will is not None and self._control is None)

    def run(self) -> int:
        """Run until told to stop. Return the exit status: 0 after a stop, 1 if the start failed."""
        try:
            self._open_house()
            self._build(self._started, self._start_failed)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            self._start_failed(describe(error))
        while self._lineage or not self._stopping or (self._successor and self._is_led()):
            self._poller.step()
            self._fleet.reap()
        self._leave_house()
        return self._exit_status

    # --- the start

    def _open_house(self) -> None:
        raise_open_files()
        plan = self._load()
        if self._will is not None:
            self._dir = rundir.RunDir.inherit(self._will.run_dir, self._will.lock)
            self._sockets.inherit(self._will.sockets)
        else:
            self._dir = rundir.RunDir.take(plan)
        self._house.run_dir = str(self._dir.path)
        self._lineage.kept = {self._control_key}
        self._sockets.activate(notify.activated(os.environ))
        self._poller.on_signal(signal.SIGTERM, self._stop_gracefully)
        self._poller.on_signal(signal.SIGINT, self._stop_gracefully)
        self._poller.on_signal(signal.SIGQUIT, self._stop_now)
        self._poller.on_signal(signal.SIGHUP, lambda: self._reload(unheard))
        self._poller.on_signal(signal.SIGUSR1, self._lineage.reopen_logs)
        self._poller.on_signal(signal.SIGUSR2, lambda: self._start_upgrade(unheard))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, upgrade.HELD_BACK)

    def _started(self, generation: Generation) -> None:
        if self._stopping:
            return
        self._watcher.follow(generation.resources.plan.files)
        listener = unix_listener(self._house.run_dir, rundir.CONTROL_SOCKET)
        ((_listener, control),) = self._sockets.claim([(self._control_key, listener, None)])
        self._control = ControlServer(control, self._poller, self._command_calls)
        if self._dir is not None:
            self._dir.sign()
        log.say(generation.resources.ready_text(time.monotonic() - self._begun))
        self._sockets.own()
        self._sockets.tell_unclaimed()
        self._lineage.release_unused()
        if self._predecessor is not None:
            self._predecessor.say_ready()
        self._lineage.choose_leader()
        self._told = self._lineage.headline()
        self._notify.ready(self._told)
        self._tick()
        self._feed_watchdog()
        self._reloader.begin()  # if it was asked for when there was nothing to replace yet

    def _start_failed(self, reason: str) -> None:
        log.say(f"cannot start: {reason}")
        self._exit_status = 1
        self._stopping = True
        if self._predecessor is not None:
            self._predecessor.say_failed(reason)

    def _close_private(self) -> None:
        """In a child: what is not registered in the poller, and only the supervisor may hold."""
        if self._dir is not None:
            self._dir.close()

    @property
    def _control_key(self) -> str:
        return f"unix:{os.path.join(self._house.run_dir, rundir.CONTROL_SOCKET)}"

    # --- once a second

    def _tick(self) -> None:
        self._poller.later(1.0, self._tick)
        self._lineage.check_beats()
        current = self._lineage.current
        if current is not None and current.resources.plan.config.watch and self._watcher.changed():
            log.say("watched files have changed; reloading")
            self._reload(unheard)
        text = self._lineage.headline()
        if text != self._told and not self._stopping:
            self._told = text
            self._notify.status(text)

    def _feed_watchdog(self) -> None:
        if self._notify.watchdog:
            self._notify.alive()
            self._poller.later(self._notify.watchdog, self._feed_watchdog)

    # --- generations

    def _build(self, on_ready: Callable[[Generation], None], on_failed: Callable[[str], None]) -> Generation:
        """Load, compile, open what is to be opened, and launch a new generation beside the present one."""
        plan = self._load()
        if plan.config.run_dir and str(rundir.choose(plan)) != self._house.run_dir:
            log.say(f"run_dir stays {self._house.run_dir} until a restart")
        return self._launch(plan, self._prepare(plan, self._served()), on_ready, on_failed)

    def _launch(
        self, plan: Plan, prepared: Any, on_ready: Callable[[Generation], None], on_failed: Callable[[str], None]
    ) -> Generation:
        self._number += 1
        resources = gather(self._number, plan, prepared, self._sockets, self._house.run_dir)
        current = self._lineage.current
        if current is not None:
            self._restore(self._standing(current.resources), resources)
        elif self._will is not None:
            self._restore(self._will.standing, resources)
        return self._lineage.launch(resources, on_ready, on_failed)

    def _served(self) -> Any:
        """Return what the generation that serves was prepared with."""
        current = self._lineage.current
        return current.resources.prepared if current is not None else None

    def _tidy_up(self) -> None:
        if not self.handed_over:  # the other program may use what is left
            self._tidy(self._lineage.prepared())

    def _generation_gone(self) -> None:
        self._tidy_up()
        self._reloader.begin()

    def _adopt(self, generation: Generation, on_quiet: Callable[[], None]) -> None:
        current = self._lineage.current
        if current is None or current.resources.plan is not generation.resources.plan:
            self._watcher.follow(generation.resources.plan.files)
        self._lineage.adopt(generation, on_quiet)

    def _is_led(self) -> bool:
        """Whether the keeper of the program before this one still leads."""
        return self._predecessor is not None and self._predecessor.leads

    def _leave_lead(self) -> None:
        """Let the next program lead, if there is one and the lead is ours to leave."""
        if self._upgrade is not None and self._successor and not self._is_led():
            self._upgrade.hand_over(self._house.durable)

    # --- reload

    def _rehearse(self) -> None:
        """In a forked child: what a reload does before the fork, with nothing at stake."""
        self._close_private()
        self._sockets.leave_only(())
        self._prepare(self._load(), self._served())

    def _reload(self, answer: Answer) -> None:
        if self._stopping or self._upgrade is not None:
            answer({"ok": False, "error": "a stop or an upgrade is in progress", "generation": None})
        else:
            self._reloader.request(answer)

    def _may_reload(self) -> bool:
        lineage = self._lineage
        return lineage.current is not None and not self._stopping and lineage.draining < MAX_DRAINING

    def _reloaded(self, generation: Generation | None, error: str) -> None:
        self._last_reload = {"ok": not error, "error": error or None, "time": time.time()}
        if generation is not None:
            log.say(f"reloaded: generation {generation.resources.number} serves")
        else:
            log.say(f"reload failed, nothing was changed: {error}")
        self._replaced(generation, error)

    def _replaced(self, generation: Generation | None, _error: str) -> None:
        if generation is None:
            self._lineage.release_unused()
            self._tidy_up()
        if not self._stopping:
            self._notify.ready(self._lineage.headline())

    def _swollen(self, number: int, worker: str, kept: int) -> None:
        if not self._stopping and self._upgrade is None:
            self._renewal.begin(number, worker, kept)

    # --- upgrade

    def _start_upgrade(self, answer: Answer) -> None:
        current = self._lineage.current
        if self._stopping or self._upgrade is not None or self._reloader.busy or current is None:
            answer({"ok": False, "error": "a start, stop, reload or upgrade is in progress", "pid": None})
            return
        if os.getpid() == 1:
            error = "process 1 of a container cannot be replaced: replace the container"
            answer({"ok": False, "error": error, "pid": None})
            return

        def failed(reason: str) -> None:
            self._upgrade = None
            log.say(f"upgrade failed, this program goes on: {reason}")
            answer({"ok": False, "error": reason, "pid": None})

        def ready(pid: int) -> None:
            self._successor = pid
            self._sockets.disown(left)
            if self._control is not None:
                self._control.close()
            self._notify.main_pid(pid)
            log.say(f"upgraded: process {pid} serves; this one ends when its requests have")
            answer({"ok": True, "error": None, "pid": pid})
            self._stop(current.drain_time())

        left = (current.resources.keys - {f"unix:{current.resources.bus_path}"}) | {self._control_key}
        self._upgrade = upgrade.Upgrade(self._poller, self._fleet, ready, failed)
        try:
            environ = {**os.environ, **self._notify.environ()}
            self._upgrade.start(upgrade.own_argv(), environ, self._inheritance(current, left))
        except OSError as error:
            failed(describe(error))

    def _inheritance(self, current: Generation, keys: set[str]) -> upgrade.Inheritance:
        if self._dir is None:
            raise RuntimeError("only a started program has something to leave")
        return upgrade.Inheritance(
            pid=os.getpid(),
            run_dir=self._house.run_dir,
            lock=self._dir.lock,
            sockets=self._sockets.export(keys),
            durable=self._house.durable.copy(),
            standing=self._standing(current.resources),
        )

    # --- the stop

    def _stop_gracefully(self) -> None:
        current = self._lineage.current
        self._stop(current.resources.plan.config.stop_timeout if current is not None else HURRY)

    def _stop(self, within: float) -> None:
        """Finish what is in progress and end; a second time, hurry."""
        if self._stopping:
            within = min(within, HURRY)
        self._stopping = True
        self._reloader.abort()
        if self._successor == 0:
            self._notify.stopping()
            if self._upgrade is not None:
                self._upgrade.abort()
        self._lineage.wind_down(within, keeper_last=self._successor == 0)

    def _stop_now(self) -> None:
        self._stopping = True
        self._lineage.kill()

    def _leave_house(self) -> None:
        self._tidy_up()
        if self._dir is not None:
            if not self.handed_over:
                self._sockets.release(set())
            self._dir.leave(handed_over=self.handed_over)
        for answer in self._stop_answers:
            answer({"ok": True, "error": None, "pid": os.getpid()})

    # --- calls

    def _keeper_calls(self, name: str, answer: Answer) -> None:
        """What the keeper may ask. Not for a stop: it listens to the network."""
        if name == "status":
            answer(self._describe())
        elif name == "reload":
            self._reload(answer)
        elif name == "upgrade":
            self._start_upgrade(answer)
        else:
            answer({"ok": False, "error": f"unknown call {name!r}"})

    def _command_calls(self, name: str, answer: Answer) -> None:
        """What a command on the control socket may ask."""
        if name == "stop":
            self._stop_answers.append(answer)
            self._stop_gracefully()
        else:
            self._keeper_calls(name, answer)

    def _describe(self) -> dict[str, Any]:
        return {
            **self._house.describe(),
            "uptime": round(time.monotonic() - self._begun, 3),
            "state": "stopping" if self._stopping else "crash-loop" if self._house.crash_loop.active else "running",
            "renewals": self._renewal.count,
            "last_reload": self._last_reload,
            **self._lineage.describe(),
        }
