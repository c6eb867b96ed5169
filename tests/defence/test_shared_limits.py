"""Limits with real processes: exact over workers, a reload and a worker's death; waits; events; whom they spare."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.server.harness import Program
from tests.support.clients import EndedError, Message, connect, request
from tests.support.command import command
from tests.support.origins import Origin
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for
from tests.support.swelling import crowd

RATE, BURST = 200, 40
NEWCOMERS = (f"127.0.2.{number}" for number in count(1))
"""Addresses of which nothing is counted yet."""


def config(origin: Origin) -> dict[str, Any]:
    return {
        "workers": 2,
        "events": {"path": "events.jsonl"},
        "sites": {
            "site.test": {"limit": f"{RATE}/s burst {BURST} per client", "routes": {"/": {"respond": {"body": "x"}}}},
            "slow.test": {"limit": "20/s burst 1 per client delay", "routes": {"/": origin.address}},
        },
    }


class Flood(threading.Thread):
    """Asks as fast as it can on connections of its own, again and again; counts what was admitted and refused."""

    def __init__(self, port: int, source: str) -> None:
        super().__init__(daemon=True)
        self.port, self.source = port, source
        self.counts = {200: 0, 429: 0}
        self.stopped = False
        self.start()

    def run(self) -> None:
        message = request() * 8
        while not self.stopped:
            try:
                with connect(self.port, self.source) as wire:
                    for _ in range(25):
                        wire.send(message)
                        for _ in range(8):
                            self.counts[wire.response().status] += 1
            except (EndedError, OSError):  # its worker was killed
                continue

    def stop(self) -> int:
        """End, and return the requests that were admitted."""
        self.stopped = True
        self.join(10)
        return self.counts[200]


def admitted_within(port: int, source: str, between: Callable[[], object]) -> tuple[int, float]:
    """Flood from an address while `between` happens; return what was admitted, and what is allowed."""
    begun = time.monotonic()
    floods = [Flood(port, source) for _ in range(3)]
    try:
        between()
        wait_for(lambda: time.monotonic() - begun > 2.0, "two seconds of flood")
    finally:
        admitted = sum(flood.stop() for flood in floods)
    allowed = BURST + RATE * (time.monotonic() - begun)
    assert sum(flood.counts[429] for flood in floods) > admitted / 4, "not a flood"
    return admitted, allowed


@contextlib.contextmanager
def program(module: str, origin: Origin) -> Iterator[Program]:
    """A program of its own: what happens to it, nobody else has to live with."""
    found = Program({**config(origin), "access_log": {"path": "off"}})
    found.command = ("-m", module, "run")
    try:
        yield found.start().ready()
    finally:
        found.end()


def workers(bascule: Bascule) -> list[int]:
    found = []
    for pid in bascule.children():
        with contextlib.suppress(OSError):  # one of the old generation may end meanwhile
            if "bascule-w" in Path(f"/proc/{pid}/comm").read_text():
                found.append(pid)
    return found


@unless_stalled
def test_exact_over_two_workers(bascule: Bascule) -> None:
    admitted, allowed = admitted_within(bascule.port, next(NEWCOMERS), lambda: None)
    assert allowed * 0.9 < admitted <= allowed * 1.01


def test_exact_over_a_reload_and_a_workers_death(bascule: Bascule) -> None:
    def reload_and_kill() -> None:
        before = set(workers(bascule))
        bascule.process.send_signal(signal.SIGHUP)
        wait_for(lambda: any("generation 2 serves" in line for line in bascule.lines), "the reload")
        new = wait_for(lambda: set(workers(bascule)) - before, "new workers")
        os.kill(new.pop(), signal.SIGKILL)

    admitted, allowed = admitted_within(bascule.port, next(NEWCOMERS), reload_and_kill)
    assert admitted <= allowed * 1.01


def test_exact_over_a_renewal(origin: Origin) -> None:
    with program("tests.support.swelling", origin) as found:
        between = partial(crowd, found.address, found.said)
        admitted, allowed = admitted_within(found.address[1], next(NEWCOMERS), between)
    assert allowed * 0.5 < admitted <= allowed * 1.01


def test_an_upgrade_begins_limits_anew_and_both_programs_count_while_the_old_one_ends(origin: Origin) -> None:
    both = 0.0
    with program("bascule", origin) as found:

        def upgrade() -> None:
            nonlocal both
            begun, old = time.monotonic(), found.process
            assert found.call("upgrade")["ok"]
            wait_for(lambda: old.poll() is not None, "the end of the old program")
            both = time.monotonic() - begun

        admitted, allowed = admitted_within(found.address[1], next(NEWCOMERS), upgrade)
    assert admitted <= (allowed + BURST + RATE * both) * 1.01


@unless_stalled
def test_an_honest_client_beside_a_flood(bascule: Bascule) -> None:
    def ask() -> None:
        with connect(bascule.port, "127.0.1.4") as wire:
            for _ in range(100):
                wire.send(request())
                assert wire.response().status == 200
                time.sleep(0.005)  # its pace: the rate of its limit

    admitted_within(bascule.port, next(NEWCOMERS), ask)


def test_a_refusal_explains_itself(bascule: Bascule) -> None:
    events = bascule.folder / "events.jsonl"

    def refused() -> Message | None:
        """A refusal that has an event: beside a flood not each one does."""
        with connect(bascule.port, "127.0.1.7") as wire:
            for _ in range(BURST * 3):
                wire.send(request("/page?token=secret"))
                if (message := wire.response()).status == 429:
                    break
        reference = str(message["x-bascule-ref"])
        with contextlib.suppress(AssertionError):
            return wait_for(lambda: message if reference in events.read_text() else None, "the event", 1.0)
        return None

    message = wait_for(refused, "a refusal that has an event")
    assert (message.status, message["retry-after"]) == (429, "1")
    assert message["ratelimit"] == '"200-per-1s-client";r=0;t=1'
    assert message["ratelimit-policy"] == '"200-per-1s-client";q=40;w=1'
    reference = message["x-bascule-ref"]
    assert reference
    told = command("explain", reference, "--events", str(events)).stdout
    assert "refused with 429 beyond the rate limit of 200/1s (burst 40) per client" in told
    assert "client=127.0.1.7" in told
    assert "secret" not in told


def test_waiting_for_a_turn(bascule: Bascule) -> None:
    begun = time.monotonic()
    with connect(bascule.port) as wire:
        for _ in range(5):
            wire.send(request(host="slow.test", method="POST", body=b"all of it"))
            message = wire.response()
            assert (message.status, message.json()["body"]) == (200, "all of it")
    assert time.monotonic() - begun >= 0.2


def test_a_client_that_goes_while_it_waits(bascule: Bascule, origin: Origin) -> None:
    with connect(bascule.port, "127.0.1.5") as wire:
        wire.send(request(host="slow.test", target="/first") + request(host="slow.test", target="/second"))
        wire.response()
    with connect(bascule.port, "127.0.1.6") as wire:
        wire.send(request(host="slow.test", target="/alive"))
        assert wire.response().status == 200
    assert "/alive" in [message.start[1] for message in origin.seen]
