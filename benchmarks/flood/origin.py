"""A server with little capacity: `PARALLEL` requests at a time take `WORK` seconds each, the others wait.

It counts how many requests it ever had in progress at a time; ``/peak`` tells, and begins anew.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys

PARALLEL = 4
WORK = 0.02
CAPACITY = PARALLEL / WORK
"""Requests a second."""
LARGE = b"x" * 131072
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class Origin:
    """See the module."""

    def __init__(self) -> None:
        self._cores = asyncio.Semaphore(PARALLEL)
        self._busy = self._peak = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /peak "):
                    body, self._peak = b"%d" % self._peak, self._busy
                else:
                    body = await self._work(head, reader)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _work(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        self._busy += 1
        self._peak = max(self._peak, self._busy)
        try:
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            async with self._cores:
                await asyncio.sleep(WORK)
        finally:
            self._busy -= 1
        return LARGE if head.startswith(b"GET /large ") else b"x"


async def main() -> None:
    """Serve on a port that is told on standard output, until the process is ended."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = await asyncio.start_server(Origin().serve, sock=sock)
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
