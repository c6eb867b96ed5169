"""Words that reach the server out of order, or while others speak: the last one holds everywhere."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from bascule.config.compile import compile_config
from bascule.config.plan import Plan
from bascule.config.schema import Config
from bascule.config.sharing import Sharing
from bascule.defence.attack import AttackWatch
from bascule.defence.ban_keeper import BanKeeper
from bascule.defence.bans import Ban
from bascule.defence.machines.attack import SharedAttacks
from bascule.defence.machines.bans import SharedBans
from bascule.defence.machines.rates import SharedLimit
from bascule.defence.shared import Shared
from bascule.state.buckets import Buckets, hash_of
from bascule.state.locks import make_locks
from bascule.state.sets import MIN_KEYS
from bascule.state.valkey import Line
from tests.defence.test_ban_keeper import Bus
from tests.support.valkey import Valkey

CONFIG = Config.model_validate({"sites": {"*": {"routes": {"/": {"respond": {"status": 200}}}}}})
PLAN = Plan(CONFIG, (), (), (), "", ())
LIMITED = compile_config(
    Config.model_validate({"listen": [80], "limit": "5/s", "sites": {"*": {"routes": {"/": "10.0.0.1:80"}}}})
)
NETWORK = "192.0.2.1"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def share(valkey: Valkey, request: pytest.FixtureRequest) -> Sharing:
    return Sharing.model_validate({"server": valkey.place, "prefix": request.node.name.replace("_", "-")[:32]})


def banning(share: Sharing, folder: Path, name: str) -> tuple[BanKeeper, SharedBans]:
    keeper = BanKeeper(CONFIG.defence, Shared(PLAN), Bus(), str(folder / name))
    return keeper, SharedBans(share, keeper)


def test_a_ban_that_comes_late_does_not_undo_that_it_was_lifted(share: Sharing, tmp_path: Path, valkey: Valkey) -> None:
    name = f"{{{share.prefix}}}:bans"
    late = msgspec.json.encode(Ban(NETWORK, time.time() + 600, time.time() - 1))

    async def scene() -> None:
        line = Line(share.server.host, share.server.port)
        one, shares = banning(share, tmp_path, "one")
        one.add(NETWORK, 600, "")
        one.remove(NETWORK)
        await shares.exchange(line)
        with Redis(valkey.address) as server:
            server.hset(name, NETWORK, late)
            server.xadd(f"{name}:changes", {"ban": late})
        for _ in range(2):
            await shares.exchange(line)
        assert not list(one.list.current())
        newcomer, later = banning(share, tmp_path, "two")
        await later.exchange(line)
        assert not list(newcomer.list.current()), "the server was told again"
        await line.close()

    asyncio.run(scene())


class Watch(AttackWatch):
    """Of one site, of which operators say whether it is under attack."""

    def __init__(self) -> None:
        super().__init__(PLAN, Bus(), lambda: None, time.monotonic)  # type: ignore[arg-type, return-value]
        self.sites = ["site"]


def test_what_an_operator_says_while_another_word_is_told_is_told_too(share: Sharing, valkey: Valkey) -> None:
    here, there = Watch(), Watch()
    words, theirs = SharedAttacks(share, here), SharedAttacks(share, there)
    told = words._tell

    async def interrupted(redis: Any) -> bool:
        words._tell = told  # type: ignore[method-assign]
        done = await told(redis)
        here.say("off")
        return done

    async def scene() -> None:
        line = Line(share.server.host, share.server.port)
        words._tell = interrupted  # type: ignore[method-assign]
        here.say("on")
        for _ in range(2):
            await words.exchange(line)
        await theirs.exchange(line)
        assert here.by_hand() == there.by_hand() == {"site": False}
        with Redis(valkey.address) as server:  # a machine that is slow overwrites it with what was said before
            server.set(
                f"{{{share.prefix}}}:attack-by-hand", json.dumps({"at": time.time() - 9, "sites": {"site": True}})
            )
        for each in (theirs, words):
            await each.exchange(line)
        newcomer = Watch()
        await SharedAttacks(share, newcomer).exchange(line)
        assert newcomer.by_hand() == {"site": False}
        await line.close()

    asyncio.run(scene())


def test_who_speaks_last_is_heard_although_another_clock_is_ahead(share: Sharing, tmp_path: Path) -> None:
    async def scene() -> None:
        line = Line(share.server.host, share.server.port)
        slow, slows = banning(share, tmp_path, "slow")
        ahead = BanKeeper(CONFIG.defence, Shared(PLAN), Bus(), str(tmp_path / "ahead"), lambda: time.time() + 3600)
        aheads = SharedBans(share, ahead)

        async def agree() -> list[bool]:
            for _ in range(3):
                await aheads.exchange(line)
                await slows.exchange(line)
            return [bool(list(keeper.list.current())) for keeper in (slow, ahead)]

        ahead.add(NETWORK, 86400, "")
        assert await agree() == [True, True]
        slow.remove(NETWORK)
        assert await agree() == [False, False]
        ahead.add(NETWORK, 86400, "")
        ahead.remove(NETWORK)
        assert await agree() == [False, False]
        slow.add(NETWORK, 86400, "")
        assert await agree() == [True, True]
        await line.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "answer", [b"*1\r\n$3\r\nx.y\r\n", b"*0\r\n", b":7\r\n", b"*1\r\n*0\r\n", b"$-1\r\n", b"*1\r\n$3\r\ninf\r\n"]
)
def test_debts_that_cannot_be(answer: bytes) -> None:
    (scoped,) = LIMITED.rates
    buckets = Buckets(MIN_KEYS, make_locks())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(answer if b"EVALSHA" in data else b"+OK\r\n" * data.count(b"*"))
        writer.close()

    async def scene() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            line = Line("127.0.0.1", server.sockets[0].getsockname()[1])
            limit = SharedLimit("test", scoped, buckets)
            limit.pending[b"key"] = 1
            await limit.settle(line)
            await line.close()

    asyncio.run(scene())
    assert buckets.until(hash_of(b"key")) < time.monotonic() + 600
