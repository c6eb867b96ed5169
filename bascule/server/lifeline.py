"""A child's connection to the supervisor: commands come in, news and calls go out. Its end: the supervisor died."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

from bascule.server.framing import Decoder, FramingError, encode


class Lifeline(asyncio.Protocol):
    """Speaks with the supervisor over the socket pair made at the fork.

    `on_command` gets each message that is not the answer to a call; `on_end` is called when the supervisor is gone.
    """

    def __init__(self, on_command: Callable[[dict[str, Any]], None], on_end: Callable[[], None]) -> None:
        self._on_command = on_command
        self._on_end = on_end
        self._supervisor = os.getppid()
        self._decoder = Decoder()
        self._transport: asyncio.WriteTransport | None = None
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_call = 0
        self._ended = asyncio.Event()

    async def open(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """Take over the child's end of the socket pair."""
        await loop.create_unix_connection(lambda: self, sock=sock)

    def send(self, message: dict[str, Any]) -> None:
        """Tell the supervisor something; a no-op when it is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    def entrust(self, message: dict[str, Any]) -> None:
        """Tell the supervisor what must not be lost. Raises ConnectionError when it is gone."""
        # Asked of the kernel: that the line has ended is heard only in one of the loop's next turns.
        if os.getppid() != self._supervisor:
            raise ConnectionError("the supervisor is gone")
        self.send(message)

    async def finish(self) -> None:
        """Send what is still unsent and close."""
        self._on_end = lambda: None
        if self._transport is not None:
            self._transport.close()
            await self._ended.wait()

    async def call(self, name: str) -> dict[str, Any]:
        """Ask the supervisor and return its answer. Raises ConnectionError when it is gone."""
        if self._transport is None:
            raise ConnectionError("the supervisor is gone")
        self._last_call += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[self._last_call] = answer
        self.send({"event": "call", "call": name, "id": self._last_call})
        return await answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                self._dispatch(message)
        except FramingError:
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the supervisor is gone"))
        self._calls.clear()
        self._ended.set()
        self._on_end()

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "answer" not in message:
            self._on_command(message)
            return
        waiting = self._calls.pop(message["id"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message["answer"])
