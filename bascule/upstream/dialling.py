"""One connection that is being opened: a coroutine that is run from the spot, without a task.

A task begins only at the loop's next turn, ends one after what it awaited, and is entered into the set of all tasks:
about 8 us of CPU where opening a connection is all there is to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol


class Cancellable(Protocol):
    """What is under way for an exchange."""

    def cancel(self) -> object:
        """Give it up: nobody awaits it any more."""


class Dialling:
    """Runs a coroutine that awaits nothing but futures, and that is not cancelled by what it awaits itself.

    `failed` gets the OSError that it ended with, never before the constructor has returned. Who gets the connection is
    the business of its protocol.
    """

    __slots__ = ("_awaited", "_cancelled", "_coroutine", "_failed")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[asyncio.Future[Any], None, object],
        failed: Callable[[OSError], None],
    ) -> None:
        self._coroutine = coroutine
        self._failed = failed
        self._cancelled = False
        self._awaited: Cancellable
        try:
            future = coroutine.send(None)
        except OSError as error:
            self._awaited = loop.call_soon(failed, error)
        else:
            self._awaited = future
            future.add_done_callback(self._go_on)

    def _go_on(self, _future: asyncio.Future[Any]) -> None:
        try:
            self._awaited = future = self._coroutine.send(None)  # what was awaited raises there what it raises
            future.add_done_callback(self._go_on)
        except (StopIteration, asyncio.CancelledError):
            return
        except OSError as error:
            if not self._cancelled:
                self._failed(error)

    def cancel(self) -> None:
        """Give up. `failed` is not called any more, but a connection of this very turn may be told of."""
        self._cancelled = True  # what is awaited may be done already, and to go on in the next turn
        self._awaited.cancel()
