"""The whole program between origins that can be killed and clients that count what they lose."""

from __future__ import annotations

import http.client
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.server.harness import PATIENCE, ROOT, Program, wait_for

SERVERS = 2


class Origin:
    """A server behind the bridge, in a process of its own; it keeps its port over `kill` and `start`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port = 0
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-m", "tests.faults.origin", str(self.port), str(self.log)]
        self.process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout
        self.process.stdout.close()


class Bascule(Program):
    """``bascule run`` on a configuration with two origins."""

    command = ("-m", "bascule", "run")

    def __init__(self, folder: Path, route: dict[str, Any] | None = None, **config: Any) -> None:
        self.origins = [Origin(folder / f"origin{number}.log") for number in range(SERVERS)]
        servers = [f"127.0.0.1:{origin.port}" for origin in self.origins]
        route = {"servers": servers, "retries": {"on": ["connect", "reset"]}, **(route or {})}
        super().__init__({"sites": {"*": {"routes": {"/": route}}}, "access_log": {"path": "off"}, **config})

    def ask(self, line: str, **options: Any) -> str:
        """GET a path over a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            connection.request("GET", line)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def end(self) -> None:
        super().end()
        for origin in self.origins:
            origin.kill()

    def arrived(self, method: str) -> list[str]:
        """Return the targets of all requests with this method that reached an origin."""
        lines = [line.split() for origin in self.origins for line in origin.log.read_text().splitlines()]
        return [target for found, target in lines if found == method]


class Clients:
    """Keep-alive clients that ask again and again, and count each request that was sent and not answered properly.

    As every pooling client does, they look whether the connection was closed before they send on it; a connection
    that is closed after they sent costs a request, whoever's fault it is.
    """

    def __init__(self, bascule: Bascule, method: str = "GET", count: int = 6) -> None:
        self.answers = 0
        self.losses: list[str] = []
        self.sent: list[str] = []
        self._method = method
        self._address = bascule.address
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(name,), daemon=True) for name in range(count)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        self.more(len(self._threads))
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def more(self, count: int = 50) -> None:
        """Wait for further answers."""
        goal = self.answers + count
        wait_for(lambda: self.answers >= goal, f"{count} more answers; losses: {self.losses}")

    def _run(self, name: int) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE)
        number = 0
        while not self._over.is_set():
            number += 1
            target = f"/{name}/{number}"
            # One client in three lets its connection idle a while, and one uses a new one each time.
            if name % 3 == 1:
                self._over.wait(0.01)
            if name % 3 == 2 or closed(connection):
                connection.close()
            kind = "fresh" if connection.sock is None else "kept"
            try:
                self._exchange(connection, target)
            except (OSError, http.client.HTTPException) as error:
                self.losses.append(f"{target} on a {kind} connection: {error!r}")
                connection.close()
        connection.close()

    def _exchange(self, connection: http.client.HTTPConnection, target: str) -> None:
        self.sent.append(target)
        connection.request(self._method, target, body=b"body" if self._method == "POST" else None)
        response = connection.getresponse()
        body = response.read().decode()
        if response.status == 200 and body == target:
            self.answers += 1
        else:
            self.losses.append(f"{target}: {response.status} {body[:200]!r}")


def closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed this idle connection."""
    return connection.sock is not None and bool(select.select([connection.sock], [], [], 0)[0])
