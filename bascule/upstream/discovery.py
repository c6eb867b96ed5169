"""Discovery: a source is read again and again, the last good answer stays until there is a better one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bascule.config.pools import Server
from bascule.upstream.report import report

JITTER = 0.1
"""Share by which a wait is shortened at random, so that many proxies do not ask at the same moment."""
RETRY_FIRST = 1.0
RETRY_MOST = 30.0


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A member, and the name it was found under, if its address alone does not tell."""

    server: Server
    host: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An answer and the seconds it is good for."""

    servers: tuple[FoundServer, ...]
    good_for: float


class DiscoveryError(Exception):
    """The source has no usable answer; the text says where and why."""


class Source(Protocol):
    """Where members come from."""

    async def read(self) -> Found:
        """Return the members of now. Raises DiscoveryError."""
        ...


class Discovery:
    """Reads one source and tells `on_change` of each new answer."""

    def __init__(
        self,
        name: str,
        source: Source,
        on_change: Callable[[tuple[FoundServer, ...]], None],
        rng: random.Random,
        min_wait: float = RETRY_FIRST,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._source = source
        self._on_change = on_change
        self._rng = rng
        self._min_wait = min_wait
        self._sleep = sleep
        self._servers: tuple[FoundServer, ...] | None = None
        self._failures = 0
        self._complaint = ""

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._sleep(await self.step())

    async def step(self) -> float:
        """Read once. Return the seconds to wait before the next time."""
        try:
            found = await self._source.read()
            if not found.servers:
                raise DiscoveryError("the answer has no servers")
        except DiscoveryError as error:
            return self._failed(str(error))
        if self._failures:
            report(self._name, "discovery works again")
        self._failures = 0
        self._complaint = ""
        servers = tuple(sorted(set(found.servers), key=lambda item: str(item.server.address)))
        if servers != self._servers:
            report(self._name, f"the members are now {', '.join(str(item.server.address) for item in servers)}")
            self._servers = servers
            self._on_change(servers)
        return max(self._min_wait, self._shorten(found.good_for))

    def _failed(self, text: str) -> float:
        """Report a new trouble once, keep what was known, try again soon and then less often."""
        if text != self._complaint:
            kept = "keeping the last answer" if self._servers else "the pool has no members yet"
            report(self._name, f"discovery failed, {kept}: {text}")
            self._complaint = text
        wait = min(RETRY_MOST, RETRY_FIRST * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return max(self._min_wait, self._shorten(wait))

    def _shorten(self, wait: float) -> float:
        return wait * (1 - JITTER * self._rng.random())
