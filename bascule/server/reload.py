"""Reload: rehearse the new configuration in a throw-away process, then start a new generation beside the old one.
Renewal: the same with the plan that serves, which needs no rehearsal.

Whatever goes wrong, in the rehearsal, in the supervisor or in the new workers, the old generation goes on untouched
and the error goes to whoever asked.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from typing import Any

from bascule.server.fleet import Child, Fleet, describe_exit
from bascule.server.framing import encode
from bascule.server.generation import Generation
from bascule.server.house import Answer
from bascule.server.poller import Poller
from bascule.server.worker import describe

REHEARSE_WITHIN = 60.0
"""Seconds a configuration may take to load and compile."""
MAX_DRAINING = 8
"""Old generations that may still be draining when a reload begins; with more, it waits."""

Build = Callable[[Callable[[Generation], None], Callable[[str], None]], Generation]
OnEnd = Callable[[Generation | None, str], None]


class Reloader:
    """One reload at a time. Requests that come meanwhile share the next one, since files may have changed again."""

    def __init__(
        self,
        poller: Poller,
        fleet: Fleet,
        rehearse: Callable[[], None],
        build: Build,
        adopt: Callable[[Generation, Callable[[], None]], None],
        may_begin: Callable[[], bool],
        on_begin: Callable[[], None],
        on_end: OnEnd,
    ) -> None:
        self._poller = poller
        self._fleet = fleet
        self._rehearse = rehearse
        self._build = build
        self._adopt = adopt
        self._may_begin = may_begin
        self._on_begin = on_begin
        self._on_reloaded = self._on_end = on_end
        self._waiting: list[Answer] = []
        self._served: list[Answer] = []
        self._rehearsal: Child | None = None
        self._error = ""
        self._new: Generation | None = None
        self.busy = False

    def request(self, answer: Answer) -> None:
        """Reload as soon as possible; `answer` gets ``{"ok", "error", "generation"}``."""
        self._waiting.append(answer)
        self.begin()

    def begin(self) -> None:
        """Begin what is requested, unless something stands in the way."""
        if self.busy or not self._waiting or not self._may_begin():
            return
        self.busy = True
        self._served, self._waiting = self._waiting, []
        self._on_end = self._on_reloaded
        self._error = "the rehearsal of the new configuration died"
        self._on_begin()
        try:
            self._rehearsal = self._fleet.fork(
                "rehearsal", self._rehearsal_main, self._rehearsed, self._rehearsal_ended
            )
        except OSError as error:
            self._end(None, f"cannot fork: {error.strerror}")
        else:
            self._rehearsal.kill_after(REHEARSE_WITHIN, self._poller)

    def renew(self, build: Build, on_end: OnEnd) -> bool:
        """Start a generation by `build` instead, unless something stands in the way: False. Nobody waits for it."""
        if self.busy or not self._may_begin():
            return False
        self.busy = True
        self._on_end = on_end
        self._on_begin()
        self._launch(build)
        return True

    def abort(self) -> None:
        """The program stops, and with it the new generation if there is one: give up."""
        if self._rehearsal is not None:
            self._rehearsal.kill()
        self._served += self._waiting
        self._waiting = []
        if self._new is not None or self._served:
            self._end(None, "the program is stopping")

    def _rehearsal_main(self, line: socket.socket) -> int:
        error = ""
        try:
            self._rehearse()
        except Exception as problem:
            error = describe(problem)
        line.sendall(encode({"error": error}))
        return 0

    def _rehearsed(self, _child: Child, message: Any) -> None:
        self._error = message["error"]

    def _rehearsal_ended(self, _child: Child, code: int) -> None:
        self._rehearsal = None
        if not self.busy:
            return  # aborted
        if code != 0:
            self._error = f"{self._error}: it {describe_exit(code)}"
        if self._error:
            self._end(None, self._error)
        else:
            self._launch(self._build)

    def _launch(self, build: Build) -> None:
        try:
            self._new = build(self._ready, self._failed)
        except Exception as error:  # the files may have changed since the rehearsal
            self._end(None, describe(error))

    def _ready(self, generation: Generation) -> None:
        # The answer waits until nobody accepts for the old configuration any more.
        self._new = None
        self._adopt(generation, lambda: self._end(generation, ""))

    def _failed(self, reason: str) -> None:
        self._end(None, reason)

    def _end(self, generation: Generation | None, error: str) -> None:
        self._new = None
        self.busy = False
        number = generation.resources.number if generation else None
        served, self._served = self._served, []
        for answer in served:
            answer({"ok": generation is not None, "error": error or None, "generation": number})
        self._on_end(generation, error)
        self.begin()


class Watcher:
    """Tells when watched files have changed, and have then been left alone from one look to the next."""

    def __init__(self, files: Iterable[str]) -> None:
        self.follow(files)

    def follow(self, files: Iterable[str]) -> None:
        """Watch these files from now on, as they are now."""
        self._files = tuple(files)
        self._settled = self._last = self._look()

    def changed(self) -> bool:
        """Look, once a second; True when there is something new. The same change is told once."""
        now = self._look()
        calm = now == self._last
        self._last = now
        if not calm or now == self._settled:
            return False
        self._settled = now
        return True

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_signature(path) for path in self._files)


def _signature(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_ino, found.st_size)
