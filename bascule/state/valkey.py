"""The line to a Valkey or Redis server that machines share: one that may be away at any time.

Nobody waits for it. Whoever has something to ask calls `Line.ask` from a task of its own; where the server does not
answer in time, or is not asked because it did not lately, that returns None. Waits between attempts grow.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 5.0
"""Seconds between two attempts to reach a server that is away: at first, and at most."""
T = TypeVar("T")


class Line:
    """One line. `say` is told once when the server goes away, and once when it is back."""

    def __init__(
        self,
        host: str,
        port: int,
        path: str = "",
        *,
        user: str = "",
        password: str = "",
        database: int = 0,
        ca: str | None = None,
        timeout: float = 1.0,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        """`path` is that of a UNIX socket, in place of host and port; `ca` a file, or empty for the system's
        authorities, where TLS is spoken."""
        secure = {} if ca is None else {"ssl": True, "ssl_ca_certs": ca or None, "ssl_check_hostname": True}
        place = {"unix_socket_path": path} if path else {"host": host, "port": port, **secure}
        self._name = path or f"{host}:{port}"
        self._redis = Redis(
            **place,
            username=user or None,
            password=password or None,
            db=database,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._timeout = timeout
        self._say = say
        self._not_before = 0.0
        self._wait = FIRST_WAIT
        self.connected: bool | None = None
        """Whether the last question was answered; None before the first."""
        self.answered = 0
        """Questions that were answered."""
        self.failed = 0
        """Questions that were not."""

    async def ask(self, question: Callable[[Redis], Awaitable[T]], patience: float = 0.0) -> T | None:
        """Return what a question to the server returns; None where it is away.

        One of several steps may need more `patience` (seconds) than an answer.
        """
        if monotonic() < self._not_before:
            return None
        try:
            async with asyncio.timeout(patience or self._timeout):
                answer = await question(self._redis)
        except (RedisError, OSError, TimeoutError, ValueError) as error:  # an answer that is none counts as none
            self.failed += 1
            await self._lost(str(error) or type(error).__name__)
            return None
        self.answered += 1
        self._wait = FIRST_WAIT
        if self.connected is False:
            self._say(f"the server {self._name}, which machines share, is back")
        self.connected = True
        return answer

    async def close(self) -> None:
        """Let go of the connection."""
        await self._redis.aclose()

    async def _lost(self, why: str) -> None:
        self._not_before = monotonic() + self._wait * (1 + random.random() / 4)  # noqa: S311 - no secret
        self._wait = min(LONGEST_WAIT, self._wait * 2)
        if self.connected is not False:
            self._say(
                f"the server {self._name}, which machines share, is away: {why}; each counts for itself meanwhile"
            )
        self.connected = False
        await self._redis.connection_pool.disconnect()  # an answer that comes late must not be taken for another one
