"""The access log: which records become lines, in which format, and where they go."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from bascule.config.observe import AccessLog
from bascule.telemetry.formats import make_format
from bascule.telemetry.record import ROUTE, STATUS, Batch
from bascule.telemetry.sinks import LineWriter, LogOpenError, Sink, line_limit, open_sink

_ERROR: Final = 400
"""Statuses from here on are always logged, whatever the sampling."""


def open_early(config: AccessLog, owner: tuple[int, int] | None = None) -> Sink | None:
    """Open the log before the fork and before privileges are dropped; None when it is off.

    A new file is given to `owner` (uid, gid), so that it can be opened again after a rotation. The workers inherit
    what is returned. Raises LogOpenError.
    """
    if config.path == "off":
        return None
    try:
        return open_sink(config.path, owner)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LogOpenError(
            f"access_log.path: cannot open {config.path!r}: {reason}; "
            "create its folder and let Bascule write there, or use -, off or syslog:"
        ) from error


class AccessLogger:
    """Writes the log lines of one worker. `sink` is what `open_early` returned, or None to open it here."""

    def __init__(
        self, config: AccessLog, sink: Sink | None = None, chance: Callable[[], float] = random.random
    ) -> None:
        self.writer = LineWriter(config.path, sink)
        self._config = config
        self._share = config.sample
        self._chance = chance
        self._format = self._make_format()

    def log(self, batch: Batch, filtered: bool = True) -> None:
        """Write the lines of `batch`; `filtered` says that some route may have its log off."""
        rows: Sequence[Any] = batch
        if filtered:
            rows = [row for row in rows if row[ROUTE] is None or row[ROUTE].log]
        if self._share < 1:
            share, chance = self._share, self._chance
            rows = [row for row in rows if row[STATUS] >= _ERROR or not row[STATUS] or chance() < share]
        self.writer.write(self._format(rows))

    def reopen(self) -> None:
        """Open the log anew, as after a rotation."""
        self.writer.reopen()
        self._format = self._make_format()

    def close(self) -> None:
        """Write what goes without waiting, and close."""
        self.writer.close()

    def _make_format(self) -> Callable[[Batch], bytes]:
        return make_format(self._config.format, self._config.fields, line_limit(self._config.path))
