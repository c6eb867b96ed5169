"""What defence did, told: counters for all of it, and events with the evidence for as much as operators can read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from bascule.config.defence import NAMED_KEYS
from bascule.defence.hitters import Hitters
from bascule.defence.keys import Request

EVENTS_A_SECOND = 50
"""Events a worker writes; of a flood the rest is only counted, and the next event tells how many."""
TARGET_SHOWN = 512


Count = Callable[[str, str, str], None]
"""Counts a decision: the defence, its rule, what was decided (`telemetry.store.DECISIONS`)."""


class Reports:
    """The reports of one worker; `count` counts, `write` takes the lines of the event log, if there is one."""

    __slots__ = ("_hitters", "_left", "_silent", "_write", "count", "tell")

    def __init__(self, count: Count, write: Callable[[bytes], None] | None) -> None:
        self.count = count
        self.tell: Callable[[list[tuple[str, float]]], object] = lambda top: None
        """Told each second who is refused most, while anybody is."""
        self._hitters = Hitters()
        self._write = write
        self._left = EVENTS_A_SECOND
        self._silent = 0

    def every_second(self) -> None:
        """Allow the events of another second, and tell who is refused most."""
        self._left = EVENTS_A_SECOND
        if (top := self._hitters.every_second()) is not None:
            self.tell(top)

    def event(self, request: Request, status: int, message: str, notes: list[str]) -> None:
        """Write an event, unless there were too many; `status` 0 says that the request passed."""
        if status:
            self._hitters.add(request.client)
        if self._write is None:
            return
        if not self._left:
            self._silent += 1
            return
        self._left -= 1
        if self._silent:
            notes = [*notes, f"{self._silent} more decisions had no event of their own"]
            self._silent = 0
        self._write(
            msgspec.json.encode(
                {
                    "reference": request.reference(),
                    "time": datetime.fromtimestamp(request.started_at, UTC).isoformat(timespec="milliseconds"),
                    "client": request.client.decode("latin-1"),
                    "method": request.method.decode("latin-1"),
                    "target": request.head.target.partition(b"?")[0][:TARGET_SHOWN].decode("latin-1"),
                    "host": request.head.authority.decode("latin-1"),
                    "status": status,
                    "mode": "On" if status else "DetectionOnly",
                    "verdict": {"action": "block", "status": status, "message": message, "enforced": bool(status)},
                    "rules": [],
                    "notes": notes,
                }
            )
        )


def shown_key(names: tuple[str, ...], key: bytes) -> str:
    """Return a key of a limit as evidence shows it: of fields, cookies and users only the beginning."""
    parts = key.split(b"\0") if len(names) > 1 else [key]
    shown = []
    for name, part in zip(names, parts, strict=False):
        text = part.decode("latin-1")
        secret = name.partition(":")[0] in (*NAMED_KEYS, "user") and text.startswith("=")
        shown.append(f"{name}={text[1:4]}***" if secret else f"{name}={text}")
    return ", ".join(shown)
