"""The keeper of bans at a hand-over: of two that live, one has the list and the file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule.config.plan import Plan
from bascule.config.schema import Config
from bascule.defence.ban_keeper import ANY, NETWORKS, WATCHED, BanKeeper
from bascule.defence.shared import Shared
from bascule.state.buckets import hash_of


class Bus:
    def __init__(self) -> None:
        self.topics: dict[str, Any] = {}

    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None:
        self.topics[topic] = payload

    def on(self, topic_prefix: str, callback: Callable[[str, Any], None]) -> None:
        pass


def test_what_the_old_keeper_changes_during_a_hand_over_is_known_to_the_new_one(tmp_path: Path) -> None:
    config = Config.model_validate({"sites": {"*": {"routes": {"/": {"respond": {"status": 200}}}}}})
    shared = Shared(Plan(config, (), (), (), "", ()))

    def keeper(bus: Bus) -> BanKeeper:
        return BanKeeper(config.defence, shared, bus, str(tmp_path / "bans.jsonl"))

    def banned(client: bytes) -> bool:
        return shared.bans.until(hash_of(client)) > time.monotonic()

    async def scene() -> None:
        bus = Bus()
        first, old, new = keeper(Bus()), keeper(Bus()), keeper(bus)
        await first.lead()
        first.add("192.0.2.1", 600, "before")
        first.add("192.0.2.2", 600, "before")
        await first.stop()
        await old.lead()
        new.start()
        assert [ban.network for ban in new.list.current()] == ["192.0.2.1", "192.0.2.2"], "in force from the start"
        old.remove("192.0.2.1")
        old.add("192.0.2.3", 600, "during")
        old.add("198.51.100.0/24", 600, "during")
        await old.stop()
        await new.lead()
        assert [ban.network for ban in new.list.current()] == ["192.0.2.2", "192.0.2.3", "198.51.100.0/24"]
        assert [banned(b"192.0.2.%d" % number) for number in (1, 2, 3)] == [False, True, True]
        assert bus.topics == {NETWORKS: [["198.51.100.0/24", "operator"]], ANY: True, WATCHED: []}
        await new.stop()

    asyncio.run(scene())
