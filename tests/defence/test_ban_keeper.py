"""The keeper of bans at a hand-over: of two that live, one has the list and the file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.config.defence import CrowdSec
from bascule.config.plan import Plan
from bascule.config.schema import Config
from bascule.defence.ban_keeper import ANY, HELD, NETWORKS, OFFENDER, WATCHED, BanKeeper
from bascule.defence.crowdsec import CrowdSecWatch, Decision, Stream
from bascule.defence.shared import Shared
from bascule.state.buckets import hash_of


class Bus:
    def __init__(self) -> None:
        self.topics: dict[str, Any] = {}
        self.tell: Callable[[str, Any], None] = lambda topic, payload: None
        """What a worker sends reaches who listens."""

    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None:
        self.topics[topic] = payload

    def on(self, topic_prefix: str, callback: Callable[[str, Any], None]) -> None:
        self.tell = callback

    def retained(self, topic: str) -> Any:
        return self.topics.get(topic)


def make(bus: Bus, file: str) -> tuple[BanKeeper, Shared]:
    config = Config.model_validate({"sites": {"*": {"routes": {"/": {"respond": {"status": 200}}}}}})
    shared = Shared(Plan(config, (), (), (), "", ()))
    return BanKeeper(config.defence, shared, bus, file), shared


def test_what_others_decide_about_clients_and_wider_networks(tmp_path: Path) -> None:
    bus = Bus()
    keeper, shared = make(bus, str(tmp_path / "bans.jsonl"))
    until = time.time() + 600
    keeper.hold("192.0.2.1", until)
    keeper.hold("198.51.100.0/24", until)
    keeper.publish()
    assert shared.bans.until(hash_of(b"192.0.2.1")) > time.monotonic()
    assert bus.topics == {NETWORKS: [["198.51.100.0/24", "crowdsec"]], ANY: True, WATCHED: [], HELD: True}
    keeper.release("198.51.100.0/24")
    keeper.publish()
    assert (bus.topics[NETWORKS], bus.topics[ANY]) == ([], True)
    keeper.release("192.0.2.1")
    keeper.watch("192.0.2.0/24", on=True)
    keeper.publish()
    assert shared.bans.until(hash_of(b"192.0.2.1")) < time.monotonic()
    assert bus.topics == {NETWORKS: [], ANY: False, WATCHED: ["192.0.2.0/24"], HELD: True}


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is nothing to wait for but the clock
            await asyncio.sleep(0.005)


def test_networks_that_are_too_many_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bascule.defence.ban_keeper.MAX_BANS", 3)
    bus = Bus()
    keeper, _ = make(bus, str(tmp_path / "bans.jsonl"))
    for number in range(5):
        keeper.hold(f"10.{number}.0.0/16", time.time() + 600)
        keeper.publish()
    assert len(bus.topics[NETWORKS]) == 3
    assert capfd.readouterr().err.count("beyond 3 they are not in force") == 1


def test_a_keeper_with_nothing_new_looks_through_no_bans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.defence.ban_keeper.INTERVAL", 0.005)
    now = 1000.0
    bus = Bus()
    keeper, _ = make(bus, str(tmp_path / "bans.jsonl"))
    keeper._clock = keeper.list._clock = lambda: now
    looks: list[None] = []
    publish = keeper.publish

    def look() -> None:
        looks.append(None)
        publish()

    async def live() -> None:
        nonlocal now
        await keeper.lead()
        monkeypatch.setattr(keeper, "publish", look)
        keeper.add("198.51.100.0/24", 600, "")
        await asyncio.sleep(0.1)
        assert len(looks) == 2, "when it was added, and when the file was written"
        assert bus.topics[NETWORKS]
        now = 1700.0
        await _until(lambda: not bus.topics[NETWORKS])
        assert len(looks) == 3
        keeper.hold("203.0.113.0/24", 1800.0)
        look()
        assert bus.topics[NETWORKS] == [["203.0.113.0/24", "crowdsec"]]
        now = 1900.0
        await _until(lambda: not bus.topics[NETWORKS])
        assert not bus.topics[ANY], "though nobody said again that it has ended"
        await keeper.stop()

    asyncio.run(live())


def test_a_botnet_that_bans_itself_costs_no_look_at_all_bans_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = Bus()
    keeper, shared = make(bus, str(tmp_path / "bans.jsonl"))
    looks: list[None] = []
    publish = keeper.publish
    monkeypatch.setattr(keeper, "publish", lambda: looks.append(publish()))
    keeper._waiting = None  # it leads
    for number in range(1, 21):
        keeper._offended("", [f"192.0.2.{number}", "more than 20/m offences", "the last one: waf"])
        assert bus.topics[ANY], "from the first on workers look"
        assert shared.bans.until(hash_of(b"192.0.2.%d" % number)) > time.monotonic()
    assert len(looks) == 1


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
        bus.tell(OFFENDER, ["192.0.2.4", "more than 20/m offences", "the last one: waf"])
        await old.stop()
        await new.lead()
        assert [ban.network for ban in new.list.current()] == ["192.0.2.2", "192.0.2.3", "198.51.100.0/24", "192.0.2.4"]
        assert [banned(b"192.0.2.%d" % number) for number in (1, 2, 3, 4)] == [False, True, True, True]
        assert bus.topics == {NETWORKS: [["198.51.100.0/24", "operator"]], ANY: True, WATCHED: []}
        await new.stop()

    asyncio.run(scene())


def test_what_a_keeper_before_held_is_let_go(tmp_path: Path) -> None:
    config = Config.model_validate({"sites": {"*": {"routes": {"/": {"respond": {"status": 200}}}}}})
    shared = Shared(Plan(config, (), (), (), "", ()))
    before, bus = BanKeeper(config.defence, shared, Bus(), str(tmp_path / "one")), Bus()
    after = BanKeeper(config.defence, shared, bus, str(tmp_path / "two"))
    before.hold("192.0.2.1", time.time() + 600)
    assert shared.bans.until(hash_of(b"192.0.2.1")) > time.monotonic()
    after.hold("198.51.100.0/24", time.time() + 600)
    after.release("192.0.2.1")
    after.publish()
    assert shared.bans.until(hash_of(b"192.0.2.1")) <= time.monotonic()
    assert bus.topics == {NETWORKS: [["198.51.100.0/24", "crowdsec"]], ANY: True, WATCHED: [], HELD: True}
    after.watch("203.0.113.0/24", True)
    after.release("198.51.100.0/24")
    after.publish()
    assert bus.topics == {NETWORKS: [], ANY: False, WATCHED: ["203.0.113.0/24"], HELD: True}


def test_a_reload_that_drops_crowdsec_lets_go_whom_it_kept_out(tmp_path: Path) -> None:
    config = Config.model_validate({"sites": {"*": {"routes": {"/": {"respond": {"status": 200}}}}}})
    shared = Shared(Plan(config, (), (), (), "", ()))
    bus, file = Bus(), str(tmp_path / "bans.jsonl")

    async def scene() -> None:
        before = BanKeeper(config.defence, shared, bus, file)
        await before.lead()
        before.add("192.0.2.2", 600, "by hand")
        before.hold("192.0.2.1", time.time() + 600)
        before.publish()
        await before.stop()
        after = BanKeeper(config.defence, shared, bus, file)
        await after.lead()
        assert [shared.bans.until(hash_of(b"192.0.2.%d" % n)) > time.monotonic() for n in (1, 2)] == [False, True]
        assert not bus.topics[HELD]
        await after.stop()

    asyncio.run(scene())


def test_what_crowdsec_took_back_while_no_keeper_lived_is_let_go(tmp_path: Path) -> None:
    keeper, shared = make(Bus(), str(tmp_path / "bans.jsonl"))
    shared.bans.hold(hash_of(b"192.0.2.1"), time.monotonic() + 600)
    watch = CrowdSecWatch(CrowdSec(url="http://127.0.0.1:1", key="x"), keeper)
    watch.take(Stream(new=[Decision("192.0.2.3", "ban", "Ip", "10m")]))
    assert [shared.bans.until(hash_of(b"192.0.2.%d" % n)) > time.monotonic() for n in (1, 3)] == [False, True]
