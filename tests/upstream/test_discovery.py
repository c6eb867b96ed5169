"""Discovery: the loop, DNS against a real server on loopback, files that change."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from bascule.config.pools import Discovery as DiscoveryConfig
from bascule.config.pools import Server
from bascule.upstream.discovery import JITTER, RETRY_MOST, Discovery, DiscoveryError, Found, FoundServer
from bascule.upstream.dns_source import DnsSource
from bascule.upstream.file_source import POLL, FileSource
from tests.upstream.dns_server import DnsServer, dns_server


def member(number: int) -> FoundServer:
    return FoundServer(Server.model_validate(f"10.0.0.{number}:80"))


class Script:
    """A source that plays a script of answers and failures."""

    def __init__(self, *steps: Found | DiscoveryError) -> None:
        self._steps = iter(steps)

    async def read(self) -> Found:
        step = next(self._steps)
        if isinstance(step, DiscoveryError):
            raise step
        return step


class TestLoop:
    def run(self, *steps: Found | DiscoveryError, min_wait: float = 1.0) -> tuple[list[Any], list[float]]:
        """Play the steps; return the answers passed on and the waits in between."""
        changes: list[Any] = []
        discovery = Discovery("pool", Script(*steps), changes.append, random.Random(1), min_wait)

        async def play() -> list[float]:
            return [await discovery.step() for _ in steps]

        return changes, asyncio.run(play())

    def test_it_waits_as_long_as_the_answer_is_good_less_some_jitter(self) -> None:
        _, waits = self.run(*[Found((member(1),), 60.0)] * 20)
        assert all(60 * (1 - JITTER) <= wait <= 60 for wait in waits)
        assert len(set(waits)) > 10

    def test_never_less_than_the_minimum(self) -> None:
        _, waits = self.run(*[Found((member(1),), 5.0)] * 20, min_wait=5.0)
        assert set(waits) == {5.0}

    def test_only_changes_are_passed_on_whatever_their_order(self) -> None:
        changes, _ = self.run(
            Found((member(1), member(2)), 1), Found((member(2), member(1)), 1), Found((member(2), member(2)), 1)
        )
        assert changes == [(member(1), member(2)), (member(2),)]

    def test_failures_keep_the_last_answer_and_are_reported_once(self, capfd: pytest.CaptureFixture[str]) -> None:
        failures = [DiscoveryError("no route to the resolver")] * 8
        changes, waits = self.run(Found((member(1),), 1), *failures, Found((member(1),), 1))
        assert changes == [(member(1),)]
        told = capfd.readouterr().err
        assert told.count("no route") == 1
        assert "keeping the last answer" in told
        assert waits[1:5] == pytest.approx([1, 2, 4, 8], rel=JITTER + 0.01)
        assert max(waits) <= RETRY_MOST

    def test_a_report_is_one_printable_line(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.run(DiscoveryError("bad\n\x1b[31mcontent\r\n  here"))
        assert capfd.readouterr().err.endswith(": bad [31mcontent here\n")

    def test_an_empty_answer_is_a_failure(self, capfd: pytest.CaptureFixture[str]) -> None:
        changes, _ = self.run(Found((member(1),), 1), Found((), 1))
        assert changes == [(member(1),)]
        assert "no servers" in capfd.readouterr().err

    def test_the_loop_sleeps_what_each_step_says(self) -> None:
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                raise asyncio.CancelledError

        source = Script(*[Found((member(1),), 7.0)] * 3)
        discovery = Discovery("pool", source, lambda servers: None, random.Random(1), sleep=sleep)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(discovery.run())
        assert all(6.3 <= wait <= 7 for wait in waits)


def look_up(config: dict[str, Any], prepare: Any) -> Found:
    """Ask a server that `prepare` has filled."""

    async def ask() -> Found:
        async with dns_server() as server:
            prepare(server)
            return await DnsSource(DiscoveryConfig(resolver=server.address, **config)).read()

    return asyncio.run(ask())


def addresses(found: Found) -> list[str]:
    return [str(item.server.address) for item in found.servers]


class TestDns:
    def test_both_families(self) -> None:
        def prepare(server: DnsServer) -> None:
            server.zone["app.example", "A"] = (60, ["10.0.0.2", "10.0.0.1"])
            server.zone["app.example", "AAAA"] = (30, ["2001:db8::1"])

        found = look_up({"dns": "app.example:8000", "scheme": "https"}, prepare)
        assert addresses(found) == [
            "https://10.0.0.1:8000",
            "https://10.0.0.2:8000",
            "https://[2001:db8::1]:8000",
        ]
        assert {item.host for item in found.servers} == {"app.example"}
        assert found.good_for == 30

    @pytest.mark.parametrize(("ttl", "good_for"), [(0, 2), (1, 2), (50, 50), (86400, 90)])
    def test_the_ttl_is_clamped(self, ttl: int, good_for: float) -> None:
        def prepare(server: DnsServer) -> None:
            server.zone["app.example", "A"] = (ttl, ["10.0.0.1"])

        assert look_up({"dns": "app.example:80", "min_ttl": 2, "max_ttl": 90}, prepare).good_for == good_for

    def test_the_ttl_of_an_alias_counts_too(self) -> None:
        def prepare(server: DnsServer) -> None:
            server.zone["www.example", "CNAME"] = (5, ["app.example."])
            server.zone["app.example", "A"] = (60, ["10.0.0.1"])

        found = look_up({"dns": "www.example:80"}, prepare)
        assert addresses(found) == ["http://10.0.0.1:80"]
        assert found.good_for == 5

    @pytest.mark.parametrize("broken", ["A", "AAAA"])
    def test_one_family_in_trouble_does_not_spoil_the_other(self, broken: str) -> None:
        def prepare(server: DnsServer) -> None:
            server.zone["app.example", "A"] = (60, ["10.0.0.1"])
            server.zone["app.example", "AAAA"] = (60, ["2001:db8::1"])
            server.broken.add(broken)

        assert len(look_up({"dns": "app.example:80"}, prepare).servers) == 1

    def test_services_with_weights_and_priorities(self) -> None:
        def prepare(server: DnsServer) -> None:
            records = [
                "10 60 8001 a.example.",
                "10 20 8002 b.example.",
                "20 0 8003 c.example.",
                "10 5 8004 gone.example.",
            ]
            server.zone["_http._tcp.example", "SRV"] = (120, records)
            for number, name in enumerate("abc", 1):
                server.zone[f"{name}.example", "A"] = (60 * number, [f"10.0.0.{number}"])

        found = look_up({"dns": "_http._tcp.example"}, prepare)
        seen = [(str(item.server.address), item.server.weight, item.server.backup, item.host) for item in found.servers]
        assert seen == [
            ("http://10.0.0.1:8001", 60, False, "a.example"),
            ("http://10.0.0.2:8002", 20, False, "b.example"),
            ("http://10.0.0.3:8003", 1, True, "c.example"),
        ]
        assert found.good_for == 60

    def test_heavy_services_are_scaled(self) -> None:
        def prepare(server: DnsServer) -> None:
            server.zone["_x._tcp.example", "SRV"] = (9, ["0 65535 1 a.example.", "0 6553 2 a.example."])
            server.zone["a.example", "A"] = (9, ["10.0.0.1"])

        found = look_up({"dns": "_x._tcp.example"}, prepare)
        assert [item.server.weight for item in found.servers] == [1000, 100]

    @pytest.mark.parametrize(
        ("dns", "records"),
        [
            ("nothing.example:80", {}),
            ("app.example:80", {("app.example", "TXT"): (5, ["x"])}),
            ("_x._tcp.example", {("_x._tcp.example", "SRV"): (5, ["0 0 0 ."])}),
            ("_x._tcp.example", {("_x._tcp.example", "SRV"): (5, ["0 1 80 gone.example."])}),
        ],
    )
    def test_no_answer_is_an_error_that_names_the_name(self, dns: str, records: Any) -> None:
        with pytest.raises(DiscoveryError, match=dns.split(":")[0].lstrip("_")):
            look_up({"dns": dns}, lambda server: server.zone.update(records))

    def test_the_records_change_and_the_resolver_fails(self) -> None:
        """End to end with the loop: a change is seen at the next look, a failure keeps what was known."""

        async def play() -> list[list[str]]:
            changes: list[list[str]] = []
            async with dns_server() as server:
                server.zone["app.example", "A"] = (1, ["10.0.0.1"])
                source = DnsSource(DiscoveryConfig(resolver=server.address, dns="app.example:80"))
                discovery = Discovery(
                    "pool",
                    source,
                    lambda servers: changes.append([str(item.server.address) for item in servers]),
                    random.Random(1),
                )
                await discovery.step()
                server.zone["app.example", "A"] = (1, ["10.0.0.1", "10.0.0.2"])
                await discovery.step()
                server.zone.clear()
                await discovery.step()
                server.zone["app.example", "A"] = (1, ["10.0.0.3"])
                await discovery.step()
            return changes

        assert asyncio.run(play()) == [
            ["http://10.0.0.1:80"],
            ["http://10.0.0.1:80", "http://10.0.0.2:80"],
            ["http://10.0.0.3:80"],
        ]

    @pytest.mark.parametrize("name", ["app.example", ":80", "app.example:0", "app.example:http"])
    def test_a_name_without_a_port_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="is not name:port"):
            DnsSource(DiscoveryConfig(dns=name))


def read(path: Path, **config: Any) -> Found:
    return asyncio.run(FileSource(DiscoveryConfig(file=str(path), **config)).read())


class TestFile:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("s.json", '["10.0.0.1:80", {"address": "10.0.0.2:80", "weight": 5}]'),
            ("s.json", '{"servers": ["10.0.0.1:80", {"address": "http://10.0.0.2:80", "weight": 5}]}'),
            ("s.yaml", "- 10.0.0.1:80\n- {address: 10.0.0.2:80, weight: 5}\n"),
            ("s.yml", "servers:\n  - 10.0.0.1:80\n  - address: 10.0.0.2:80\n    weight: 5\n"),
            ("s.txt", "# ours\n10.0.0.1:80\n\n10.0.0.2:80 weight=5  # the big one\n"),
        ],
    )
    def test_formats(self, tmp_path: Path, name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(text)
        found = read(path)
        assert [(str(item.server.address), item.server.weight) for item in found.servers] == [
            ("http://10.0.0.1:80", 1),
            ("http://10.0.0.2:80", 5),
        ]
        assert found.good_for == POLL

    def test_the_scheme_of_the_pool_is_the_default(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        path.write_text("10.0.0.1:8443\nhttp://10.0.0.2:80\nunix:/run/app.sock\n")
        assert addresses(read(path, scheme="https")) == [
            "https://10.0.0.1:8443",
            "http://10.0.0.2:80",
            "unix:/run/app.sock",
        ]

    @pytest.mark.parametrize(
        ("name", "text", "complaint"),
        [
            ("s.json", '["10.0.0.1:80"', "delimiter"),
            ("s.json", "[" * 100_000, "s.json"),
            ("s.json", '{"server": []}', "under the key servers"),
            ("s.yaml", "- [", "s.yaml"),
            ("s.yaml", "3", "a list of servers"),
            ("s.json", '["10.0.0.1:80", "10.0.0.2"]', "server 2, address: '10.0.0.2' is not an address"),
            ("s.json", '[{"address": "10.0.0.2:1", "wieght": 3}]', "server 1, wieght"),
            ("s.json", "[5]", "server 1, address"),
            ("s.txt", "# members\n\n10.0.0.1:80 weight=heavy", "line 3, weight"),
            ("s.txt", "10.0.0.1:80 #" + "x" * (1 << 20), "larger than"),
        ],
    )
    def test_bad_content_is_refused_with_the_place(self, tmp_path: Path, name: str, text: str, complaint: str) -> None:
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(DiscoveryError, match=complaint) as caught:
            read(path)
        assert str(path) in str(caught.value)

    def test_no_file_or_no_text(self, tmp_path: Path) -> None:
        with pytest.raises(DiscoveryError, match="No such file"):
            read(tmp_path / "absent")
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DiscoveryError, match="utf-8"):
            read(tmp_path / "binary")

    def test_it_is_read_again_when_it_changes_and_only_then(self, tmp_path: Path) -> None:
        async def play() -> None:
            path = tmp_path / "s.txt"
            path.write_text("10.0.0.1:80")
            source = FileSource(DiscoveryConfig(file=str(path)))
            first = await source.read()
            assert await source.read() is first
            replacement = tmp_path / "new"
            replacement.write_text("10.0.0.2:80")
            os.replace(replacement, path)
            assert addresses(await source.read()) == ["http://10.0.0.2:80"]
            path.write_text("nonsense")
            for _ in range(2):
                with pytest.raises(DiscoveryError):
                    await source.read()
            path.write_text("10.0.0.3:80")
            assert addresses(await source.read()) == ["http://10.0.0.3:80"]

        asyncio.run(play())
