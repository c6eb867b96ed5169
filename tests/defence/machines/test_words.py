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

from bascule.config.plan import Plan
from bascule.config.schema import Config
from bascule.config.sharing import Sharing
from bascule.defence.attack import AttackWatch
from bascule.defence.ban_keeper import BanKeeper
from bascule.defence.bans import Ban
from bascule.defence.machines.attack import SharedAttacks
from bascule.defence.machines.bans import SharedBans
from bascule.defence.shared import Shared
from bascule.state.valkey import Line
from tests.defence.test_ban_keeper import Bus
from tests.support.valkey import Valkey

CONFIG = Config.model_validate({"sites": {"*": {"routes": {"/": {"respond": {"status": 200}}}}}})
PLAN = Plan(CONFIG, (), (), (), "", ())
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
