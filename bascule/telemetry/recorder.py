"""What a worker remembers of its requests: one tuple each, turned into log lines and counters batch by batch.

The hot path is `Recorder.append(record)`, a list's own append; whoever made a batch full calls `Recorder.flush()`.
`Recorder.tick()` does so at every tick of the app. A worker that is killed loses what it appended since.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Final, Protocol

from bascule.config.plan import Plan
from bascule.telemetry import store
from bascule.telemetry.accesslog import AccessLogger
from bascule.telemetry.eventlog import EventLog
from bascule.telemetry.record import Record
from bascule.telemetry.sinks import Sink, complain
from bascule.telemetry.tally import Tally

BATCH: Final = 512
"""Records that make a batch full: few enough to be in the processor's cache still, and done in half a millisecond."""
_PROCESS_INTERVAL: Final = 1.0
_COUNT_FILES_EVERY: Final = 10
"""Measurements of the process between two counts of its open files where counting is slow."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Line(Protocol):
    """What is counted of the line to the server that machines share (state/valkey.py)."""

    connected: bool | None
    answered: int
    failed: int


class Recorder:
    """The telemetry of one worker. `slot` is its own in the `stats` arena; `sink` what `open_early` returned."""

    def __init__(
        self,
        plan: Plan,
        stats: store.Arena,
        slot: int,
        *,
        sink: Sink | None = None,
        worker: int = 0,
        generation: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.records: list[Record] = []
        self.append: Callable[[Record], None] = self.records.append
        # Counted by whoever owns the connections; plain integers, copied to shared memory at the tick.
        self.connections_opened = 0
        self.connections_closed = 0
        self.connections_refused = 0
        self.connections_tls = 0
        self.tls_failed = 0
        self.events: EventLog | None = None
        """The event log whose lines are counted, if there is one."""

        self.line: Line | None = None
        """The line to the server that machines share, if they do."""

        config = plan.config.access_log
        self._logger = None if config.path == "off" else AccessLogger(config, sink)
        self._filtered = not plan.logs_all
        block = store.Block(stats, slot)
        self._words = block.words
        self._tally = Tally(plan, block)
        self._clock = clock
        self._process_at = 0.0
        self._measured = 0
        # A slot's counters outlive their worker and go on; its gauges do not.
        for gauge, value in ((store.PID, os.getpid()), (store.WORKER, worker), (store.GENERATION, generation)):
            self._words[gauge] = value
        self._words[store.OPEN] = self._words[store.SHARE] = 0
        self._before = {word: self._words[word] for word in range(store.ACCEPTED, store.SHARE_FAILED + 1)}
        self.tick()

    def flush(self) -> None:
        """Turn the records so far into log lines and counters."""
        if not self.records and (self._logger is None or not self._logger.writer.waiting):
            return
        batch = self.records.copy()
        self.records.clear()  # the same list: `append` stays bound to it
        try:
            self._tally.add(batch)
            if self._logger is not None:
                self._logger.log(batch, self._filtered)
        except Exception as error:  # telemetry must never take the traffic down
            complain(f"telemetry: {len(batch)} records lost: {error!r}")

    def tick(self) -> None:
        """Flush, and publish the gauges. Call it ten times a second."""
        self.flush()
        words, before = self._words, self._before
        words[store.OPEN] = max(0, self.connections_opened - self.connections_closed)
        for word, value in (
            (store.ACCEPTED, self.connections_opened),
            (store.ACCEPTED_TLS, self.connections_tls),
            (store.REFUSED, self.connections_refused),
            (store.TLS_FAILED, self.tls_failed),
        ):
            words[word] = before[word] + value
        if self._logger is not None:
            words[store.LINES] = before[store.LINES] + self._logger.writer.written
            words[store.LINES_DROPPED] = before[store.LINES_DROPPED] + self._logger.writer.dropped
        if self.events is not None:
            words[store.EVENTS] = before[store.EVENTS] + self.events.written
            words[store.EVENTS_DROPPED] = before[store.EVENTS_DROPPED] + self.events.dropped
        if self.line is not None:
            words[store.SHARE] = 1 if self.line.connected is None else 2 + self.line.connected
            words[store.SHARE_ANSWERED] = before[store.SHARE_ANSWERED] + self.line.answered
            words[store.SHARE_FAILED] = before[store.SHARE_FAILED] + self.line.failed
        words[store.CPU] = int(time.process_time() * 1e6)
        now = self._clock()
        words[store.HEARTBEAT] = int(now * 1000) or 1
        if now >= self._process_at:
            self._process_at = now + _PROCESS_INTERVAL
            self._measure_process()

    @property
    def resident(self) -> int:
        """Resident bytes of this process, as of a second ago."""
        return int(self._words[store.RSS])

    def try_failed(self, pool: str, server: str, reason: str) -> None:
        """Count a try that failed: connect, reset, timeout, status or protocol. Called only on failures."""
        self._tally.failed_try(pool, server, reason)

    def decided(self, defence: str, rule: str, decision: str) -> None:
        """Count a decision of defence. Called only where it is not simply to let pass."""
        self._tally.decided(defence, rule, decision)

    def reopen(self) -> None:
        """Write out what there is, then open the log anew, as after a rotation."""
        self.flush()
        if self._logger is not None:
            self._logger.reopen()

    def close(self) -> None:
        """Write out what there is and leave: the slot's gauges no longer count."""
        self.flush()
        if self._logger is not None:
            self._logger.close()
        self.connections_closed = self.connections_opened
        self.tick()
        self._words[store.HEARTBEAT] = 0

    def _measure_process(self) -> None:
        self._measured += 1
        with contextlib.suppress(OSError):
            with open("/proc/self/statm", "rb") as file:
                self._words[store.RSS] = int(file.read().split()[1]) * _PAGE
            files = os.stat("/proc/self/fd").st_size  # the count itself since Linux 6.2, before that 0
            if files or self._measured % _COUNT_FILES_EVERY == 1:
                self._words[store.FDS] = files or len(os.listdir("/proc/self/fd"))
