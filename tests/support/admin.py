"""The metrics of a running program, read over its admin socket."""

from __future__ import annotations

import socket

from tests.support.clients import Wire
from tests.support.program import PATIENCE, Bascule


def metrics(bascule: Bascule) -> str:
    """Return the exposition."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(bascule.folder / "run" / "admin.sock"))
        with Wire(sock) as wire:
            wire.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return wire.response().body.decode()


def scrape(bascule: Bascule, name: str, *labels: str) -> float:
    """Return the sum of the series of a metric that have these labels, each as in ``rule="x"``; 0 where none has."""
    found = [line for line in metrics(bascule).splitlines() if line.partition("{")[0].split(" ")[0] == name]
    return sum(float(line.rpartition(" ")[2]) for line in found if all(label in line for label in labels))
