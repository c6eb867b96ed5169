"""Quotas: bandwidth, budgets, requests and connections, over all workers, over a restart, seen by rules and operators."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bascule.cli.admin_socket import call
from bascule.config.schema import Forward
from bascule.defence.clients import ClientPrefix
from bascule.forward import quota_keeper
from bascule.forward.policy import Access, Policy
from bascule.forward.quota_keeper import QuotaKeeper
from bascule.forward.quotas import SEEN, Periods, QuotaMemory, Quotas, Refusal, account_key
from bascule.forward.target import make_target
from bascule.state.tallies import NOWHERE
from tests.forward.test_protocols import FORWARD, get, tunnel
from tests.support.clients import Wire, connect
from tests.support.origins import Origin, answer
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

KIB = 1024


def config(quotas: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"forward": {**FORWARD, "quotas": quotas, **more}, "access_log": {"path": "-"}}


def used(program: Bascule) -> list[dict[str, Any]]:
    told = call(program.folder / "run" / "admin.sock", "GET", "/quotas")["quotas"]
    assert isinstance(told, list)
    return told


def big(size: int) -> Any:
    """A handler that answers with so many bytes."""
    return lambda wire, message: wire.send(answer(bytes(size))) or True


# --- bandwidth


@unless_stalled
def test_bandwidth_is_shared_by_all_connections_and_workers(origin: Origin) -> None:
    """2 MiB at 1 MiB/s with 256 KiB at once take 1.75 s, however many connections and workers there are."""
    origin.handler = big(512 * KIB)
    quota = {"bandwidth": 1024 * KIB, "burst": 256 * KIB, "per": "client"}
    with Bascule({**config({"slow": quota}), "workers": 2}) as program:
        begun = time.monotonic()
        threads = [
            threading.Thread(target=lambda: sizes.append(len(get(program.port, f"http://{origin.address}/").body)))
            for _ in range(4)
        ]
        sizes: list[int] = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        get(program.port, f"http://{origin.address}/")  # waits until what is owed is paid
        taken = time.monotonic() - begun
    assert sizes == [512 * KIB] * 4
    assert 1.7 < taken < 4


@unless_stalled
def test_tunnels_are_slowed_both_ways_and_end_well(origin: Origin) -> None:
    quota = {"bandwidth": 400 * KIB, "burst": 100 * KIB, "per": "all"}
    with Bascule(config({"slow": quota})) as program, socket.create_server(("127.0.0.1", 0)) as server:
        begun = time.monotonic()
        with tunnel(program.port, f"127.0.0.1:{server.getsockname()[1]}") as client, Wire(server.accept()[0]) as far:
            up = threading.Thread(target=lambda: (client.send(bytes(250 * KIB)), client.end()))
            down = threading.Thread(target=lambda: (far.send(bytes(250 * KIB)), far.end()))
            up.start()
            down.start()
            got: list[int] = []
            reader = threading.Thread(target=lambda: got.append(len(client.rest())))
            reader.start()
            got.append(len(far.rest()))
            for thread in (up, down, reader):
                thread.join()
        taken = time.monotonic() - begun
    assert got == [250 * KIB] * 2
    assert 0.9 < taken < 3


def test_others_are_not_slowed(origin: Origin) -> None:
    origin.handler = big(512 * KIB)
    quotas = {"slow": {"bandwidth": 10 * KIB, "path": "/slow"}}
    with Bascule(config(quotas)) as program:
        begun = time.monotonic()
        assert len(get(program.port, f"http://{origin.address}/fast").body) == 512 * KIB
        assert time.monotonic() - begun < 25  # as slow as the others it would be 50


# --- budgets


def test_a_budget_is_cut_at_its_end_shown_and_kept_over_a_restart(origin: Origin, tmp_path: Path) -> None:
    origin.handler = big(300 * KIB)
    settings = config({"daily": {"bytes": 1000 * KIB}}, quota_file=str(tmp_path / "quotas.json"))
    with Bascule({**settings, "workers": 2}) as program:
        for _ in range(3):
            assert len(get(program.port, f"http://{origin.address}/").body) == 300 * KIB
        # a client may have its answer before the worker has charged it
        (use,) = wait_for(lambda: [use for use in used(program) if use["bytes"] >= 900 * KIB], "all to be charged")
        assert (use["quota"], use["who"], use["used_up"]) == ("daily", "127.0.0.1", False)
        assert use["bytes"] < 910 * KIB
    with Bascule(settings) as program:
        (use,) = wait_for(lambda: used(program), "the account")
        assert use["bytes"] >= 900 * KIB
        with pytest.raises(Exception, match="ended"):  # what is open is cut
            get(program.port, f"http://{origin.address}/")
        message = get(program.port, f"http://{origin.address}/")
        assert message.status == 403
        assert b"used up for now" in message.body
        with connect(program.port) as wire:
            wire.send(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + origin.port.to_bytes(2, "big"))
            assert wire.exactly(4)[3] == 2
        lines = wait_for(lambda: program.logged()[2:], "the lines")
        assert {(line["cause"], line["rule"]) for line in lines} == {("quota_used", "quota daily")}
        assert used(program)[0]["used_up"]


def test_a_tunnel_is_cut(origin: Origin) -> None:
    with Bascule(config({"daily": {"bytes": 100 * KIB}})) as program, socket.create_server(("127.0.0.1", 0)) as server:
        with tunnel(program.port, f"127.0.0.1:{server.getsockname()[1]}") as client, Wire(server.accept()[0]) as far:
            client.send(bytes(99 * KIB))
            far.exactly(99 * KIB)
            with contextlib.suppress(OSError):
                far.send(bytes(2 * KIB))
            assert len(client.rest()) <= 2 * KIB
        (line,) = wait_for(program.logged, "the line")
        assert (line["status"], line["cause"]) == (200, "quota_used")


def test_rules_and_ways_ask_for_budgets_and_a_reload_forgets_nothing(origin: Origin) -> None:
    origin.handler = big(60 * KIB)
    quotas = {"daily": {"bytes": 100 * KIB, "over": "note"}, "after": {"requests": "2/h", "quota": "daily"}}
    settings = config(quotas, rules=[{"deny": {"quota": "daily", "path": "/big"}, "reason": "Enough."}])
    with Bascule(settings) as program:
        for _ in range(2):
            assert get(program.port, f"http://{origin.address}/big").status == 200
        assert get(program.port, f"http://{origin.address}/big").status == 403
        program.process.send_signal(1)
        wait_for(lambda: any("generation 2" in line for line in program.lines), "the reload")
        message = get(program.port, f"http://{origin.address}/big")
        assert message.status == 403
        assert b"Enough." in message.body
        assert [get(program.port, f"http://{origin.address}/small").status for _ in range(3)] == [200, 200, 429]


def test_a_tunnel_that_was_there_before_is_slowed_too(origin: Origin) -> None:
    """Who opens what is to last before the budget is used up must not be spared what comes after."""
    quotas = {
        "daily": {"bytes": 100 * KIB, "over": "note"},
        "after": {"quota": "daily", "bandwidth": 200 * KIB, "burst": 16 * KIB},
    }
    with (
        Bascule(config(quotas)) as program,
        socket.create_server(("127.0.0.1", 0)) as server,
        tunnel(program.port, f"127.0.0.1:{server.getsockname()[1]}") as client,
        Wire(server.accept()[0]) as far,
    ):
        client.send(bytes(100 * KIB))
        far.exactly(100 * KIB)
        begun = time.monotonic()
        for _ in range(3):
            client.send(bytes(100 * KIB))
            far.exactly(100 * KIB)
        assert time.monotonic() - begun > 0.9


# --- who uses a budget, and who counts


class Bus:
    def on(self, topic_prefix: str, callback: Any) -> None:
        self.call = callback


def test_the_keeper_knows_those_who_use_budgets_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_keeper, "MOST_NAMES", 64)
    forward = Forward.model_validate({"listen": "127.0.0.1:0", "quotas": {"daily": {"bytes": 1000}}})
    memory, bus = QuotaMemory(1), Bus()
    keeper = QuotaKeeper(forward, memory, bus, str(tmp_path / "quotas.json"))
    (tmp_path / "quotas.json").write_text("{")
    asyncio.run(keeper.start())
    day = Periods("").now("day")
    for who in ("anna", "bert"):
        bus.call(SEEN, ["daily", who])
        memory.ledger.charge(account_key("daily", who), day, 10, 1.0)
    for number in range(1000):  # scanned from many addresses, of which nothing passes
        bus.call(SEEN, ["daily", f"198.51.100.{number}"])
        if not number % 50:
            bus.call(SEEN, ["daily", "anna"])
    assert {use["who"] for use in keeper.snapshot()} == {"anna", "bert"}
    for number in range(1000):
        memory.ledger.charge(account_key("daily", f"u{number}"), day, 10, 1.0)
        bus.call(SEEN, ["daily", f"u{number}"])
        if not number % 50:
            bus.call(SEEN, ["daily", "anna"])
    names = {use["who"] for use in keeper.snapshot()}
    assert {"anna", "u999"} <= names
    assert len(names) <= 64


def test_a_worker_that_found_no_column_counts_when_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Forward.model_validate({"listen": "127.0.0.1:0", "quotas": {"one": {"connections": 1}}})
    memory, policy = QuotaMemory(1), Policy(forward, None)
    while memory.tallies.claim() != NOWHERE:  # as many generations as there are columns for
        pass
    quotas = Quotas(forward, memory, ClientPrefix(32, 64))
    access = Access(policy, b"127.0.0.1", make_target(b"a.test", 80), b"GET")
    access.user = ""
    assert not any(isinstance(quotas.admit(access), Refusal) for _ in range(3))
    memory.tallies._owners[3] = 0  # that worker has ended
    monkeypatch.setattr(quotas, "_claimed", 0.0)
    assert [isinstance(quotas.admit(access), Refusal) for _ in range(2)] == [False, True]


# --- requests and connections


def test_a_rate_limit_may_let_wait(origin: Origin) -> None:
    with Bascule(config({}, limit={"rate": "2/s", "burst": 1, "over": "delay"})) as program:
        begun = time.monotonic()
        assert [get(program.port, f"http://{origin.address}/").status for _ in range(3)] == [200] * 3
        assert time.monotonic() - begun > 0.9


def test_requests_and_rate_limits(origin: Origin) -> None:
    limits = {"limit": {"rate": "4/h", "name": "whole"}}
    with Bascule(config({"few": {"requests": "2/h", "path": "/few"}}, **limits)) as program:
        answers = [get(program.port, f"http://{origin.address}/few") for _ in range(3)]
        assert [message.status for message in answers] == [200, 200, 429]
        assert 1700 < int(answers[2]["retry-after"] or 0) <= 1800
        assert [get(program.port, f"http://{origin.address}/").status for _ in range(2)] == [200, 429]
        lines = wait_for(lambda: program.logged()[4:], "the lines")
        assert {line["cause"] for line in program.logged() if line["status"] == 429} == {"rate_limited"}
        assert lines


def opened(program: Bascule, target: str, count: int, stack: contextlib.ExitStack) -> int:
    """Ask for so many tunnels, kept open by `stack`; return how many were opened."""
    statuses = []
    for _ in range(count):
        wire = stack.enter_context(connect(program.port))
        wire.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        statuses.append(wire.head().status)
    return statuses.count(200)


def test_connections_over_all_workers_and_after_their_death(origin: Origin) -> None:
    with Bascule({**config({"few": {"connections": 3}}), "workers": 2}) as program:
        with contextlib.ExitStack() as some:
            assert opened(program, origin.address, 3, some) == 3
            message = get(program.port, f"http://{origin.address}/")
            assert message.status == 429
            assert b"more connections open" in message.body
        wait_for(lambda: get(program.port, f"http://{origin.address}/").status == 200, "a place")
        with contextlib.ExitStack() as some:
            wait_for(lambda: opened(program, origin.address, 1, some), "a tunnel")
            for pid in program.children():
                os.kill(pid, signal.SIGKILL)

        def all_free() -> bool:
            with contextlib.ExitStack() as stack:
                return opened(program, origin.address, 3, stack) == 3

        wait_for(all_free, "all three places")


def test_what_is_open_at_a_reload_still_counts(origin: Origin) -> None:
    with Bascule({**config({"one": {"connections": 1, "per": "all"}}), "workers": 2}) as program:

        def ask() -> int:
            return get(program.port, f"http://{origin.address}/").status

        with tunnel(program.port, origin.address):
            for generation in (2, 3, 4, 5):  # those before have ended but for the one with the tunnel
                program.process.send_signal(signal.SIGHUP)
                wait_for(lambda n=generation: any(f"generation {n}" in line for line in program.lines), "the reload")
                assert ask() == 429
        wait_for(lambda: ask() == 200, "a place")


# --- limits that rules set


def test_a_rule_that_limits(origin: Origin) -> None:
    """Only what the rule decides about is counted, and only as it says."""
    rules = [
        {"allow": {"path": "/free"}},
        {"limit": {"path": "/few"}, "requests": "2/h"},
        {"limit": {"path": "/slow"}, "bandwidth": 1024 * KIB, "burst": 256 * KIB, "name": "slow ones"},
        {"limit": {"method": "CONNECT"}, "connections": 1, "per": "all"},
        {"deny": {"path": "/denied"}},
    ]
    with Bascule({"forward": {**FORWARD, "rules": rules}, "access_log": {"path": "-"}, "workers": 2}) as program:

        def ask(path: str) -> int:
            return get(program.port, f"http://{origin.address}{path}").status

        assert [ask("/few") for _ in range(3)] == [200, 200, 429]
        assert [ask("/free/few") for _ in range(3)] == [200, 200, 200]
        assert ask("/denied") == 403
        with tunnel(program.port, origin.address), connect(program.port) as second:
            second.send(f"CONNECT {origin.address} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert second.response("GET").status == 429
        origin.handler = big(768 * KIB)
        begun = time.monotonic()
        assert ask("/slow") == ask("/slow") == 200
        assert time.monotonic() - begun > 0.9  # 1.5 MiB, of which 256 KiB at once, and what is owed at the end waits
        lines = wait_for(lambda: [x for x in program.logged() if x["rule"].startswith("quota rules[")], "the refusals")
        assert {line["rule"] for line in lines} >= {"quota rules[1]"}
