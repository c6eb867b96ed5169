"""The whole program under load while things die, reload and are replaced: what clients lose.

Promised: nothing at a reload, an upgrade, the death of the keeper; nothing for idempotent requests at the death of an
origin; only what was in its hands at the death of a worker; and never a POST that is carried out twice.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.origin import PIECE, PIECES
from tests.faults.world import Bascule, Clients
from tests.server.harness import alive, wait_for
from tests.support.swelling import crowd


@pytest.fixture
def bascule(tmp_path: Path) -> Iterator[Bascule]:
    found = Bascule(tmp_path)
    try:
        yield found.start().ready()  # type: ignore[misc]
    finally:
        found.end()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_fifty_reloads_lose_nothing(bascule: Bascule, method: str) -> None:
    with Clients(bascule, method) as clients:
        for number in range(2, 52 if method == "GET" else 12):
            assert bascule.call("reload") == {"ok": True, "error": None, "generation": number}
        clients.more()
    assert clients.losses == []


def test_failed_reloads_lose_nothing(bascule: Bascule) -> None:
    with Clients(bascule) as clients:
        bascule.write(listen=["127.0.0.1:0", "192.0.2.1:80"])
        for _ in range(3):
            assert not bascule.call("reload")["ok"]
        clients.more()
    assert clients.losses == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_upgrade_loses_nothing(bascule: Bascule, method: str) -> None:
    with Clients(bascule, method) as clients:
        for _ in range(2):
            assert bascule.call("upgrade")["ok"]
        clients.more()
    assert clients.losses == []
    assert bascule.process.wait(40) == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_renewal_after_a_crowd_loses_nothing(tmp_path: Path, method: str) -> None:
    bascule = Bascule(tmp_path)
    bascule.command = ("-m", "tests.support.swelling", "run")
    try:
        bascule.start().ready()
        with Clients(bascule, method) as clients:
            crowd(bascule.address, bascule.said)
            wait_for(lambda: len(bascule.call("status")["processes"]) == 3, "the old processes to go")
            clients.more()
        assert clients.losses == []
        assert bascule.call("status")["renewals"] == 1
    finally:
        bascule.end()


@pytest.mark.parametrize("change", ["reload", "upgrade"])
def test_stream_in_progress_arrives_whole(bascule: Bascule, change: str) -> None:
    bodies: list[str] = []
    stream = threading.Thread(target=lambda: bodies.append(bascule.ask("/stream")))
    slow = threading.Thread(target=lambda: bodies.append(bascule.ask("/slow")))
    for thread in (stream, slow):
        thread.start()
    assert bascule.call(change)["ok"]
    for thread in (stream, slow):
        thread.join(20)
    assert sorted(bodies) == ["/slow", PIECE.decode() * PIECES]


def test_killed_origin_costs_idempotent_clients_nothing(bascule: Bascule) -> None:
    with Clients(bascule) as clients:
        for origin in bascule.origins * 2:
            origin.kill()
            clients.more()
            origin.start()
            clients.more()
    assert clients.losses == []


def test_an_origin_known_to_be_down_gets_nothing_after_a_reload(tmp_path: Path) -> None:
    check = {"kind": "tcp", "interval": "2s", "jitter": 1}
    bascule = Bascule(tmp_path, {"health": check, "retries": {"attempts": 0}, "outliers": {"consecutive": 0}})
    try:
        bascule.start().ready()
        bascule.origins[0].kill()
        wait_for(lambda: "is down" in "".join(bascule.lines), "the check to notice")
        for _ in range(5):
            assert bascule.call("reload")["ok"]
            assert [bascule.ask(f"/{number}") for number in range(8)] == [f"/{number}" for number in range(8)]
    finally:
        bascule.end()


def test_killed_origin_never_gets_a_post_carried_out_twice(bascule: Bascule) -> None:
    with Clients(bascule, "POST") as clients:
        for origin in bascule.origins:
            origin.kill()
            clients.more()
            origin.start()
            clients.more()
    posted = bascule.arrived("POST")
    assert len(posted) == len(set(posted))
    assert set(posted) <= set(clients.sent)
    assert len(clients.losses) <= 2 * 6, "at most what each client had under way at each kill"


def test_killed_worker_loses_only_what_it_had_in_hand(bascule: Bascule) -> None:
    with Clients(bascule) as clients:
        victim = bascule.pid_of("worker 1")
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(bascule.processes()) == 2 and bascule.pid_of("worker 1") != victim, "a new worker")
        clients.more()
        lost = len(clients.losses)
        clients.more(200)
    assert lost <= 6, "at most one request of each client"
    assert len(clients.losses) == lost, "and nothing after that"


def test_killed_keeper_costs_nothing(bascule: Bascule) -> None:
    with Clients(bascule) as clients:
        victim = bascule.pid_of("keeper")
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: bascule.processes("keeper") and bascule.pid_of("keeper") != victim, "a new keeper")
        clients.more()
    assert clients.losses == []


def test_killed_supervisor_takes_its_children_along_and_they_finish_what_they_have(bascule: Bascule) -> None:
    children = [process["pid"] for process in bascule.call("status")["processes"]]
    bodies: list[str] = []
    slow = threading.Thread(target=lambda: bodies.append(bascule.ask("/slow")))
    slow.start()
    wait_for(lambda: bascule.arrived("GET"), "the request")
    bascule.process.kill()
    slow.join(20)
    assert bodies == ["/slow"]
    wait_for(lambda: not any(map(alive, children)), "the children to go")


def test_graceful_stop_answers_what_it_has_taken(bascule: Bascule) -> None:
    bodies: list[str] = []
    slow = [threading.Thread(target=lambda: bodies.append(bascule.ask("/stream"))) for _ in range(4)]
    for thread in slow:
        thread.start()
    with Clients(bascule) as clients:
        wait_for(lambda: bascule.arrived("GET").count("/stream") == len(slow), "the streams")
        assert bascule.call("stop")["ok"]
    for thread in slow:
        thread.join(20)
    assert bodies == [PIECE.decode() * PIECES] * 4
    # A new connection is refused, or reset if it was queued at the very end; one that was accepted is served.
    assert all("fresh connection: Connection" in loss for loss in clients.losses), clients.losses
