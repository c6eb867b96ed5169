"""Bans as a list: how long they last, what is kept, what is read and written."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from bascule.config.defence import Bans
from bascule.defence import bans
from bascule.defence.bans import Ban, BanError, BanList, nftables, read_file, read_list
from bascule.defence.networks import NetworkMap


class World:
    def __init__(self, **config: object) -> None:
        self.now = 1000.0
        self.list = BanList(Bans.model_validate(config), lambda: self.now)

    def names(self) -> list[str]:
        return [ban.network for ban in self.list.current()]


def test_bans_grow_and_are_forgotten() -> None:
    world = World(time="10m", growth=4, longest="2h", forget="1d")
    spans = []
    for _ in range(4):
        ban = world.list.add("192.0.2.7")
        spans.append(ban.until - world.now)
        world.now = ban.until + 1
    assert spans == [600, 2400, 7200, 7200]
    assert world.names() == []
    world.now += 86400
    world.list.forget_old()
    assert world.list.add("192.0.2.7").times == 1


def test_two_workers_tell_of_one_offence() -> None:
    world = World()
    first, second = world.list.add("192.0.2.7"), world.list.add("192.0.2.7")
    assert (first.until, first.times) == (second.until, second.times)


def test_a_longer_ban_stays() -> None:
    world = World()
    assert world.list.add("192.0.2.7", 0.0).until == 0
    assert world.list.add("192.0.2.7", 60.0).until == 0
    world.list.add("192.0.2.8", 5000.0)
    assert world.list.add("192.0.2.8", 60.0).until == 6000
    assert world.list.remove("192.0.2.7")
    assert not world.list.remove("192.0.2.7")
    assert world.names() == ["192.0.2.8"]


def test_the_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans, "MAX_BANS", 100)
    world = World()
    world.list.add("192.0.2.1", 0.0)
    for number in range(150):
        world.list.add(f"203.0.113.{number}", 1000.0 + number)
    assert len(world.names()) == 100
    assert "192.0.2.1" in world.names()
    assert "203.0.113.149" in world.names()


def test_what_was_dumped_is_loaded() -> None:
    world = World()
    world.list.add("2001:db8::/32", 0.0, "why", "evidence", "auto")
    world.list.add("192.0.2.9", 50.0)
    assert world.list.changed
    data = world.list.dump()
    assert not world.list.changed
    other = World()
    assert other.list.load(data + b'{"broken\n{"network":"x","until":0,"since":0}\n') == 2
    assert list(other.list.current()) == list(world.list.current())


@pytest.mark.parametrize("text", ["", "x", "192.0.2.0/33", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "192.0.2.1:80"])
def test_what_cannot_be_banned(text: str) -> None:
    refused = r"is not an address or network|would ban everybody"
    with pytest.raises(BanError, match=refused):
        World().list.add(text)
    with pytest.raises(BanError, match=refused):
        list(read_list([text or "-"]))


def test_lists() -> None:
    text = "# a netset\n192.0.2.1\n\n198.51.100.0/24 ; SBL1\n2001:db8::1 # one\n"
    assert list(read_list(text.splitlines())) == ["192.0.2.1", "198.51.100.0/24", "2001:db8::1"]
    with pytest.raises(BanError, match="line 2: 'nonsense' is not an address"):
        list(read_list(["192.0.2.1", "nonsense"]))


def test_a_script_for_the_kernel() -> None:
    world = World()
    world.list.add("192.0.2.0/24", 60.5)
    world.list.add("2001:db8::1", 0.0)
    script = nftables(world.list.current(), world.now)
    assert "elements = { 192.0.2.0/24 timeout 60s }" in script
    assert "elements = { 2001:db8::1 }" in script
    assert "ip saddr @banned4 drop" in script
    assert script.count("{") == script.count("}")


@pytest.mark.parametrize(
    ("address", "word"),
    [
        (b"192.0.2.9", "narrow"),
        (b"192.0.2.200", "wide"),
        (b"203.0.113.1", ""),
        (b"2001:db8::5", "six"),
        (b"::ffff:1.2.3.4", ""),
        (b"", ""),
        (b"unix:", ""),
    ],
)
def test_networks(address: bytes, word: str) -> None:
    found = NetworkMap([("192.0.2.0/24", "wide"), ("192.0.2.9/32", "narrow"), ("2001:db8::/32", "six")])
    assert [found.find(address), found.find(address)] == [word, word]
    assert not NetworkMap(()).find(address)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:200/120", "192.0.2.0/24"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("192.0.2.7/24", "192.0.2.0/24"),
    ],
)
def test_a_network_has_one_name(text: str, name: str) -> None:
    world = World()
    assert list(read_list([text])) == [world.list.add(text, 50.0).network] == [name]
    assert world.list.remove(text)
    world.list.load(b'{"network":"%b","until":0,"since":0}' % text.encode())
    assert world.names() == [name], "as it was written down elsewhere"


@pytest.mark.parametrize(
    "ban",
    [
        {"network": "fe80::1%x } ; flush ruleset\n"},
        {"network": "192.0.2.7", "until": 1e300},
        {"network": "192.0.2.7", "since": 1e300},
    ],
)
def test_what_nobody_can_have_written_down(ban: dict[str, object]) -> None:
    world = World()
    assert world.list.load(json.dumps({"until": 0.0, "since": 0.0, **ban}).encode()) == 0
    assert "elements" not in nftables(world.list.current(), world.now)


def test_a_ban_ends_before_time_does() -> None:
    world = World()
    world.list.add("192.0.2.7", 1e300)
    other = World()
    assert other.list.load(world.list.dump()) == 1


def test_a_word_from_the_end_of_time_can_be_taken_back() -> None:
    world = World()
    world.list.put(Ban("192.0.2.7", 0.0, 1e10))
    assert world.list.add("192.0.2.7", 50.0).since == 1e10
    assert world.list.remove("192.0.2.7")


def test_a_long_comment_of_a_list_is_one(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text(f"# {'x' * (1 << 16)} 198.51.100.1\n192.0.2.1 # {'y' * (1 << 18)}\n192.0.2.2")
    assert list(read_file(str(file))) == ["192.0.2.1", "192.0.2.2"]


def test_a_list_without_an_end_of_line(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("x" * (1 << 24))
    tracemalloc.start()
    try:
        with pytest.raises(BanError, match=r"^line 1: 'x{64}' is not an address") as caught:
            list(read_file(str(file)))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 200
