"""How commands speak to a running instance: HTTP over its admin socket."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

TIMEOUT = 5.0
MAX_ANSWER = 32 << 20


class UnreachableError(Exception):
    """The instance did not answer, or not as asked; the text says why."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


def call(admin: Path, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send a request with a JSON body to the admin socket `admin`; return its answer. Raises UnreachableError."""
    connection = _UnixConnection(admin)
    headers = {"connection": "close", "content-type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER)
        whole = response.status == 200 or response.getheader("content-type") == "application/json"
        document: dict[str, Any] = json.loads(content) if whole else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"{admin}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise UnreachableError(str(document.get("error") or f"{admin}: {response.status} {response.reason}"))
    return document
