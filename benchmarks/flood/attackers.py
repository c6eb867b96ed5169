"""Attackers from 127.0.0.0/8, each from an address of its own. They say a line when all are there, and end by another.

`python -m benchmarks.flood.attackers KIND PORT COUNT RATE`: `COUNT` connections or addresses, `RATE` actions a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

CURL = b"GET / HTTP/1.1\r\nHost: site.test\r\nUser-Agent: flood\r\nAccept: */*\r\n\r\n"
BROWSER = (
    b"GET / HTTP/1.1\r\nHost: site.test\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
    b"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,"
    b"application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: site.test\r\nUser-Agent: flood\r\nContent-Length: 1000\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: site.test\r\nUser-Agent: flood\r\n\r\n"
BURST = 0.02
"""Seconds between two bursts of a flood that is paced."""
WORKERS = 200
"""Connections of a flood that are kept."""


def address(number: int) -> str:
    """Return the nth attacking address."""
    return f"127.{1 + number // 65024 % 250}.{number // 254 % 256}.{1 + number % 254}"


class Attack:
    """Attackers on one port, and what became of them."""

    def __init__(self, port: int, count: int, rate: float) -> None:
        self._port, self._count, self._rate = port, count, rate
        self.counts: Counter[str] = Counter()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def _connect(self, number: int, receive: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        sock.setsockopt(socket.SOL_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: the port may be that of another address
        sock.bind((address(number), 0))
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
            return await asyncio.open_connection(sock=sock, limit=4096 if receive else 65536)
        except BaseException:
            sock.close()
            raise

    async def _slowly(self, number: int, words: bytes, drip: bytes, receive: int = 0) -> None:
        """Hold a connection: `words` at once, then a byte of `drip` (or one read) every `1 / rate` seconds."""
        while True:
            try:
                reader, writer = await self._connect(number, receive)
                writer.write(words)
                if not drip:
                    await self._sip(reader)
                for byte in drip:
                    writer.write(bytes((byte,)))
                    await writer.drain()
                    if reader.at_eof():
                        break
                    await asyncio.sleep(1 / self._rate)
                writer.close()
            except OSError:
                pass
            self.counts["cut"] += 1
            await asyncio.sleep(1)

    async def _sip(self, reader: asyncio.StreamReader) -> None:
        """Read a few bytes now and then."""
        more = await reader.read(64)
        while more:
            await asyncio.sleep(1 / self._rate)
            more = await reader.read(64)

    async def _crowd(self, one: Callable[[int], Awaitable[None]], pace: float) -> None:
        """Let `count` attackers come, `pace` a second."""
        for number in range(self._count):
            self._tasks.add(asyncio.ensure_future(one(number)))
            if number % 50 == 49:
                await asyncio.sleep(50 / pace)

    async def slowloris(self) -> None:
        """Heads that never end."""
        await self._crowd(lambda number: self._slowly(number, CURL[:20], CURL[20:-2]), 500)

    async def bodies(self) -> None:
        """Bodies that never end."""
        await self._crowd(lambda number: self._slowly(number, POST, b"x" * 1000), 500)

    async def readers(self) -> None:
        """Clients that take their answers a few bytes at a time. They come no faster than the server can answer."""
        await self._crowd(lambda number: self._slowly(number, LARGE, b"", 2048), 120)

    async def addresses(self) -> None:
        """One request from one address after the other, `rate` a second."""
        limit = asyncio.Semaphore(WORKERS)
        came: set[int] = set()

        async def once(number: int) -> None:
            async with limit:
                try:
                    reader, writer = await self._connect(number)
                    came.add(number)
                    writer.write(CURL)
                    await self._answer(reader)
                    writer.close()
                except (OSError, asyncio.IncompleteReadError):
                    self.counts["cut"] += 1

        asked, begun = 0, time.monotonic()
        while True:
            due = int((time.monotonic() - begun) * self._rate)
            for number in range(asked, min(due, asked + WORKERS)):
                task = asyncio.ensure_future(once(number % self._count))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            asked = due  # what is late is not made up for
            self.counts["addresses"] = len(came)
            await asyncio.sleep(BURST)

    async def flood(self) -> None:
        """`rate` requests a second over kept connections, as a program."""
        await self._flood(CURL)

    async def botnet(self) -> None:
        """The same with the fields of a browser."""
        await self._flood(BROWSER)

    async def _flood(self, message: bytes) -> None:
        async def one(number: int) -> None:
            pause = WORKERS / self._rate
            while True:
                try:
                    reader, writer = await self._connect(number)
                    while True:
                        begun = time.monotonic()
                        writer.write(message)
                        await self._answer(reader)
                        await asyncio.sleep(max(0.0, pause - (time.monotonic() - begun)))
                except (OSError, asyncio.IncompleteReadError):
                    self.counts["cut"] += 1
                    await asyncio.sleep(pause)

        self._tasks.update(asyncio.ensure_future(one(number)) for number in range(WORKERS))

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        await reader.readexactly(int(length or 0))
        self.counts[head[9:12].decode()] += 1


async def main(kind: str, port: str, count: str, rate: str) -> None:
    """Attack until a line comes."""
    attack = Attack(int(port), int(count), float(rate))
    work = asyncio.ensure_future(getattr(attack, kind)())
    loop = asyncio.get_running_loop()
    if kind in ("slowloris", "bodies", "readers"):
        await work
    sys.stdout.write("there\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.readline)
    work.cancel()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(attack.counts))
        sys.stdout.flush()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(*sys.argv[1:]))
