"""What the keeper learns is in the file, whoever else writes it meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bascule.config.loader import load
from bascule.config.plan import Plan
from bascule.proxy.profile_keeper import ProfileKeeper, open_folders, read
from bascule.waf.profile.observation import Observation


class Bus:
    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None:
        pass

    def on(self, topic_prefix: str, callback: Any) -> None:
        pass


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    config = tmp_path / "bascule.yaml"
    config.write_text(
        "listen: ':1'\nwaf: {mode: block, profile: {stage: learning, clients: 1, hold: 1ms, folder: profiles}}\n"
        "sites: {shop.example: ['127.0.0.1:9']}\n"
    )
    return load(config)


def seen(path: str, count: int, client: str = "192.0.2.1") -> dict[str, Any]:
    shown = Observation("shop.example", client, "GET", path, "", ())
    return {"alerts": [], "seen": [msgspec.to_builtins(shown)] * count, "tallies": []}


def test_two_generations_at_once_lose_nothing(plan: Plan) -> None:
    files = open_folders(plan, None)
    old, new = (ProfileKeeper(plan, files, Bus(), None) for _ in range(2))
    old.hear("", seen("/old", 3))
    new.hear("", seen("/new", 4))
    new.settle(early=True)
    old.hear("", seen("/old", 5))
    old.settle(early=True)  # as it ends
    new.hear("", seen("/new", 6))
    new.settle(early=True)
    new.settle(early=True)
    profile = read(files["shop.example"], "shop.example")
    assert profile.learned == 18
    assert new.counts()["shop.example"]["learned"] == 18
    assert new.forget("shop.example", "/old") == 1
    assert [place for place, _ in read(files["shop.example"], "shop.example").places()] == ["/new"]


def test_what_somebody_else_wrote_is_taken_up_and_forgotten_with_the_rest(plan: Plan) -> None:
    files = open_folders(plan, None)
    file = files["shop.example"]
    keeper, other = (ProfileKeeper(plan, files, Bus(), None) for _ in range(2))
    keeper.hear("", seen("/a", 2))
    other.hear("", seen("/b", 3))
    other.settle(early=True)
    assert keeper.forget("shop.example", "/b") == 1
    keeper.settle(early=True)
    assert [place for place, _ in read(file, "shop.example").places()] == ["/a"]
    file.unlink()  # learned anew
    keeper.hear("", seen("/c", 1))
    keeper.settle(early=True)
    assert [place for place, _ in read(file, "shop.example").places()] == ["/c"]
