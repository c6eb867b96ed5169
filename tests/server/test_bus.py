"""The bus between the keeper and the workers: retained values, reconnects, bounds."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.server.bus import MAX_BACKLOG, BusClient, BusServer
from bascule.server.framing import encode
from tests.server.harness import Program, running, wait_for
from tests.support.program import until


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with tempfile.TemporaryDirectory(prefix="b-") as folder, socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{folder}/bus")
        sock.listen()
        yield sock


def ignore(_topic: str, _payload: Any) -> None:
    pass


async def server_on(listener: socket.socket, **options: Any) -> BusServer:
    server = BusServer(options.get("retained", {}), options.get("keep", ignore))
    await server.start(listener.dup(), asyncio.get_running_loop())
    return server


def client_of(listener: socket.socket) -> BusClient:
    client = BusClient(listener.getsockname(), asyncio.get_running_loop())
    client.start()
    return client


def test_values_reach_subscribers_of_their_prefix(listener: socket.socket) -> None:
    async def scene() -> None:
        server, client = await server_on(listener), client_of(listener)
        pools: list[Any] = []
        client.subscribe("pool/", lambda topic, payload: pools.append((topic, payload)))
        await until(lambda: client.connected)
        server.publish("tls/renewed", 1)
        server.publish("pool/a/members", ["x"])
        await until(lambda: pools)
        assert pools == [("pool/a/members", ["x"])]
        client.close()
        server.close()

    asyncio.run(scene())


def test_last_values_are_there_for_late_connections_and_late_subscriptions(listener: socket.socket) -> None:
    async def scene() -> None:
        server = await server_on(listener)
        for value in (1, 2):
            server.publish("a", value)
        server.publish("b", 3)
        server.publish("b", None)
        client = client_of(listener)
        seen: dict[str, Any] = {}
        await until(lambda: client.connected)
        server.publish("end", True)
        client.subscribe("end", seen.__setitem__)
        await until(lambda: seen)
        client.subscribe("", seen.__setitem__)
        assert seen == {"a": 2, "end": True}
        client.close()
        server.close()

    asyncio.run(scene())


def test_workers_can_send_to_the_keeper(listener: socket.socket) -> None:
    async def scene() -> None:
        server, client = await server_on(listener), client_of(listener)
        got: list[Any] = []
        server.on("event/", lambda topic, payload: got.append((topic, payload)))
        await until(lambda: client.connected)
        assert client.send("event/x", {"n": 1})
        await until(lambda: got)
        assert got == [("event/x", {"n": 1})]
        client.close()
        server.close()

    asyncio.run(scene())


def test_client_finds_the_next_keeper_and_is_in_step(listener: socket.socket) -> None:
    async def scene() -> None:
        first, client = await server_on(listener), client_of(listener)
        seen: dict[str, Any] = {}
        client.subscribe("", seen.__setitem__)
        first.publish("a", 1)
        await until(lambda: seen == {"a": 1})
        first.close()
        await until(lambda: not client.connected)
        assert client.send("lost", 1) is False
        second = await server_on(listener, retained={"a": 2})
        await until(lambda: seen == {"a": 2})
        client.close()
        second.close()

    asyncio.run(scene())


def test_subscriber_that_does_not_keep_up_is_dropped_and_memory_is_bounded(listener: socket.socket) -> None:
    async def scene() -> None:
        server = await server_on(listener)
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(listener.getsockname())
            await until(lambda: server.subscribers)
            chunk = "x" * 65536
            for number in range(4 * MAX_BACKLOG // len(chunk)):
                server.publish("flood", [number, chunk])
            await until(lambda: not server.subscribers)
        server.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\x01x",
        b"\0\0\0\x01" + b"1",
        b"\0\0\0\x03[1]",
        encode([1, {}]),
        encode(["seen", {}]),
        encode(["seen", None]),
        encode(["seen", {"rate": 0}]),
    ],
)
def test_peer_that_talks_nonsense_is_dropped(
    listener: socket.socket, garbage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        server = await server_on(listener)
        server.on("seen", lambda _topic, payload: 1 / payload["rate"])
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(listener.getsockname())
            await until(lambda: server.subscribers)
            sock.sendall(garbage)
            await until(lambda: not server.subscribers)
        server.close()

    asyncio.run(scene())
    assert "bus: dropped a peer" in capfd.readouterr().err


def test_a_handler_that_fails_is_told_with_its_traceback_once(
    listener: socket.socket, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails(_topic: str, payload: Any) -> None:
        raise AttributeError(payload)

    async def scene() -> None:
        server = await server_on(listener)
        server.on("seen", fails)
        for payload in ("first", "second"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(listener.getsockname())
                await until(lambda: server.subscribers)
                sock.sendall(encode(["seen", payload]))
                await until(lambda: not server.subscribers)
        server.close()

    asyncio.run(scene())
    said = capfd.readouterr().err
    assert "dropped a peer: AttributeError('first')" in said
    assert "dropped a peer: AttributeError('second')" in said
    assert said.count("in fails") == said.count("Traceback") == 1


def test_durable_values_are_handed_over_for_keeping(listener: socket.socket) -> None:
    async def scene() -> None:
        kept: list[Any] = []
        server = await server_on(listener, keep=lambda topic, payload: kept.append((topic, payload)))
        server.publish("a", 1)
        server.publish("b", 2, durable=True)
        assert kept == [("b", 2)]
        assert (server.retained("a"), server.retained("c")) == (1, None)
        server.close()

    asyncio.run(scene())


# --- with real processes


@pytest.fixture
def program() -> Iterator[Program]:
    with running({"workers": 1}) as found:
        yield found


def test_worker_reconnects_when_the_keeper_was_killed(program: Program) -> None:
    old = program.pid_of("keeper")
    wait_for(lambda: program.ask("topic keeper") == str(old), "the keeper's pid over the bus")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: program.ask("topic keeper") not in (str(old), "null"), "the new keeper's pid over the bus")
    wait_for(lambda: program.ask("send again") == "True", "the way back")
    wait_for(lambda: program.ask("topic echoed") == '"again"', "the echo of the new keeper")


def test_durable_values_survive_keepers_and_generations(program: Program) -> None:
    assert program.admin("durable value") == "ok"
    wait_for(lambda: program.call("status")["durable"] == ["durable"], "the supervisor to have it")
    os.kill(program.pid_of("keeper"), signal.SIGKILL)
    wait_for(lambda: program.call("status")["restarts"] == 1, "the restart")
    assert program.call("reload")["ok"]
    wait_for(lambda: program.ask("who").startswith("2 ") and program.ask("topic durable") == '"value"', "the value")


def test_worker_that_was_dropped_comes_back_in_step(program: Program) -> None:
    worker = program.pid_of("worker 0")
    os.kill(worker, signal.SIGSTOP)
    program.admin("flood 80")
    wait_for(lambda: program.admin("subscribers") == 0, "the drop: 5 MiB were waiting for it")
    os.kill(worker, signal.SIGCONT)
    wait_for(lambda: program.ask("topic flood").startswith("[79, "), "the last value")


def test_bus_socket_is_the_owners_only(program: Program) -> None:
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in Path(program.instance().path).iterdir()}
    assert set(modes.pop("pid")[2:]) <= set("0644")
    assert modes.pop("kept") == "0o700"
    assert set(modes.values()) == {"0o600"}


def test_workers_begin_with_what_the_keeper_found_at_its_start() -> None:
    with running({"test": {"keeper_starts_in": 0.3}}) as program:
        assert program.ask("topic found") == '"at the start"', "of the very first request"
        assert program.call("reload")["ok"]
        assert program.ask("topic found") == '"at the start"'


def test_workers_begin_without_a_keeper_that_is_away() -> None:
    with running({"test": {"keeper_starts_in": 30}}) as program:
        assert program.ask("topic found") == "null"
