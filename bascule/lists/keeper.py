"""The keeper's part of lists at a URL: it looks now and then whether they changed, and then has them taken up.

A changed list comes into force by a reload: a new generation of workers starts with the new table, in one step.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from bascule.lists.remote import RemoteList
from bascule.telemetry.sinks import complain

T = TypeVar("T")
RETRY = 600.0
"""Seconds after which a list is asked for again that could not be fetched."""
_JITTER = 0.1
"""Share by which each wait is longer at random, so that not all who use a list ask at once."""


class ListKeeper:
    """Keeps lists fresh. `reload` takes them up, and returns ``{"ok": bool, "error": ...}``."""

    def __init__(
        self, lists: list[RemoteList], interval: float, reload: Callable[[], Awaitable[dict[str, Any]]]
    ) -> None:
        self._lists = lists
        self._interval = interval
        self._reload = reload
        self._failed: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; a fetch under way ends with the process."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._take_up()
            await asyncio.sleep(self._wait())
            for found in self._lists:
                if self._is_due(found):
                    await self._refresh(found)

    async def _take_up(self) -> None:
        """Have taken up what has changed since it was read; what a failed reload left out is tried again."""
        changed = [found.url for found in self._lists if found.has_changed]
        if changed:
            count = "a list has" if len(changed) == 1 else f"{len(changed)} lists have"
            complain(f"{count} changed, and a reload takes up what is new: {', '.join(changed)}")
            answer = await self._reload()
            if not answer.get("ok"):
                complain(f"the changed lists are not in force: {answer.get('error')}")

    def _wait(self) -> float:
        """Return the seconds until the next list is due."""
        if self._failed:
            return min(self._interval, RETRY)
        age = max((found.age(time.time()) for found in self._lists), default=0.0)
        return max(0.0, self._interval - age) * (1 + _JITTER * random.random()) + 0.01  # noqa: S311 - no secret

    def _is_due(self, found: RemoteList) -> bool:
        return found.url in self._failed or found.age(time.time()) >= self._interval

    async def _refresh(self, found: RemoteList) -> None:
        try:
            await in_thread(found.refresh)
        except OSError as error:  # FetchError, and a folder that cannot be written
            if found.url not in self._failed:
                self._failed.add(found.url)
                complain(f"a list stays as it is: {error}")
        else:
            self._failed.discard(found.url)


async def in_thread(work: Callable[[], T]) -> T:
    """Run what blocks in a thread that does not keep the process from ending. Raises what it raises."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[T] = loop.create_future()

    def succeed(result: T) -> None:
        if not over.cancelled():
            over.set_result(result)

    def fail(error: BaseException) -> None:
        if not over.cancelled():
            over.set_exception(error)

    def run() -> None:
        try:
            done = partial(succeed, work())
        except BaseException as error:
            done = partial(fail, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(done)

    threading.Thread(target=run, name="fetch", daemon=True).start()
    return await over


def prepare_folder(folder: str, owner: tuple[int, int] | None) -> None:
    """Make the folder of fetched lists, so that the keeper can write there under the account it runs as."""
    os.makedirs(folder, mode=0o755, exist_ok=True)
    if owner is not None:
        os.chown(folder, *owner)
        for name in os.listdir(folder):
            os.chown(os.path.join(folder, name), *owner)
