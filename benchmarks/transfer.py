"""One large body through a proxy, down or up, by a client that does as little as possible itself."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

from benchmarks.certificate import HOST
from benchmarks.machine import BenchError

_BUFFER_BYTES = 1 << 20
_TIMEOUT_SECONDS = 120.0


def download(port: int, target: str, size: int) -> float:
    """Fetch `target` and drop it; return the seconds.

    Raises:
        BenchError: the answer is not 200 or not `size` bytes long.
    """
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        begun = time.perf_counter()
        connection.request("GET", target, headers={"Host": HOST})
        answer = connection.getresponse()
        received = 0
        while got := answer.readinto(buffer):
            received += got
        seconds = time.perf_counter() - begun
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"download failed: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200 or received != size:
        raise BenchError(f"download answered {answer.status} with {received} of {size} bytes")
    return seconds


def upload(port: int, target: str, body: Path) -> float:
    """Send the file `body` with PUT by sendfile(2); return the seconds until the answer is complete.

    Raises:
        BenchError: the answer is not 200, or the origin counted another number of bytes.
    """
    size = body.stat().st_size
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        begun = time.perf_counter()
        connection.putrequest("PUT", target, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", HOST), ("Content-Length", str(size))):
            connection.putheader(name, value)
        connection.endheaders()
        with body.open("rb") as file:
            connection.sock.sendfile(file)
        answer = connection.getresponse()
        counted = answer.read()
        seconds = time.perf_counter() - begun
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"upload failed: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200 or counted != str(size).encode():
        raise BenchError(f"upload answered {answer.status}; the origin counted {counted[:40]!r} of {size} bytes")
    return seconds
