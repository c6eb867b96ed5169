"""The event log: one line for each request that a rule of the firewall fired on. See `config.observe.EventsLog`.

Several workers append whole lines to one file. Whoever finds it full renames it away, under a lock; the others see
that the name means another file now, and open that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bascule.config.observe import EventsLog
from bascule.telemetry import eventformats
from bascule.telemetry.sinks import FileSink, LineWriter, LogOpenError, Sink, complain, line_limit, open_sink

FLUSH: Final = 1 << 16
"""Bytes of events that are written at once instead of at the next tick."""
_RETRY: Final = 60.0
"""Seconds between attempts to follow or rotate a file where the last one failed."""


def events_path(config: EventsLog) -> str:
    """Return where events go: what the configuration says, or the default of this account."""
    if config.path:
        return config.path
    if os.geteuid() == 0:
        return "/var/log/bascule/events.jsonl"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return str(Path(state) / "bascule" / "events.jsonl")


@dataclass(frozen=True, slots=True)
class OpenEvents:
    """An event log opened before the fork. The path is kept, for the default is another one for another account."""

    path: str
    sink: Sink


def open_events(config: EventsLog, owner: tuple[int, int] | None = None) -> OpenEvents | None:
    """Open the log before the fork and before privileges are dropped; None when it is off or has no place.

    A new file, and the default folder, are given to `owner` (uid, gid), so that workers can rotate it. Where the
    default file cannot be opened, this says so and does without. Raises LogOpenError for a path that was asked for.
    """
    if config.path == "off":
        return None
    path = events_path(config)
    try:
        if not config.path:
            _make_folder(os.path.dirname(path), owner)
        return OpenEvents(path, open_sink(path, owner, "event"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if not config.path:
            complain(f"events of the firewall are not kept: {path}: {reason}; set events.path")
            return None
        raise LogOpenError(
            f"events.path: cannot open {path!r}: {reason}; "
            "create its folder and let Bascule write there, or use -, off or syslog:"
        ) from error


def _make_folder(folder: str, owner: tuple[int, int] | None) -> None:
    os.makedirs(folder, mode=0o750, exist_ok=True)
    if owner and os.geteuid() == 0 and os.stat(folder).st_uid != owner[0]:
        os.chown(folder, *owner)


class EventLog:
    """Writes the events of one worker. `opened` is what `open_events` returned, or None to open the log here."""

    def __init__(self, config: EventsLog, opened: OpenEvents | None = None) -> None:
        self._path = path = opened.path if opened else events_path(config)
        self._config = config
        self._writer = LineWriter(path, opened.sink if opened else None, "event", "bascule_waf_events_dropped_total")
        self._limit = line_limit(path)
        self._lines: list[bytes] = []
        self._size = 0
        self._lost = 0
        self._follow_at = 0.0
        self._stuck = False

    @property
    def written(self) -> int:
        """Events written, or handed to syslog."""
        return self._writer.written

    @property
    def dropped(self) -> int:
        """Events lost."""
        return self._writer.dropped + self._lost

    def write(self, line: bytes) -> None:
        """Take an event: JSON as `Event.to_json` writes it, without the line end. Never waits, never raises."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= FLUSH:
            self.tick()

    def tick(self) -> None:
        """Write what came since the last tick. Call it a few times a second."""
        if not self._lines and not self._writer.waiting:
            return
        lines, self._lines, self._size = self._lines, [], 0
        try:
            self._follow()
            self._writer.write(self._blob(lines))
        except Exception as error:  # telemetry must never take the traffic down
            self._lost += len(lines)
            complain(f"event log: {len(lines)} events lost: {error!r}")

    def reopen(self) -> None:
        """Write what there is, then open the log anew, as after a rotation by somebody else."""
        self.tick()
        self._writer.reopen()
        self._limit = line_limit(self._path)

    def close(self) -> None:
        """Write what goes without waiting, and close."""
        self.tick()
        self._writer.close()

    def _blob(self, lines: list[bytes]) -> bytes:
        if self._config.format == "modsecurity":
            lines = [eventformats.to_modsecurity(line) for line in lines]
        if self._limit:
            lines = [line if len(line) < self._limit else eventformats.fit(line, self._limit - 1) for line in lines]
        return b"".join(line + b"\n" for line in lines)

    def _follow(self) -> None:
        """Rotate a file that is full; open the file anew when it is no longer the one of that name."""
        sink = self._writer.sink
        if not isinstance(sink, FileSink) or (self._stuck and time.monotonic() < self._follow_at):
            return
        try:
            mine = sink.status()
            if mine.st_size >= self._config.max_bytes:
                rotate(self._path, self._config.max_bytes, self._config.keep)
            if not _is_at(self._path, mine):
                self._writer.replace(open_sink(self._path))
            self._stuck = False
        except OSError as error:
            if not self._stuck:
                complain(f"event log {self._path}: cannot be rotated: {error.strerror}; it goes on growing")
            self._stuck, self._follow_at = True, time.monotonic() + _RETRY


def rotate(path: str, limit: int, keep: int) -> None:
    """Rename a file of at least `limit` bytes to ``path.1``, the one before to ``.2``, and so on up to `keep`.

    Several processes may try at once: the lock on the full file lets one of them do it. Raises OSError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return  # another has just renamed it
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(fd)
        if status.st_size < limit or not _is_at(path, status):
            return
        for number in range(keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}.{number}", f"{path}.{number + 1}")
        os.replace(path, f"{path}.1")
    except BlockingIOError:
        return  # another is at it
    finally:
        os.close(fd)


def _is_at(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except FileNotFoundError:
        return False
