"""Measuring a running firewall: labelled rows sent over the wire, refusals counted by status."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from bascule.waf.logic.learn.corpora import Request
from bascule.waf.logic.learn.evaluation import Result, labelled

TIMEOUT = 10.0
"""Seconds that an answer over the wire may take."""
_REFUSED = (400, 403)
"""What the firewall answers; 400 is what the protocol itself forbids."""
_OWN = frozenset((b"content-length", b"connection", b"transfer-encoding", b"host", b"accept-encoding"))


def measure_wire(rows: Iterable[dict[str, Any]], url: str, preset: str) -> Result:
    """Send rows to a running firewall and count what it refuses; `preset` is the one it runs at.

    Raises:
        OSError: it cannot be reached, or does not answer in time.
    """
    result = Result()
    parts = urlsplit(url)
    address = parts.hostname or "127.0.0.1", parts.port or 80
    for row in rows:
        kind, request = labelled(row)
        began = time.perf_counter()
        status = _ask(address, request)
        result.seconds += time.perf_counter() - began
        tally = result.classes[kind]
        tally.total += 1
        tally.refused[preset] += status in _REFUSED
    return result


def _ask(address: tuple[str, int], request: Request) -> int:
    """Send one request on its own connection; return the status, 0 if the connection was closed without one."""
    with socket.create_connection(address, TIMEOUT) as peer:
        peer.sendall(b"".join(_wire(request)))
        answer = b""
        while b"\r\n" not in answer:
            piece = peer.recv(4096)
            if not piece:
                return 0
            answer += piece
    status = answer[9:12]
    return int(status) if status.isdigit() else 0


def _wire(request: Request) -> Iterator[bytes]:
    host = next((value for name, value in request.headers if name == b"host"), b"localhost")
    yield b"%b %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n" % (request.method, request.target, host)
    for name, value in request.headers:
        if name not in _OWN:
            yield b"%b: %b\r\n" % (name, value)
    if request.body:
        yield b"Content-Length: %d\r\n" % len(request.body)
    yield b"\r\n" + request.body
