"""The keeper's loop from end to end: real servers and files in, board and bus out."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any, cast

import pytest

from bascule.config.plan import Plan, PoolPlan
from bascule.config.schema import Config
from bascule.upstream.board import Board
from bascule.upstream.keeper import UpstreamKeeper
from bascule.upstream.members import parse_members
from tests.support.program import until
from tests.upstream.dns_server import dns_server
from tests.upstream.support import Harness, PlainArena, plan_of

FAST = {"interval": 0.02, "timeout": 1, "rise": 2, "fall": 2}


def plan_with(*pools: PoolPlan) -> Plan:
    config = Config.model_validate(
        {"listen": ["127.0.0.1:0"], "sites": {"*": {"routes": {"/": {"servers": ["[::1]:1"]}}}}}
    )
    return Plan(config=config, listeners=(), sites=(), pools=pools, digest="", files=())


class Bus:
    """Keeps what was published, as JSON would carry it."""

    def __init__(self) -> None:
        self.topics: dict[str, Any] = {}
        self.count = 0

    def publish(self, topic: str, payload: Any) -> None:
        self.topics[topic] = json.loads(json.dumps(payload))
        self.count += 1

    def addresses(self, pool: str = "pool") -> dict[int, str]:
        payload = self.topics.get(f"pool/{pool}/members", {"members": []})
        return {member.slot: str(member.server.address) for member in parse_members(payload, 256)}


class Site:
    """A server that can be switched between good and bad, and off."""

    def __init__(self) -> None:
        self.status = 200
        self.server: asyncio.Server | None = None
        self.port = 0
        self.checks = 0
        self.open: set[asyncio.Transport] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Visit(self), "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server:
            self.server.close()
            await self.server.wait_closed()
        for transport in self.open.copy():
            transport.abort()
        await asyncio.sleep(0)  # or what was just accepted, or aborted, is still open when the loop ends
        self.server = None


class Visit(asyncio.Protocol):
    """A check of a site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.site.open.add(self.transport)
        if self.site.server is None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(b"\r\n\r\n"):
            self.site.checks += 1
            self.transport.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % self.site.status)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.site.open.discard(self.transport)


def keeper_of(
    plan: PoolPlan, arena: PlainArena | None = None, bus: Bus | None = None
) -> tuple[UpstreamKeeper, Board, Bus]:
    board = Board(arena or PlainArena(), [plan], 1)
    bus = bus or Bus()
    topics = dict(bus.topics)
    return UpstreamKeeper(plan_with(plan), board, bus.publish, time.monotonic, retained=topics.get), board, bus


def test_a_server_goes_down_and_comes_back() -> None:
    async def run() -> None:
        sites = [Site(), Site()]
        for site in sites:
            await site.start()
        plan = plan_of([f"127.0.0.1:{site.port}" for site in sites], health=FAST)
        keeper, board, _ = keeper_of(plan)
        await keeper.start()
        try:
            await until(lambda: all(site.checks > 3 for site in sites))
            assert not board.pools[0].is_down(0)
            await sites[0].stop()
            await until(lambda: board.pools[0].is_down(0))
            assert board.pools[0].back[0] == 0
            await sites[0].start()
            await until(lambda: not board.pools[0].is_down(0))
            assert board.pools[0].back[0] > 0, "since when it is back, for workers that start later"
            sites[1].status = 500
            await until(lambda: board.pools[0].is_down(1))
            assert not board.pools[0].is_down(0)
        finally:
            await keeper.stop()
            for site in sites:
                await site.stop()
        checks = sites[0].checks
        await asyncio.sleep(0)
        assert sites[0].checks == checks
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_server_that_is_dead_from_the_start_is_out_after_one_look() -> None:
    async def run() -> None:
        site = Site()
        await site.start()
        await site.stop()
        plan = plan_of([f"127.0.0.1:{site.port}"], health={**FAST, "interval": 3600, "jitter": 0, "fall": 3})
        keeper, board, _ = keeper_of(plan)
        await keeper.start()
        await until(lambda: board.pools[0].is_down(0))
        await keeper.stop()

    asyncio.run(run())


def test_a_restarted_keeper_knows_who_was_down_and_checks_again() -> None:
    async def run() -> None:
        site = Site()
        await site.start()
        plan = plan_of([f"127.0.0.1:{site.port}"], health=FAST)
        arena = PlainArena()
        Board(arena, [plan], 1).pools[0].set_flags(0, down=True, drain=True, weight=5)
        keeper, board, _ = keeper_of(plan, arena)
        await keeper.start()
        await until(lambda: not board.pools[0].is_down(0))
        assert board.pools[0].is_drained(0)
        assert board.pools[0].weight(0) == 5
        await keeper.stop()
        await site.stop()

    asyncio.run(run())


def replace(path: Path, *servers: str) -> None:
    new = path.with_suffix(".new")
    new.write_text("\n".join(servers))
    os.replace(new, path)


def file_plan(path: Path, **config: Any) -> PoolPlan:
    return plan_of([], discover={"file": str(path), "min_ttl": 0.01}, **config)


def test_members_from_a_file_get_slots_are_published_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bascule.upstream.file_source.POLL", 0.01)
    path = tmp_path / "servers"

    async def run() -> None:
        sites = [Site(), Site(), Site()]
        for site in sites:
            await site.start()
        names = [f"127.0.0.1:{site.port}" for site in sites]
        urls = [f"http://{name}" for name in names]
        replace(path, *names[:2])
        keeper, board, bus = keeper_of(file_plan(path, health=FAST))
        await keeper.start()
        try:
            await until(lambda: set(bus.addresses().values()) == set(urls[:2]))
            first = bus.addresses()
            assert set(first) == {0, 1}
            await until(lambda: sites[0].checks > 1 and sites[1].checks > 1)
            replace(path, *names[1:])
            await until(lambda: set(bus.addresses().values()) == set(urls[1:]))
            kept = next(slot for slot, url in first.items() if url == urls[1])
            assert bus.addresses()[kept] == urls[1]
            assert 2 in bus.addresses(), "a slot just freed is the last to be used again"
            sites[2].status = 503
            await until(lambda: board.pools[0].is_down(2))
            replace(path, "what is this?")
            replace(path, *names)
            await until(lambda: len(bus.addresses()) == 3)
            assert bus.addresses()[2] == urls[2]
            assert board.pools[0].is_down(2)
        finally:
            await keeper.stop()
            for site in sites:
                await site.stop()

    asyncio.run(run())


def test_the_next_keeper_goes_on_with_the_members_of_the_last(tmp_path: Path) -> None:
    """After a crash: same board, same slots. After a reload: a new board, and the source unreadable at that moment."""

    async def run() -> None:
        path = tmp_path / "servers"
        replace(path, "10.0.0.2:80", "10.0.0.1:80")
        plan, arena = file_plan(path), PlainArena()
        keeper, _, bus = keeper_of(plan, arena)
        await keeper.start()
        assert len(bus.addresses()) == 2, "a pool has its members when the start is over"
        await keeper.stop()
        before = bus.addresses()

        replace(path, "10.0.0.1:80", "10.0.0.2:80", "10.0.0.0:80")
        keeper, _, bus = keeper_of(plan, arena, bus)
        await keeper.start()
        await until(lambda: len(bus.addresses()) == 3)
        await keeper.stop()
        assert before.items() <= bus.addresses().items()

        path.unlink()
        keeper, _, bus = keeper_of(plan, bus=bus)
        await keeper.start()
        assert len(keeper.snapshot()["pool"]) == 3
        replace(path, "10.0.0.9:80", "10.0.0.0:80")
        await until(lambda: len(bus.addresses()) == 2)
        await keeper.stop()
        assert bus.addresses()[2] == "http://10.0.0.0:80"

    asyncio.run(run())


def test_members_from_dns_reach_a_worker() -> None:
    async def run() -> None:
        async with dns_server() as server:
            server.zone["app.example", "A"] = (1, ["10.0.0.1", "10.0.0.2"])
            harness = Harness([], discover={"dns": "app.example:8000", "resolver": server.address})
            bus = Bus()
            keeper = UpstreamKeeper(plan_with(harness.plan), harness.board, bus.publish, time.monotonic)
            await keeper.start()
            await until(lambda: bus.count > 0)
            harness.pool.update_members(bus.topics["pool/pool/members"])
            assert {harness.serve().host_header for _ in range(8)} == {b"app.example:8000"}
            assert len(harness.pool.servers) == 2
            await keeper.stop()

    asyncio.run(run())


def test_more_members_than_slots_are_cut_and_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        path = tmp_path / "servers"
        replace(path, *[f"10.0.{n // 200}.{n % 200}:80" for n in range(300)])
        keeper, _, bus = keeper_of(file_plan(path))
        await keeper.start()
        await until(lambda: bus.count > 0)
        await keeper.stop()
        assert len(bus.addresses()) == 256
        assert "more members than 256" in capfd.readouterr().err

    asyncio.run(run())


def test_operators_drain_and_weigh() -> None:
    async def run() -> None:
        harness = Harness(2)
        keeper = UpstreamKeeper(plan_with(harness.plan), harness.board, Bus().publish, time.monotonic)
        await keeper.start()
        assert keeper.override("pool", "http://10.0.0.1:80", drain=True)
        assert set(harness.numbers(6)) == {2}
        harness.board.pools[0].set_flags(0, down=True, drain=True)
        (first, second) = keeper.snapshot()["pool"]
        assert (first["state"], first["drained"]) == ("down", True), "both are told"
        assert (second["state"], second["drained"]) == ("up", False)
        harness.board.pools[0].set_flags(0, down=False, drain=True)
        assert keeper.override("pool", "http://10.0.0.1:80", drain=False, weight=2)
        assert sorted(harness.numbers(6)) == [1, 1, 1, 1, 2, 2]
        assert not keeper.override("pool", "http://10.9.9.9:80", drain=True)
        assert not keeper.override("none", "http://10.0.0.1:80", drain=True)
        await keeper.stop()

    asyncio.run(run())


def test_a_task_that_breaks_does_not_do_so_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(topic: str, payload: Any) -> None:
        raise RuntimeError("the bus is gone")

    async def run() -> None:
        path = tmp_path / "servers"
        replace(path, "10.0.0.1:80")
        plan = file_plan(path)
        keeper = UpstreamKeeper(plan_with(plan), Board(PlainArena(), [plan], 1), broken, time.monotonic)
        await keeper.start()
        told = ""

        def heard() -> bool:
            nonlocal told
            told += capfd.readouterr().err
            return "the bus is gone" in told

        await until(heard)
        await keeper.stop()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"servers": 1, "health": {"body": "("}}, "pool pool: health.body"),
        ({"servers": [], "discover": {"dns": "no-port"}}, "pool pool: discover.dns"),
    ],
)
def test_what_cannot_run_is_refused_at_once(config: dict[str, Any], complaint: str) -> None:
    plan = plan_of(config.pop("servers"), **config)
    with pytest.raises(ValueError, match=complaint):
        keeper_of(plan)
