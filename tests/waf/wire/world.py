"""One Bascule with a firewall in front of a reflecting origin, and clients that speak raw bytes to it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule.cli.folders import cache_dir
from tests.server.harness import PATIENCE, Program, wait_for
from tests.support.shared import shared_dir

COMPILE_TIME = 300.0
"""Seconds that the first start may take: it compiles the Core Rule Set."""
ANSWER_TIME = 30.0


class Guarded(Program):
    """``bascule run`` with a firewall and an event log."""

    command = ("-m", "bascule", "run")

    def __init__(self, server: str, waf: dict[str, Any], route: dict[str, Any] | None = None, **config: Any) -> None:
        routes = {"/": {"servers": [server], "waf": waf, **(route or {})}}
        super().__init__({"sites": {"*": {"routes": routes}}, "workers": 1, "access_log": {"path": "off"}, **config})
        self.events_file = self.folder / "events.jsonl"
        self.write(events={"path": str(self.events_file)})

    def ready(self) -> Program:
        over = lambda: self.said("bascule: ready on ") or self.process.poll() is not None  # noqa: E731
        wait_for(over, "the ready line", COMPILE_TIME)
        return super().ready()

    def events(self) -> list[dict[str, Any]]:
        """Return the events written up to now."""
        if not self.events_file.exists():
            return []
        lines = self.events_file.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def event(self, **wanted: Any) -> dict[str, Any]:
        """Wait for an event with these values."""

        def found() -> dict[str, Any] | None:
            return next((e for e in self.events() if all(e.get(k) == v for k, v in wanted.items())), None)

        event = wait_for(found, f"an event with {wanted}")
        assert event is not None
        return event


@contextlib.contextmanager
def guarded(server: str, waf: dict[str, Any], route: dict[str, Any] | None = None, **config: Any) -> Iterator[Guarded]:
    """A `Guarded` that is ready. Starts take turns, so that of many processes one compiles the rules for all."""
    program = Guarded(server, waf, route, **config)
    try:
        folder = cache_dir("")
        with open((folder or program.folder) / "tests.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            program.start().ready()
        yield program
    finally:
        program.end()


def crs_folder(place: Path, extra: str = "") -> Path:
    """Make a folder of the Core Rule Set whose set-up has further directives."""
    source = shared_dir("crs")
    (place / "crs-setup.conf").write_text((source / "crs-setup.conf.example").read_text() + extra)
    (place / "rules").symlink_to(source / "rules")
    return place


@dataclass(slots=True)
class Answer:
    """What came back; status 0 stands for nothing that is an HTTP response."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


async def send(address: tuple[str, int], request: bytes, source: str = "") -> Answer:
    """Send a request over a connection of its own, from a chosen loopback address, and return the answer."""
    method = request.partition(b" ")[0]
    local = (source, 0) if source else None
    async with asyncio.timeout(ANSWER_TIME):
        reader, writer = await asyncio.open_connection(*address, local_addr=local)
        try:
            writer.write(request)
            return await read_answer(reader, method)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader, method: bytes = b"GET") -> Answer:
    """Read one response; an end of the connection before its head is status 0, within the body it ends the body."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1"):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer()
    line, *fields = head.rstrip(b"\r\n").split(b"\r\n")
    answer = Answer(int(line.split(b" ")[1]))
    answer.headers = {name.lower(): value.strip() for name, _, value in (f.partition(b":") for f in fields)}
    if method == b"HEAD" or answer.status in (204, 304):
        return answer
    try:
        if answer.headers.get(b"transfer-encoding") == b"chunked":
            while size := int(await reader.readuntil(b"\r\n"), 16):
                answer.body += (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
        elif (length := answer.headers.get(b"content-length")) is not None:
            answer.body = await reader.readexactly(int(length))
        else:
            answer.body = await reader.read(-1)
    except asyncio.IncompleteReadError as error:
        answer.body += error.partial
    return answer


__all__ = ["PATIENCE", "Answer", "Guarded", "crs_folder", "guarded", "read_answer", "send"]
