"""Names to addresses, remembered for a short while and asked for once at a time.

Who is asked is the machine's resolver, unless `dns.py` asks others.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

KEPT_FOR = 30.0
"""Seconds an answer is used again: the machine's resolver does not tell the TTL, and that of most names is longer."""
FAILED_FOR = 3.0
"""Seconds a failure is used again: long enough to keep a page of a dead site from asking a hundred times."""
MAX_NAMES = 4096
MAX_ADDRESSES = 16
"""Addresses of a name that are tried."""
_FLAGS = socket.AI_ADDRCONFIG


class ResolveError(OSError):
    """A name has no address, or nobody says which."""


Asker = Callable[[str], Awaitable[tuple[list[str], float]]]
"""Returns the addresses of a name, and the seconds for which they hold. Raises OSError where nobody says."""


class Resolver:
    """Resolves for one worker; `asker` takes the place of the machine's resolver."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], asker: Asker | None = None) -> None:
        self._loop = loop
        self._asker = asker or self._ask_system
        self._clock = clock
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._asked: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    def known(self, host: str) -> tuple[str, ...] | None:
        """Return what is remembered of a name; empty if it has no address, None if it has to be asked for."""
        until, addresses = self._known.get(host, (0.0, ()))
        return addresses if until > self._clock() else None

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a name in the order to try them. Raises ResolveError."""
        addresses = self.known(host)
        if addresses is None:
            asked = self._asked.get(host)
            if asked is None:
                asked = self._asked[host] = self._loop.create_task(self._ask(host))
                asked.add_done_callback(lambda _: self._asked.pop(host, None))
            # Shielded: a client that goes away must not take the answer from the others that wait for it.
            addresses = await asyncio.shield(asked)
        if not addresses:
            raise ResolveError(f"{host} has no address")
        return addresses

    async def _ask(self, host: str) -> tuple[str, ...]:
        try:
            found, kept = await self._asker(host)
        except (OSError, UnicodeError):
            found, kept = [], FAILED_FOR
        addresses = _interleaved(found) if found else ()
        if len(self._known) >= MAX_NAMES:
            self._known.clear()
        self._known[host] = (self._clock() + kept, addresses)
        return addresses

    async def _ask_system(self, host: str) -> tuple[list[str], float]:
        found = await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=_FLAGS)
        return [str(name[0]) for _family, _type, _proto, _canonical, name in found], KEPT_FOR


def _interleaved(addresses: list[str]) -> tuple[str, ...]:
    """Return the addresses with the families taking turns (RFC 8305 4), so that a dead one costs one try."""
    unique = list(dict.fromkeys(addresses))
    first = [address for address in unique if (":" in address) == (":" in unique[0])]
    second = [address for address in unique if address not in first]
    mixed = [address for pair in zip(first, second, strict=False) for address in pair]
    shorter = min(len(first), len(second))
    return (*mixed, *first[shorter:], *second[shorter:])[:MAX_ADDRESSES]
