"""An origin that can be killed. Run as ``python -m tests.faults.origin PORT LOG``; not a test itself.

Every request is answered with its own target, so that a client can tell its answer from another's; ``/slow`` takes
its time, ``/stream`` sends a body piece by piece. LOG gets method and target of each request before its answer begins.
"""

from __future__ import annotations

import asyncio
import os
import sys

PIECES = 40
PIECE = b"0123456789abcdef" * 64


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: int) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _rest = head.split(b" ", 2)
            os.write(log, method + b" " + target + b"\n")
            if method == b"POST":
                await reader.readexactly(4)
            await answer(writer, target)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(writer: asyncio.StreamWriter, target: bytes) -> None:
    if target.startswith(b"/stream"):
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(PIECES):
            writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.write(b"0\r\n\r\n")
    else:
        await asyncio.sleep(0.3 if target.startswith(b"/slow") else 0.001)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(target), target))
    await writer.drain()


async def main() -> None:
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    server = await asyncio.start_server(lambda r, w: serve(r, w, log), "127.0.0.1", int(sys.argv[1]))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
