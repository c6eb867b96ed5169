"""The keeper's part of quotas: it knows who has used what of each budget, shows it, and keeps it over a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from bascule.config.schema import Forward
from bascule.forward.quotas import SEEN, Periods, QuotaMemory, account_key, beyond
from bascule.state.files import write_whole
from bascule.telemetry.sinks import complain

INTERVAL: Final = 2.0
"""Seconds between writings of the file: what a crash of the whole machine can lose."""
MOST_NAMES: Final = 1 << 16
MAX_FILE: Final = 64 << 20


class Bus(Protocol):
    """The keeper's end of the bus."""

    def on(self, topic_prefix: str, callback: Callable[[str, Any], None]) -> None: ...


class Use(msgspec.Struct):
    """What somebody used of a budget in a period."""

    quota: str
    who: str
    period: int
    bytes: int
    seconds: float


class _File(msgspec.Struct):
    uses: list[Use]
    version: int = 1


class QuotaKeeper:
    """Holds the names behind the accounts; `file` is where budgets outlive the program."""

    def __init__(
        self, forward: Forward, memory: QuotaMemory, bus: Bus, file: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._quotas = {name: quota for name, quota in forward.quotas.items() if quota.is_budget}
        self._ledger = memory.ledger
        self._bus = bus
        self._file = file
        self._periods = Periods(forward.timezone, clock)
        self._names: dict[tuple[str, str], int] = {}
        """Quotas and who uses them, the one that was seen last at the end; with the key of the account."""
        self._written = b""
        self._complained = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what the file knows and begin."""
        fresh = self._ledger.claim()
        for use in self._load():
            quota = self._quotas.get(use.quota)
            if quota is not None and use.period == self._periods.now(quota.period):
                key = self._names[use.quota, use.who] = account_key(use.quota, use.who)
                if fresh:
                    self._ledger.restore(key, use.period, use.bytes, use.seconds)
        self._bus.on(SEEN, self._seen)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Write the file and end."""
        if self._task is not None:
            self._task.cancel()
        self._save()

    def snapshot(self) -> list[dict[str, Any]]:
        """Return who has used what in the present period, for operators."""
        return [
            {
                "quota": use.quota,
                "who": use.who,
                "period": quota.period,
                "bytes": use.bytes,
                "bytes_limit": quota.bytes,
                "seconds": round(use.seconds),
                "seconds_limit": quota.time,
                "used_up": beyond(quota, use.bytes, use.seconds),
            }
            for use in self._uses()
            if (quota := self._quotas[use.quota])
        ]

    def _seen(self, topic: str, payload: Any) -> None:
        name, who = payload
        if str(name) in self._quotas:
            known = str(name), str(who)
            self._names.pop(known, None)  # it is the most recent one now
            if len(self._names) >= MOST_NAMES:
                self._make_room()
            self._names[known] = account_key(*known)

    def _make_room(self) -> None:
        """Forget who used nothing in the present period, and an eighth at least: who has not been seen for longest."""
        recent = MOST_NAMES - MOST_NAMES // 8
        using = {(use.quota, use.who) for use in self._uses()}
        kept = [known for place, known in enumerate(self._names) if known in using or place > recent]
        self._names = {known: self._names[known] for known in kept[-recent:]}

    def _uses(self) -> list[Use]:
        found = []
        for (name, who), key in self._names.items():
            period = self._periods.now(self._quotas[name].period)
            size, seconds = self._ledger.used(key, period)
            if size or seconds:
                found.append(Use(name, who, period, int(size), seconds))
        return found

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            self._save()

    def _load(self) -> list[Use]:
        try:
            with open(self._file, "rb") as stream:
                return msgspec.json.decode(stream.read(MAX_FILE), type=_File).uses
        except FileNotFoundError:
            return []
        except OSError as error:
            self._complain(error)
        except msgspec.MsgspecError as error:
            complain(f"what was used of budgets before is forgotten: {self._file}: {error}")
        return []

    def _save(self) -> None:
        """Write the file anew if anything changed."""
        content = msgspec.json.encode(_File(self._uses()))
        if content == self._written:
            return
        try:
            write_whole(self._file, content)
        except OSError as error:
            self._complain(error)
            return
        self._written = content

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            reason = getattr(error, "strerror", None) or error
            complain(f"budgets do not outlive this process: {self._file}: {reason}; set forward.quota_file")
