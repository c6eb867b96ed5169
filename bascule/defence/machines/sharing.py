"""Who asks the server that machines share: each worker about its limits, the keeper about bans and attacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from redis.asyncio import Redis

from bascule.config.plan import ScopedLimit
from bascule.config.sharing import Sharing
from bascule.defence.attack import AttackWatch
from bascule.defence.ban_keeper import BanKeeper
from bascule.defence.keys import Keys
from bascule.defence.machines.attack import SharedAttacks
from bascule.defence.machines.bans import INTERVAL, SharedBans
from bascule.defence.machines.rates import SharedLimit
from bascule.defence.rates import Rule
from bascule.state.buckets import Buckets
from bascule.state.valkey import Line
from bascule.telemetry.sinks import complain

_QUIET: Final = 1.0
"""Seconds after which a server that nothing was asked is asked whether it is there."""


def _line(share: Sharing, say: Callable[[str], object]) -> Line:
    return Line(
        share.server.host,
        share.server.port,
        share.server.path,
        user=share.user,
        password=share.password,
        database=share.database,
        ca=share.ca if share.tls else None,
        timeout=share.timeout,
        say=say,
    )


class SharedRates:
    """The limits of one worker."""

    def __init__(self, share: Sharing) -> None:
        self._share = share
        self.line = _line(share, lambda text: None)  # the keeper says it
        self._limits: dict[int, SharedLimit] = {}
        self._task: asyncio.Task[None] | None = None

    def rule(self, scoped: ScopedLimit, keys: Keys, buckets: Buckets) -> Rule:
        """Return a limit made ready to run."""
        limit = self._limits.setdefault(id(buckets), SharedLimit(self._share.prefix, scoped, buckets))
        rule = Rule(scoped, keys, buckets)
        rule.passed = limit.note
        return rule

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""
        self._task = loop.create_task(self._run())

    def close(self) -> None:
        """End. What was not told yet is lost."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        asked = 0.0
        while True:
            await asyncio.sleep(self._share.interval)
            for limit in list(self._limits.values()):
                if limit.pending:
                    asked = monotonic()
                    await limit.settle(self.line)
            if monotonic() - asked > _QUIET:
                asked = monotonic()
                await self.line.ask(_ping)


async def _ping(redis: Redis) -> bool:
    await redis.echo("bascule")
    return True


class SharedKeeper:
    """The bans and attacks of one keeper."""

    def __init__(self, share: Sharing, bans: BanKeeper, attacks: AttackWatch) -> None:
        self._line = _line(share, complain)
        self._bans = SharedBans(share, bans)
        self._attacks = SharedAttacks(share, attacks)
        self._task: asyncio.Task[None] | None = None
        self._broken = False

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
        await self._line.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._bans.exchange(self._line)
                await self._attacks.exchange(self._line)
                self._broken = False
            except Exception as error:  # what others wrote there must not end the sharing for ever
                self._complain(error)
            await asyncio.sleep(INTERVAL)

    def _complain(self, error: Exception) -> None:
        """Say once what is wrong with what the server has, until it is right again."""
        if not self._broken:
            self._broken = True
            complain(f"what machines share cannot be read, trying again: {error!r}")
