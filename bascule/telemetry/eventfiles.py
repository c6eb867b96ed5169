"""Reading the event log: typed events, from the newest file to the oldest. The writer is `eventlog.py`."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Final

import msgspec

from bascule.telemetry.eventformats import from_modsecurity

MAX_LINE: Final = 4 << 20
"""Longest line that is read as an event; events are far shorter."""
_POLL: Final = 0.2
"""Seconds between looks at a log that is followed."""


class Matched(msgspec.Struct):
    """A value that matched: its name, the form that matched, after which transformations, and the operator."""

    variable: str = ""
    value: str = ""
    after: list[str] = []
    operator: str = ""
    raw: str = ""
    """The value before the transformations, where they changed it."""


class Change(msgspec.Struct):
    """A `setvar` that was carried out: ``by`` is ``+5``, ``-1``, ``=`` or ``!``."""

    name: str
    by: str
    to: str


class Fired(msgspec.Struct):
    """A rule that fired."""

    id: int
    message: str = ""
    phase: int = 0
    data: str = ""
    severity: str | None = None
    tags: list[str] = []
    file: str = ""
    line: int = 0
    matched: list[Matched] = []
    changes: list[Change] = []


class Decision(msgspec.Struct):
    """What the rules decided; `enforced` tells a refusal from what would have been one."""

    action: str
    status: int = 0
    rule: int = 0
    message: str = ""
    phase: int = 0
    enforced: bool = False


class LoggedEvent(msgspec.Struct):
    """An event as it stands in the log (`waf.events.Event.as_dict`)."""

    reference: str
    time: str = ""
    client: str = ""
    method: str = ""
    target: str = ""
    host: str = ""
    status: int = 0
    mode: str = ""
    verdict: Decision | None = None
    rules: list[Fired] = []
    scores: dict[str, str] = {}
    notes: list[str] = []
    engine_us: int = 0
    cut: bool = False

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def action(self) -> str:
        """``block`` and its kind where it was enforced, ``detect`` where it would have been, else ``log``."""
        if self.verdict is None or self.verdict.action == "allow":
            return "log"
        return self.verdict.action if self.verdict.enforced else "detect"

    @property
    def moment(self) -> float:
        """The time in seconds of the epoch; 0 if it cannot be read."""
        try:
            found = datetime.fromisoformat(self.time)
        except ValueError:
            return 0.0
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


_event = msgspec.json.Decoder(LoggedEvent).decode
_START = b'{"reference":"'


def decode(line: bytes) -> LoggedEvent | None:
    """Return the event of a line of either format; None if it is none, such as one a full disk cut short."""
    try:
        if line.startswith(b'{"transaction"'):
            return msgspec.convert(from_modsecurity(msgspec.json.decode(line)), LoggedEvent)
        return _event(line)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
        behind = line.rfind(_START)  # half a line of one process, and behind it the whole one of another
        return decode(line[behind:]) if behind > 0 else None


def files_of(path: str) -> list[str]:
    """Return the log and its rotated files that exist, the newest first."""
    found = [path] if os.path.exists(path) else []
    number = 1
    while os.path.exists(older := f"{path}.{number}"):
        found.append(older)
        number += 1
    return found


def find(path: str, reference: str) -> LoggedEvent | None:
    """Return the event of a reference id, or None. Raises OSError."""
    wanted = msgspec.json.encode(reference)
    for file in files_of(path):
        with open(file, "rb") as stream:
            for line in _lines(stream):
                if wanted in line and (event := decode(line)) is not None and event.reference == reference:
                    return event
    return None


def recent(path: str, wanted: Callable[[LoggedEvent], bool], limit: int) -> list[LoggedEvent]:
    """Return the last `limit` events that are wanted, the oldest of them first. Raises OSError."""
    found: list[LoggedEvent] = []
    for file in files_of(path):
        with open(file, "rb") as stream:
            events = (event for line in _lines(stream) if (event := decode(line)) is not None and wanted(event))
            found = [*deque(events, limit - len(found)), *found]
        if len(found) >= limit:
            break
    return found


def every(path: str) -> Iterator[LoggedEvent]:
    """Yield all events, the newest file first. Raises OSError."""
    for file in files_of(path):
        with open(file, "rb") as stream:
            yield from filter(None, map(decode, _lines(stream)))


def follow(path: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[LoggedEvent]:
    """Yield events as they are written, also past a rotation, until interrupted. Raises OSError."""
    stream, rest = _open(path), b""
    stream.seek(0, os.SEEK_END)
    try:
        while True:
            while piece := stream.readline(MAX_LINE):
                rest += piece
                if rest.endswith(b"\n") or len(rest) >= MAX_LINE:
                    event, rest = decode(rest), b""
                    if event is not None:
                        yield event
            if _moved(path, stream):
                stream.close()
                stream, rest = _open(path), b""
            else:
                sleep(_POLL)
    finally:
        stream.close()


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _moved(path: str, stream: BinaryIO) -> bool:
    """Tell if the name means another file now, or the file was emptied."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return not os.path.samestat(there, os.fstat(stream.fileno())) or there.st_size < stream.tell()


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.readline(MAX_LINE), b"")
