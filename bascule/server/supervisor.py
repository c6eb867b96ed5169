"""The supervisor: opens the sockets, starts generations of processes, and answers signals and commands.

Start reading at `Supervisor.run`. It is single-threaded and does no work of the data plane.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule import __version__
from bascule.config.plan import Plan
from bascule.server import log, notify, rundir, upgrade
from bascule.server.context import AppFactory, KeeperFactory
from bascule.server.control import ControlServer
from bascule.server.crashes import CrashLoop
from bascule.server.fleet import Fleet
from bascule.server.generation import Answer, Generation, House
from bascule.server.poller import Poller
from bascule.server.privileges import raise_open_files
from bascule.server.reload import MAX_DRAINING, Reloader, Watcher
from bascule.server.resources import ARENA_SIZE, Resources, gather, unix_listener
from bascule.server.sockets import Sockets
from bascule.server.worker import describe, heartbeats
from bascule.state.arena import Arena

HURRY = 1.0
"""Seconds left to requests in progress after a second SIGTERM."""


class Supervisor:
    """`load` reads the configuration, `prepare` builds from the plan what is worth building once, before the fork;
    the factories make what runs in each worker and in the keeper; `hand_over` tells a generation that is about to start
    what the one before found out. Nothing else is known about the application.
    """

    def __init__(
        self,
        load: Callable[[], Plan],
        prepare: Callable[[Plan], Any],
        worker_factory: AppFactory,
        keeper_factory: KeeperFactory,
        hand_over: Callable[[Resources, Resources], None] = lambda old, new: None,
    ) -> None:
        self._begun = time.monotonic()
        self._load = load
        self._prepare = prepare
        self._hand_over = hand_over
        self._notify = notify.Notifier(os.environ)
        self._will = upgrade.inherited(os.environ)
        self._poller = Poller()
        self._fleet = Fleet(self._poller)
        self._sockets = Sockets()
        self._path = Path()
        self._pid_file: rundir.PidFile | None = None
        self._control: ControlServer | None = None
        self._house = House(
            poller=self._poller,
            fleet=self._fleet,
            sockets=self._sockets,
            stats=Arena(ARENA_SIZE),
            worker_factory=worker_factory,
            keeper_factory=keeper_factory,
            on_call=self._keeper_calls,
            close_private=self._close_private,
            crash_loop=CrashLoop(time.monotonic),
            durable=self._will.durable if self._will else {},
        )
        heartbeats(self._house.stats)
        self._generations: list[Generation] = []
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
        self._last_reload: dict[str, Any] | None = None
        self._watcher = Watcher(())
        self._upgrade: upgrade.Upgrade | None = None
        self._successor = 0
        self._told = ""
        self._stopping = False
        self._stop_answers: list[Answer] = []
        self._exit_status = 0

    def run(self) -> int:
        """Run until told to stop. Return the exit status: 0 after a stop, 1 if the start failed."""
        try:
            self._open_house()
            self._build(self._started, self._start_failed)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            self._start_failed(describe(error))
        while self._generations or not self._stopping:
            self._poller.step()
            self._fleet.reap()
        self._leave_house()
        return self._exit_status

    # --- the start

    def _open_house(self) -> None:
        raise_open_files()
        plan = self._load()
        if self._will is not None:
            self._path = Path(self._will.run_dir)
            self._pid_file = rundir.PidFile.inherit(self._will.lock)
            self._sockets.inherit(self._will.sockets)
        else:
            self._path = rundir.choose(plan)
            rundir.make(self._path, traversable=bool(plan.config.user or plan.config.group))
            self._pid_file = rundir.PidFile.take(self._path)
        self._house.run_dir = str(self._path)
        self._sockets.activate(notify.activated(os.environ))
        self._poller.on_signal(signal.SIGTERM, self._stop_gracefully)
        self._poller.on_signal(signal.SIGINT, self._stop_gracefully)
        self._poller.on_signal(signal.SIGQUIT, self._stop_now)
        self._poller.on_signal(signal.SIGHUP, lambda: self._reload(_unheard))
        self._poller.on_signal(signal.SIGUSR1, self._reopen_logs)
        self._poller.on_signal(signal.SIGUSR2, lambda: self._start_upgrade(_unheard))

    def _started(self, generation: Generation) -> None:
        if self._stopping:
            return
        self._watcher.follow(generation.resources.plan.files)
        listener = unix_listener(str(self._path), rundir.CONTROL_SOCKET)
        ((_listener, control),) = self._sockets.claim([(self._control_key, listener, None)])
        self._control = ControlServer(control, self._poller, self._command_calls)
        if self._pid_file is not None:
            self._pid_file.write()
        log.say(self._ready_text(generation))
        self._sockets.own()
        self._release_unused()
        if self._will is not None:
            self._will.say_ready()
        self._told = self._state_text()
        self._notify.ready(self._told)
        self._tick()
        self._feed_watchdog()
        self._reloader.begin()  # if it was asked for when there was nothing to replace yet

    def _start_failed(self, reason: str) -> None:
        log.say(f"cannot start: {reason}")
        self._exit_status = 1
        self._stopping = True
        if self._will is not None:
            self._will.say_failed(reason)

    def _close_private(self) -> None:
        """In a child: what is not registered in the poller, and only the supervisor may hold."""
        if self._pid_file is not None:
            self._pid_file.close()

    @property
    def _control_key(self) -> str:
        return f"unix:{self._path / rundir.CONTROL_SOCKET}"

    def _ready_text(self, generation: Generation) -> str:
        resources = generation.resources
        took = (time.monotonic() - self._begun) * 1000
        return (
            f"ready on {', '.join(resources.places())} "
            f"({resources.workers} workers, pid {os.getpid()}, started in {took:.0f} ms)"
        )

    # --- once a second

    def _tick(self) -> None:
        self._poller.later(1.0, self._tick)
        for generation in self._generations:
            generation.check_beats()
        current = self._current
        if current is not None and current.resources.plan.config.watch and self._watcher.changed():
            log.say("watched files have changed; reloading")
            self._reload(_unheard)
        text = self._state_text()
        if text != self._told and not self._stopping:
            self._told = text
            self._notify.status(text)

    def _feed_watchdog(self) -> None:
        if self._notify.watchdog:
            self._notify.alive()
            self._poller.later(self._notify.watchdog, self._feed_watchdog)

    def _reopen_logs(self) -> None:
        for generation in self._generations:
            try:
                generation.reopen_logs()
            except ValueError as error:
                log.say(str(error))

    # --- generations

    @property
    def _current(self) -> Generation | None:
        return next((found for found in self._generations if found.state == "current"), None)

    def _build(self, on_ready: Callable[[Generation], None], on_failed: Callable[[str], None]) -> Generation:
        """Load, compile, open what is to be opened, and launch a new generation beside the present one."""
        plan = self._load()
        if plan.config.run_dir and Path(plan.config.run_dir).absolute() != self._path:
            log.say(f"run_dir stays {self._path} until a restart")
        prepared = self._prepare(plan)
        self._number += 1
        resources = gather(self._number, plan, prepared, self._sockets, str(self._path))
        if (current := self._current) is not None:
            self._hand_over(current.resources, resources)
        generation = Generation(
            self._house,
            resources,
            on_ready=lambda: on_ready(generation),
            on_failed=on_failed,
            on_gone=self._gone,
        )
        self._generations.append(generation)
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # what workers are born with is never walked by their collectors, so its pages stay shared
        generation.launch()
        return generation

    def _adopt(self, generation: Generation, on_quiet: Callable[[], None]) -> None:
        """The new generation serves; the one before is to finish what it has. `on_quiet()` when it accepts no more."""
        self._watcher.follow(generation.resources.plan.files)
        for old in self._generations:
            if old is not generation and old.state == "current":
                quiet = functools.partial(self._quiet, old, on_quiet)
                old.wind_down(old.drain_time(), quiet, keeper_last=False)
                return

    def _quiet(self, generation: Generation, then: Callable[[], None] = lambda: None) -> None:
        """None of its workers accepts any more."""
        generation.resources.keys.clear()
        self._release_unused()
        then()

    def _gone(self, generation: Generation) -> None:
        self._generations.remove(generation)
        generation.resources.board.close()
        self._release_unused()
        self._reloader.begin()

    def _release_unused(self) -> None:
        needed = {self._control_key}.union(*(generation.resources.keys for generation in self._generations))
        self._sockets.release(needed)

    # --- reload

    def _rehearse(self) -> None:
        """In a forked child: what a reload does before the fork, with nothing at stake."""
        self._close_private()
        self._sockets.leave_only(())
        self._prepare(self._load())

    def _reload(self, answer: Answer) -> None:
        if self._stopping or self._upgrade is not None:
            answer({"ok": False, "error": "a stop or an upgrade is in progress", "generation": None})
        else:
            self._reloader.request(answer)

    def _may_reload(self) -> bool:
        draining = sum(generation.state == "draining" for generation in self._generations)
        return self._current is not None and not self._stopping and draining < MAX_DRAINING

    def _reloaded(self, generation: Generation | None, error: str) -> None:
        self._last_reload = {"ok": not error, "error": error or None, "time": time.time()}
        if generation is not None:
            log.say(f"reloaded: generation {generation.resources.number} serves")
        else:
            self._release_unused()
            log.say(f"reload failed, nothing was changed: {error}")
        if not self._stopping:
            self._notify.ready(self._state_text())

    # --- upgrade

    def _start_upgrade(self, answer: Answer) -> None:
        current = self._current
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
            self._upgrade.start(upgrade.own_argv(), {**os.environ, **self._notify.environ()}, self._inheritance(left))
        except OSError as error:
            failed(describe(error))

    def _inheritance(self, keys: set[str]) -> upgrade.Inheritance:
        if self._pid_file is None:
            raise RuntimeError("only a started program has something to leave")
        return upgrade.Inheritance(
            pid=os.getpid(),
            run_dir=str(self._path),
            lock=self._pid_file.fileno(),
            sockets=self._sockets.export(keys),
            durable=self._house.durable,
        )

    # --- the stop

    def _stop_gracefully(self) -> None:
        current = self._current
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
        for generation in tuple(self._generations):
            quiet = functools.partial(self._quiet, generation)
            generation.wind_down(within, quiet, keeper_last=self._successor == 0)

    def _stop_now(self) -> None:
        self._stopping = True
        self._fleet.kill_all()
        for generation in tuple(self._generations):
            generation.kill()

    def _leave_house(self) -> None:
        handed_over = self._successor != 0 or (self._will is not None and self._control is None)
        if self._pid_file is not None and not handed_over:
            self._sockets.release(set())
            with contextlib.suppress(OSError):
                os.unlink(self._path / rundir.PID_FILE)
        if self._pid_file is not None:
            with contextlib.suppress(OSError):  # not empty: another program still uses it
                os.rmdir(self._path)
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

    def _state_text(self) -> str:
        current = self._current
        if current is None:
            return "no generation serves"
        ready = sum(worker.state == "ready" for worker in current.workers)
        text = f"generation {current.resources.number}: {ready} of {len(current.workers)} workers ready"
        return f"{text}; CRASH LOOP, see the log" if self._house.crash_loop.active else text

    def _describe(self) -> dict[str, Any]:
        current = self._current
        return {
            "version": __version__,
            "pid": os.getpid(),
            "run_dir": str(self._path),
            "uptime": round(time.monotonic() - self._begun, 3),
            "state": "stopping" if self._stopping else "crash-loop" if self._house.crash_loop.active else "running",
            "generation": current.resources.number if current else None,
            "digest": current.resources.plan.digest if current else None,
            "listeners": current.resources.places() if current else [],
            "restarts": self._house.restarts,
            "last_reload": self._last_reload,
            "durable": sorted(self._house.durable),
            "processes": [process for generation in self._generations for process in generation.processes()],
        }


def _unheard(_answer: dict[str, Any]) -> None:
    """Nobody waits for the answer to a signal; the log has it."""
