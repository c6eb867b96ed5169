"""Members from a file: JSON or YAML (a list, or a list under ``servers``), or one server a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bascule.config.pools import Discovery, Server
from bascule.config.types import Origin
from bascule.upstream.discovery import DiscoveryError, Found, FoundServer

POLL = 1.0
"""Seconds between two looks at the file."""
MAX_BYTES = 1 << 20


class FileSource:
    """Reads the file when it changed; `scheme` is that of the servers given without one."""

    def __init__(self, config: Discovery) -> None:
        self._path = Path(config.file)
        self._scheme = config.scheme
        self._signature: tuple[int, int, int] | None = None
        self._found: Found | None = None

    async def read(self) -> Found:
        """Return the members. Raises DiscoveryError naming the file and what is wrong in it."""
        try:
            before = _signature(self._path)
            if before == self._signature and self._found:
                return self._found
            if before[1] > MAX_BYTES:
                raise DiscoveryError(f"{self._path}: larger than {MAX_BYTES} bytes")
            text = self._path.read_text(encoding="utf-8")
            if _signature(self._path) != before:
                raise DiscoveryError(f"{self._path}: changed while it was read")
        except (OSError, UnicodeDecodeError) as error:
            raise DiscoveryError(f"{self._path}: {error}") from None
        self._found = None
        servers = tuple(self._server(item, place) for place, item in self._items(text))
        self._signature = before
        self._found = Found(servers, POLL)
        return self._found

    def _items(self, text: str) -> list[tuple[str, Any]]:
        """Return what describes the servers, and where it stands."""
        suffix = self._path.suffix.lower()
        if suffix not in (".json", ".yaml", ".yml"):
            lines = enumerate((line.partition("#")[0].strip() for line in text.splitlines()), 1)
            return [(f"line {number}", _line(line)) for number, line in lines if line]
        try:
            data = json.loads(text) if suffix == ".json" else YAML(typ="safe").load(text)
        except (json.JSONDecodeError, YAMLError, RecursionError) as error:
            raise DiscoveryError(f"{self._path}: {error}") from None
        if isinstance(data, dict) and set(data) == {"servers"}:
            data = data["servers"]
        if not isinstance(data, list):
            raise DiscoveryError(f"{self._path}: write a list of servers, or one under the key servers")
        return [(f"server {number}", item) for number, item in enumerate(data, 1)]

    def _server(self, item: Any, where: str) -> FoundServer:
        data = dict(item) if isinstance(item, dict) else {"address": item}
        try:
            server = Server.model_validate(data)
            if "://" not in str(data["address"]) and not server.address.address.path:
                server = server.model_copy(update={"address": Origin(self._scheme, server.address.address)})
            return FoundServer(server)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"])
            reason = problem.get("ctx", {}).get("error") or problem["msg"]  # without pydantic's "Value error, "
            raise DiscoveryError(f"{self._path}: {where}, {key}: {reason}") from None


def _line(line: str) -> dict[str, Any]:
    """Read ``address [key=value ...]``, the keys being those of a server in the configuration."""
    address, *options = line.split()
    data: dict[str, Any] = {"address": address}
    for option in options:
        key, _, value = option.partition("=")
        data[key] = value
    return data


def _signature(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino
