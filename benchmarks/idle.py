"""Many clients that ask once and then keep their connection open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from benchmarks.machine import BenchError
from benchmarks.traffic import fill

Reading = TypeVar("Reading")

_PER_ADDRESS = 100
_AT_ONCE = 64
_TIMEOUT_SECONDS = 30.0


def most_clients(descriptors: int) -> int:
    """Return how many clients a proxy can hold: few need an origin connection; Bascule keeps a quarter for those."""
    return (descriptors - 500) * 3 // 4


def source_address(index: int) -> str:
    """Return the loopback address client `index` comes from; a hundred clients share each."""
    block = index // _PER_ADDRESS
    return f"127.0.{1 + block // 250}.{1 + block % 250}"


def with_idle_connections(port: int, count: int, requests: list[list[bytes]], read: Callable[[], Reading]) -> Reading:
    """Open `count` connections, ask one request on each, and return what `read()` says while all are idle.

    Raises:
        BenchError: one could not be opened, was refused an answer, or was closed by the proxy meanwhile.
    """

    async def hold() -> Reading:
        gate = asyncio.Semaphore(_AT_ONCE)
        clients: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def one(index: int) -> None:
            async with gate, asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", port, local_addr=(source_address(index), 0), limit=4096
                )
                clients.append((reader, writer))
                writer.write(fill(requests[index % len(requests)], index))
                await _read_answer(reader, index)

        try:
            async with asyncio.TaskGroup() as group:
                for index in range(count):
                    group.create_task(one(index))
            reading = await asyncio.to_thread(read)
            closed = sum(reader.at_eof() for reader, _ in clients)
        finally:
            for _, writer in clients:
                writer.transport.abort()
            await asyncio.gather(*(writer.wait_closed() for _, writer in clients), return_exceptions=True)
        if closed:
            raise BenchError(f"{closed} of {count} idle connections were closed while they were held")
        return reading

    try:
        return asyncio.run(hold())
    except ExceptionGroup as group:
        first = group.exceptions[0]
        raise first if isinstance(first, BenchError) else BenchError(f"idle connections failed: {first!r}") from None


async def _read_answer(reader: asyncio.StreamReader, index: int) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0].strip()
    if not head.startswith(b"http/1.1 200 ") or not length.isdigit():
        raise BenchError(f"client {index} was answered {head.splitlines()[0].decode(errors='replace')}")
    await reader.readexactly(int(length))
