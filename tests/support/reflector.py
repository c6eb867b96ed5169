"""An origin that answers what it is told to, as albedo does for CRS's tests: see `ftw.reflect`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import cast

from tests.support.ftw import Reflection, reflect

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_BODILESS = {204, 304}


@contextlib.asynccontextmanager
async def reflector() -> AsyncIterator[int]:
    """Run the origin for the time of a `with`; yields its port."""
    async with origin(_serve) as port:
        yield port


@contextlib.asynccontextmanager
async def origin(serve: Serve) -> AsyncIterator[int]:
    """Run an origin whose connections `serve` answers, until they end; yields its port."""
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        connections[task] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.close()
        del connections[task]

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=512)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in connections.values():
            writer.transport.abort()
        await asyncio.gather(*connections)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        method, target, body = await read_request(reader)
        writer.write(_render(method, reflect(target, body)))
        await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bytes]:
    """Return (method, target, body) of the next request. Bascule's requests are well-formed: no leniency here."""
    head = await reader.readuntil(b"\r\n\r\n")
    line, *fields = head.rstrip(b"\r\n").split(b"\r\n")
    method, target, _version = line.split(b" ")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
    return method, target, await read_body(reader, headers)


async def read_body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    """Read a body framed by Content-Length or chunks; there is none without either."""
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body
    return await reader.readexactly(int(headers.get(b"content-length", b"0")))


def _render(method: bytes, answer: Reflection) -> bytes:
    phrase = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in answer.headers)]
    if answer.status not in _BODILESS:
        lines.append(f"content-length: {len(answer.body)}")
    body = b"" if method == b"HEAD" or answer.status in _BODILESS else answer.body
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body
