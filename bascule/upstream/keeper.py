"""The keeper's part of the pools: active checks and discovery, whose results it puts on the board and the bus."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from bascule.config.plan import Plan, PoolPlan
from bascule.config.pools import Server
from bascule.upstream.adaptive import learned
from bascule.upstream.board import Board, PoolBoard
from bascule.upstream.checker import Checker, CheckFailedError
from bascule.upstream.discovery import Discovery, FoundServer, Source
from bascule.upstream.dns_source import DnsSource
from bascule.upstream.file_source import FileSource
from bascule.upstream.health import Health
from bascule.upstream.members import Member, encode_members, parse_members, static_members
from bascule.upstream.report import report
from bascule.upstream.server import server_key

PARALLEL_CHECKS = 64
"""Checks of all pools under way at a time."""
FIRST_WITHIN = 1.5
"""Seconds that the start waits for the first members of pools: without, the first requests would find no server."""

Publish = Callable[[str, Any], None]


class UpstreamKeeper:
    """Runs checks and discovery of every pool.

    `publish(topic, payload)` sends and retains a payload; `retained(topic)` is the last one, perhaps of an earlier
    keeper: with it a pool has its members at once, and also while its source cannot be read.
    Raises ValueError when a check or discovery cannot be run as configured, naming the pool.
    """

    def __init__(
        self,
        plan: Plan,
        board: Board,
        publish: Publish,
        clock: Callable[[], float],
        rng: random.Random | None = None,
        retained: Callable[[str], Any] = lambda topic: None,
    ) -> None:
        rng = rng or random.Random()  # noqa: S311 - spreads checks in time, no secret
        self._retained = retained
        gate = asyncio.Semaphore(PARALLEL_CHECKS)
        self.pools = {
            pool.name: PoolKeeper(pool, board.pools[pool.index], publish, clock, rng, gate) for pool in plan.pools
        }

    async def start(self) -> None:
        """Begin to check and discover; return when every pool has members, or has had time to find some."""
        for pool in self.pools.values():
            pool.start(self._retained(pool.topic))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WITHIN):
                for pool in self.pools.values():
                    await pool.known.wait()

    async def stop(self) -> None:
        """End all checks and look-ups."""
        for pool in self.pools.values():
            await pool.stop()

    def override(self, pool: str, server: str, *, drain: bool | None = None, weight: int | None = None) -> bool:
        """Drain a server (or end that), or give it another weight, by an operator. False if there is no such server.

        It reaches all workers at once, and holds over reloads and upgrades.
        """
        keeper = self.pools.get(pool)
        return keeper is not None and keeper.override(server, drain, weight)

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Return the state of every server by pool, for operators."""
        return {name: keeper.snapshot() for name, keeper in self.pools.items()}


class PoolKeeper:
    """Checks and discovery of one pool."""

    def __init__(
        self,
        plan: PoolPlan,
        board: PoolBoard,
        publish: Publish,
        clock: Callable[[], float],
        rng: random.Random,
        gate: asyncio.Semaphore,
    ) -> None:
        self.topic = f"pool/{plan.name}/members"
        self._plan = plan
        self._board = board
        self._publish = publish
        self._clock = clock
        self._rng = rng
        self._gate = gate
        self._members: dict[str, Member] = {}
        self.known = asyncio.Event()
        """Set when its members are known."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._freed: dict[int, float] = {}
        """Slots and when they became free: the one free for longest is taken first."""
        self._discovery: asyncio.Task[None] | None = None
        self._source = self._make_source()
        if plan.config.health:
            self._checker(Member(Server.model_validate("127.0.0.1:1"), 0))  # finds what is wrong with it now

    def start(self, retained: Any) -> None:
        """Begin, with the members of the retained payload if there is one."""
        config = self._plan.config.discover
        if config is None or self._source is None:
            self._set_members(static_members(self._plan.config))
            return
        if retained is not None:
            self._restore(retained)
        discovery = Discovery(self._plan.name, self._source, self._found, self._rng, config.min_ttl)
        self._discovery = self._begin(discovery.run())

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that is not cancelled never ends; if one does, nobody else would notice."""
        if not task.cancelled():
            report(self._plan.name, f"checks or discovery stopped, please tell the authors: {task.exception()!r}")

    async def stop(self) -> None:
        """End."""
        tasks = [*self._tasks.values(), *([self._discovery] if self._discovery else [])]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def override(self, server: str, drain: bool | None, weight: int | None) -> bool:
        """See UpstreamKeeper.override."""
        member = self._members.get(server)
        if member is None:
            return False
        board, slot = self._board, member.slot
        board.set_flags(
            slot,
            down=board.is_down(slot),
            drain=board.is_drained(slot) if drain is None else drain,
            weight=board.weight(slot) if weight is None else weight,
        )
        return True

    def snapshot(self) -> list[dict[str, Any]]:
        """See UpstreamKeeper.snapshot."""
        now = self._clock()
        return [self._describe(name, member, now) for name, member in self._members.items()]

    def _describe(self, name: str, member: Member, now: float) -> dict[str, Any]:
        board, slot, server = self._board, member.slot, member.server
        adaptive, most = self._plan.config.adaptive, server.max_connections
        override = board.weight(slot)
        weight = server.weight if override is None else override
        ejected = max(0.0, board.ejection(slot)[1] - now)
        drained = server.drain or board.is_drained(slot) or not weight
        state = "down" if board.is_down(slot) else "ejected" if ejected else "drain" if drained else "up"
        return {
            "server": name,
            "state": state,
            "drained": drained,
            "weight": weight,
            "backup": server.backup,
            "active": board.active(slot),
            "limit": most if adaptive is None else learned(board.learned(slot), adaptive, most),
            "ejected_for": round(ejected, 3),
        }

    # -- members

    def _make_source(self) -> Source | None:
        config = self._plan.config.discover
        if config is None:
            return None
        try:
            return DnsSource(config) if config.dns else FileSource(config)
        except ValueError as error:
            raise ValueError(f"pool {self._plan.name}: {error}") from None

    def _restore(self, retained: Any) -> None:
        """Take over the members and slots of an earlier keeper."""
        try:
            members = parse_members(retained, self._board.slots)
        except ValueError as error:
            report(self._plan.name, f"the members of the last keeper are of no use: {error}")
            return
        for member in members:
            self._board.keys[member.slot] = server_key(member.server.address)
        self._set_members(members)

    def _found(self, servers: Sequence[FoundServer]) -> None:
        """Give every member found a slot, tell the workers, then check the new ones."""
        members: list[Member] = []
        wanted = {server_key(item.server.address) for item in servers}
        for member in self._members.values():
            if server_key(member.server.address) not in wanted:
                self._freed[member.slot] = self._clock()
        for item in servers:
            slot = self._slot(server_key(item.server.address), wanted)
            if slot is None:
                report(self._plan.name, f"more members than {self._board.slots}, the rest is not used")
                break
            members.append(Member(item.server, slot, item.host))
        self._set_members(members)
        self._publish(self.topic, encode_members(members))

    def _slot(self, key: int, wanted: set[int]) -> int | None:
        """Return the slot of a server: the one it has or had (also under a keeper before this one), or a free one."""
        keys = self._board.keys
        free = [slot for slot in range(self._board.slots) if keys[slot] not in wanted]
        for slot in range(self._board.slots):
            if keys[slot] == key:
                return slot
        if not free:
            return None
        slot = min(free, key=lambda place: (self._freed.get(place, 0.0), place))
        keys[slot] = key
        self._board.back[slot] = self._clock() if self._members else 0.0
        self._board.set_flags(slot, down=False, drain=False)
        return slot

    def _set_members(self, members: Sequence[Member]) -> None:
        current = {str(member.server.address): member for member in members}
        for name, member in self._members.items():
            if current.get(name) != member:
                self._stop_check(name)
        self._members = current
        self.known.set()
        if self._plan.config.health:
            for name, member in current.items():
                if name not in self._tasks:
                    self._tasks[name] = self._begin(self._watch(member))

    def _stop_check(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task:
            task.cancel()

    # -- checks

    def _checker(self, member: Member) -> Checker:
        config = self._plan.config
        assert config.health is not None
        try:
            return Checker(config, config.health, member)
        except ValueError as error:
            raise ValueError(f"pool {self._plan.name}: {error}") from None

    async def _watch(self, member: Member) -> None:
        """Check a member for as long as it belongs to the pool."""
        config = self._plan.config.health
        assert config is not None
        checker = self._checker(member)
        health = Health(config.rise, config.fall, up=not self._board.is_down(member.slot))
        wait = config.interval * config.jitter * self._rng.random()
        while True:
            await asyncio.sleep(wait)
            async with self._gate:
                reason = await _outcome(checker)
            if health.record(reason is None):
                self._report(member, health.up, reason)
            wait = config.interval * (1 + config.jitter * (2 * self._rng.random() - 1))

    def _report(self, member: Member, up: bool, reason: str | None) -> None:
        name = member.server.address
        report(self._plan.name, f"{name} is up" if up else f"{name} is down: {reason}")
        board, slot = self._board, member.slot
        if up:
            board.back[slot] = self._clock()
        board.set_flags(slot, down=not up, drain=board.is_drained(slot), weight=board.weight(slot))


async def _outcome(checker: Checker) -> str | None:
    """Return why the check failed, or None."""
    try:
        await checker.check()
    except CheckFailedError as error:
        return str(error)
    return None
