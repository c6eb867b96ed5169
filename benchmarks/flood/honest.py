"""Honest clients: a browser's fields, cookies that they keep, an even pace; they pass a challenge if asked."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count

from benchmarks.flood.attackers import BROWSER

SOURCE = "127.0.0.2"
NEWCOMERS = 5.0
"""Of them a second, each from an address that never asked for anything."""
PATIENCE = 10.0
"""Seconds that a newcomer waits for its page."""
RATE = 60.0
"""Requests a second."""
LANES = 3
"""Connections."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_TICKET = re.compile(rb'data-ticket="([^"]+)" data-endpoint="([^"]+)" data-puzzles="(\d+)" data-bits="(\d+)"')


@dataclass
class Honest:
    """What it saw: latencies in seconds."""

    port: int
    source: str = SOURCE
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    """Requests that failed, by status, or ``lost`` with the connection."""
    challenged: int = 0
    _cookie: bytes = b""

    async def run(self, seconds: float) -> None:
        """Ask for so long."""
        await asyncio.gather(*(self._lane(seconds) for _ in range(LANES)))

    async def _lane(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        streams = None
        while (begun := time.monotonic()) < end:
            try:
                streams = streams or await self._connect()
                status, page = await self._ask(streams, b"/")
                if status == 403 and (found := _TICKET.search(page)):
                    self.challenged += 1
                    await self._pass(streams, *found.groups())
                    continue
                if status != 200:
                    self.failures[str(status)] += 1
            except (OSError, asyncio.IncompleteReadError):
                self.failures["lost"] += 1
                streams = None
            self.latencies.append(time.monotonic() - begun)
            await asyncio.sleep(max(0.0, LANES / RATE - self.latencies[-1]))
        if streams is not None:
            streams[1].close()

    async def visit(self) -> str:
        """Ask for one page as somebody new does, and once more after a challenge; return what it got in the end."""
        try:
            async with asyncio.timeout(PATIENCE):
                streams = await self._connect()
                try:
                    status, page = await self._ask(streams, b"/")
                    if status == 403 and (found := _TICKET.search(page)):
                        await self._pass(streams, *found.groups())
                        status, _ = await self._ask(streams, b"/")
                    return str(status)
                finally:
                    streams[1].close()
        except (OSError, asyncio.IncompleteReadError):
            return "lost"
        except TimeoutError:
            return "late"

    async def _connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.source, 0))

    async def _ask(self, streams: Streams, target: bytes) -> tuple[int, bytes]:
        reader, writer = streams
        message = BROWSER.replace(b"GET / ", b"GET %b " % target)
        writer.write(message[:-2] + self._cookie + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        for name, value in re.findall(rb"set-cookie: ([^=]+)=([^;]*)", head):
            if name == b"bascule":
                self._cookie = b"Cookie: bascule-try=1; bascule=%b\r\n" % value
            elif not self._cookie:
                self._cookie = b"Cookie: %b=%b\r\n" % (name, value)
        length = re.search(rb"content-length: (\d+)", head)
        return int(head[9:12]), await reader.readexactly(int(length[1]) if length else 0)

    async def _pass(self, streams: Streams, ticket: bytes, endpoint: bytes, *puzzle: bytes) -> None:
        """Compute the proof, beside the other requests as a browser does, and take the cookie for it."""
        answer = await asyncio.to_thread(_solve, ticket, *map(int, puzzle))
        await self._ask(streams, b"%b?t=%b&a=%b" % (endpoint, ticket, answer))

    def quantile(self, share: float) -> float:
        """Return a latency in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Newcomers:
    """Those who come for the first time while others attack."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.got: Counter[str] = Counter()
        """How many got an answer of each status, or nothing (`Honest.visit`)."""
        self._came = 0

    async def run(self, seconds: float) -> None:
        """Let them come for so long."""
        visits = set()
        for _ in range(max(1, int(seconds * NEWCOMERS))):
            visits.add(asyncio.create_task(self._visit()))
            await asyncio.sleep(1 / NEWCOMERS)
        await asyncio.gather(*visits)

    async def _visit(self) -> None:
        number, self._came = self._came, self._came + 1
        got = await Honest(self._port, f"127.0.{1 + number // 250}.{1 + number % 250}").visit()
        self.got[got] += 1


def _solve(ticket: bytes, puzzles: int, bits: int) -> bytes:
    numbers = []
    for index in range(puzzles):
        digests = ((n, sha256(b"%b.%d.%d" % (ticket, index, n)).digest()) for n in count())
        numbers.append(next(n for n, digest in digests if not int.from_bytes(digest[:4], "big") >> (32 - bits)))
    return b".".join(b"%d" % number for number in numbers)
