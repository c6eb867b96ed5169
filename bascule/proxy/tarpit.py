"""The tarpit: requests that wait before they are answered, so that who attacks waits; few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

MOST: Final = 256
"""Requests that a worker holds back at a time: a tarpit may not become the flood it answers."""
LATE: Final = 60.0
"""Seconds beyond its delay until the connection of a client that does not take its answer is given up."""


class Tarpit:
    """The tarpit of one worker."""

    __slots__ = ("_held", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held: set[asyncio.TimerHandle] = set()

    def hold(self, seconds: float, then: Callable[[], object] | None = None) -> Callable[[], None] | None:
        """Count one more for a while, at the end of which `then` is called. Return what leaves the tarpit before that.

        None: it is full, and nothing will be called.
        """
        if len(self._held) >= MOST:
            return None

        def over() -> None:
            self._held.discard(handle)
            if then is not None:
                then()

        def leave() -> None:
            handle.cancel()
            self._held.discard(handle)

        handle = self._loop.call_later(seconds, over)
        self._held.add(handle)
        return leave
