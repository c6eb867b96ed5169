"""Two machines that share: limits, bans and attacks; what happens while their server is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.defence.test_shared_limits import NEWCOMERS, Flood
from tests.support.certs import Authority
from tests.support.clients import connect, request
from tests.support.command import tell
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for
from tests.support.valkey import Valkey

RATE, BURST = 200, 40
INTERVAL = 0.02


def config(share: Any) -> dict[str, Any]:
    share = {"server": share} if isinstance(share, str) else share
    site = {
        "limit": f"{RATE}/s burst {BURST} per client",
        "challenge": "auto",
        "routes": {"/": {"respond": {"body": "x"}}},
    }
    return {
        "defence": {"share": {"interval": f"{INTERVAL}s", "timeout": "300ms", **share}},
        "sites": {"site.test": site},
    }


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def machines(valkey: Valkey) -> Iterator[list[Bascule]]:
    with Bascule(config(valkey.place)) as first, Bascule(config(valkey.place)) as second:
        yield [first, second]


def bascule(machine: Bascule, *words: str) -> str:
    done = tell(machine, *words)
    done.check_returncode()
    return done.stdout


def status(machine: Bascule, source: str) -> int:
    with connect(machine.port, source) as wire:
        wire.send(request())
        return wire.response().status


def flood(machines: list[Bascule], source: str, seconds: float, between: Any = None) -> tuple[int, float]:
    """Flood both machines from one address; return what was admitted, and how long it took."""
    begun = time.monotonic()
    floods = [Flood(machine.port, source) for machine in machines]
    try:
        if between is not None:
            between()
        wait_for(lambda: time.monotonic() - begun > seconds, "the flood")
    finally:
        admitted = sum(each.stop() for each in floods)
    assert all(each.counts[429] for each in floods), "not a flood"
    return admitted, time.monotonic() - begun


@unless_stalled
def test_a_limit_over_two_machines(machines: list[Bascule]) -> None:
    admitted, seconds = flood(machines, next(NEWCOMERS), 2.0)
    allowed = BURST + RATE * seconds
    within = RATE * INTERVAL * len(machines) * 1.5  # what may pass until the others know
    assert allowed * 0.9 < admitted <= allowed * 1.01 + within
    assert admitted < 1.5 * allowed, "else each counted for itself"


def test_the_server_is_killed_and_started_again_within_a_flood(machines: list[Bascule], valkey: Valkey) -> None:
    honest: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            honest.extend(status(machine, "127.0.1.3") for machine in machines)
            over.wait(0.02)

    def kill_and_start() -> None:
        time.sleep(1.0)
        valkey.kill()
        for machine in machines:
            wait_for(lambda machine=machine: any("is away" in line for line in machine.lines), "that it is missed")
        valkey.start()
        for machine in machines:
            wait_for(lambda machine=machine: any("is back" in line for line in machine.lines), "that it is back")

    thread = threading.Thread(target=ask)
    thread.start()
    admitted, seconds = flood(machines, next(NEWCOMERS), 4.0, kill_and_start)
    over.set()
    thread.join()
    assert set(honest) == {200}
    assert len(honest) > 100
    assert admitted <= 2 * (BURST + RATE * seconds) * 1.01, "alone each holds the limit"

    @unless_stalled
    def together_again() -> None:
        admitted, seconds = flood(machines, next(NEWCOMERS), 2.0)
        assert admitted <= (BURST + RATE * seconds) * 1.01 + RATE * INTERVAL * 3

    together_again()


def test_bans(machines: list[Bascule]) -> None:
    first, second = machines
    bascule(first, "ban", "add", "127.0.2.1", "--reason", "scrapes")
    wait_for(lambda: status(second, "127.0.2.1") == 403, "the ban at the other machine")
    assert "scrapes" in bascule(second, "ban", "list")
    bascule(second, "ban", "remove", "127.0.2.1")
    wait_for(lambda: status(first, "127.0.2.1") == 200, "that it is lifted at the first")
    bascule(second, "ban", "add", "127.0.3.0/24")
    wait_for(lambda: status(first, "127.0.3.9") == 403, "the banned network")


def test_who_comes_later_knows_what_was_banned(machines: list[Bascule], valkey: Valkey) -> None:
    bascule(machines[0], "ban", "add", "127.0.4.1")
    with Bascule(config(valkey.place)) as third:
        wait_for(lambda: status(third, "127.0.4.1") == 403, "the ban")
        valkey.kill()
        valkey.start()  # it has lost its memory
        with Bascule(config(valkey.place)) as fourth:
            wait_for(lambda: status(fourth, "127.0.4.1") == 403, "the ban, told again by those who know it")


def test_attacks(machines: list[Bascule], valkey: Valkey) -> None:
    first, second = machines
    with Redis(valkey.address) as server:
        server.set("{bascule}:attack-by-hand", "no JSON")
        wait_for(lambda: any("cannot be read" in line for line in second.lines), "the complaint")
        server.delete("{bascule}:attack-by-hand")
    bascule(first, "under-attack", "on")
    wait_for(lambda: "site.test: under attack" in bascule(second, "under-attack", "show"), "the word of the first")
    wait_for(lambda: status(second, "127.0.5.1") == 403, "the challenge at the other machine")
    bascule(second, "under-attack", "auto")
    wait_for(lambda: status(first, "127.0.5.1") == 200, "the end of it")


def test_tls_and_a_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("valkey.test", "127.199.0.1")
    tls = ["--tls-cert-file", pair.cert, "--tls-key-file", pair.key, "--tls-ca-cert-file", authority.path]
    tls += ["--tls-auth-clients", "no", "--requirepass", "sesame"]
    with Valkey(tmp_path, *tls, tls=True, address="127.199.0.1") as server:
        share = {"server": server.place, "password": "sesame", "tls": True, "ca": authority.path, "timeout": "5s"}
        with Bascule(config(share)) as first, Bascule(config(share)) as second:
            bascule(first, "ban", "add", "127.0.2.1")
            wait_for(lambda: status(second, "127.0.2.1") == 403, "the ban at the other machine")


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    with (
        Valkey(tmp_path, "--requirepass", "sesame") as server,
        Bascule(config({"server": server.place, "password": "wrong"})) as machine,
    ):
        wait_for(lambda: any("is away" in line and "password" in line for line in machine.lines), "the complaint")
        assert status(machine, "127.0.1.1") == 200
