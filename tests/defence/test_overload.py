"""Load shedding: pressure and shares by table; live, who is served and who is refused when a pool has a line."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from bascule.config.overload import Shedding
from bascule.defence.overload import GOOD, ORDINARY, SUSPICIOUS, Overload
from tests.defence.test_account import PAGE
from tests.support.admin import scrape
from tests.support.clients import Message, Wire, connect, request
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for

MIB = 1 << 20


@pytest.mark.parametrize(
    ("late", "connections", "resident", "waited", "expected"),
    [
        (0.0, 0.0, 0, 0.0, 0.0),
        (0.125, 0.1, 0, 0.0, 0.5),  # half of the lag that is too much
        (0.0, 0.95, 0, 0.0, 1.0),
        (0.0, 0.1, 150 * MIB, 0.0, 0.75),
        (0.0, 0.1, 0, 0.6, 0.6),  # the pool's line alone
        (0.125, 0.1, 0, 3.0, 3.0),  # what presses most
    ],
)
def test_pressure(late: float, connections: float, resident: int, waited: float, expected: float) -> None:
    overload = Overload(Shedding(mode="block", memory=200 * MIB))
    for _ in range(60):
        overload.update(late, connections, resident)
    assert overload.pressure(waited) == pytest.approx(expected, abs=0.12)


def test_one_late_tick_is_no_overload() -> None:
    overload = Overload(Shedding(mode="block"))
    overload.update(0.4, 0.0, 0)
    assert overload.level < overload.first
    for _ in range(5):
        overload.update(0.4, 0.0, 0)
    assert overload.level > 1
    for _ in range(12):
        overload.update(0.0, 0.0, 0)
    assert overload.level < 0.05


@pytest.mark.parametrize(
    ("pressure", "ordinary", "suspicious"),
    [(0.4, 0, 0), (0.5, 0, 0), (0.6, 0, 40), (0.75, 0, 100), (0.85, 40, 100), (1.0, 100, 100), (7.0, 100, 100)],
)
def test_the_lower_class_goes_first(pressure: float, ordinary: int, suspicious: int) -> None:
    overload = Overload(Shedding(mode="block"))
    shed = {kind: sum(overload.sheds(kind, pressure) for _ in range(100)) for kind in (GOOD, ORDINARY, SUSPICIOUS)}
    assert shed[GOOD] == 0
    assert shed[ORDINARY] == pytest.approx(ordinary, abs=1)
    assert shed[SUSPICIOUS] == pytest.approx(suspicious, abs=1)


def test_a_share_is_spread_evenly() -> None:
    overload = Overload(Shedding(mode="block"))
    shed = [overload.sheds(SUSPICIOUS, 0.625) for _ in range(10)]
    assert shed in ([False, True] * 5, [True, False] * 5)


@pytest.mark.parametrize(
    "written", [{"suspicious": 0.8}, {"ordinary": 1}, {"lag": 0}, {"retry_after": 0}, {"points": 0}, {"mode": "yes"}]
)
def test_what_makes_no_sense_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Shedding.model_validate(written)


# Live ----------------------------------------------------------------------------------------------

WAIT = 0.6
KEY = "0123456789abcdef-partner"
ALLOWED, PARTNER, ORDINARY_CLIENT, SUSPECT = "127.0.9.1", "127.0.1.1", "127.0.1.2", "127.0.1.3"


class Gate:
    """A handler that answers only when it may; what scanners ask for is not there."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self, wire: Wire, message: Message) -> bool:
        if message.start[1].startswith("/no"):
            wire.send(answer(b"", "404 Not Found"))
            return True
        self.open.wait(90)
        wire.send(answer(b"x"))
        return True


def config(origin: Origin, mode: str) -> dict[str, Any]:
    return {
        "workers": 1,
        "events": {"path": "events.jsonl"},
        "defence": {"allow": ["127.0.9.0/24"]},
        "shedding": {"mode": mode, "wait": WAIT, "lag": "10s", "retry_after": "7s"},
        "account": {"mode": "block", "forgive": "1/m", "steps": {"cookie": None, "proof": None, "tarpit": None}},
        "sites": {
            "site.test": {
                "challenge": {"level": "off", "under_attack": "cookie", "tokens": {"x-api-key": [KEY]}},
                "timeouts": {"queue": "100s"},
                "routes": {"/": {"servers": [{"address": origin.address, "max_connections": 2}]}},
            }
        },
    }


class Asker(threading.Thread):
    """A request in a thread of its own; `status` once it is answered."""

    def __init__(self, port: int, source: str, **fields: str) -> None:
        super().__init__(daemon=True)
        self.port, self.source, self.fields = port, source, fields
        self.answer: Message | None = None
        self._began = time.monotonic()
        self.start()

    def run(self) -> None:
        with connect(self.port, self.source) as wire:
            wire.send(request("/", **{**PAGE, **self.fields}))
            self.answer = wire.response()

    @property
    def age(self) -> float:
        return time.monotonic() - self._began

    @property
    def status(self) -> int:
        return self.answer.status if self.answer is not None else 0


@pytest.mark.parametrize("mode", ["block", "detect"])
def test_who_is_refused_when_a_line_grows(mode: str) -> None:
    gate = Gate()
    with Origin(gate) as origin, Bascule(config(origin, mode)) as bascule:
        for _ in range(12):
            with connect(bascule.port, SUSPECT) as wire:
                wire.send(request("/no", **PAGE))
                assert wire.response().status == 404
        held = [Asker(bascule.port, "127.0.2.1") for _ in range(2)]
        wait_for(lambda: sum(m.start[1] == "/" for m in origin.seen) == 2, "all slots to be taken")
        first = Asker(bascule.port, ALLOWED)  # the first in line
        others: list[Asker] = []

        def late() -> bool:
            others.extend(Asker(bascule.port, source) for source in (SUSPECT, ORDINARY_CLIENT))
            decision = "challenge" if mode == "block" else "detect"
            return scrape(bascule, "bascule_defence_decisions_total", 'rule="ordinary"', f'decision="{decision}"') >= 2

        wait_for(late, "the pressure to rise")
        wait_for(lambda: first.age > 2 * WAIT, "the pressure to be beyond all bounds")
        good = [Asker(bascule.port, ALLOWED), Asker(bascule.port, PARTNER, X_API_KEY=KEY)]
        last = [
            Asker(bascule.port, SUSPECT),
            Asker(bascule.port, ORDINARY_CLIENT),  # a browser is asked to show itself
            Asker(bascule.port, ORDINARY_CLIENT, Accept="application/json"),
        ]
        if mode == "block":
            wait_for(lambda: all(asker.answer is not None for asker in last), "an answer at once")
        gate.open.set()
        for asker in (*held, first, *others, *good, *last):
            asker.join(30)
        assert {asker.status for asker in (*held, first, *good)} == {200}
        statuses = {name: Counter(a.status for a in others if a.source == name) for name in (SUSPECT, ORDINARY_CLIENT)}
        if mode == "detect":
            assert {asker.status for asker in (*others, *last)} == {200}
            return
        assert [asker.status for asker in last] == [503, 307, 503]
        assert statuses[SUSPECT][503] >= statuses[ORDINARY_CLIENT][307] >= 1
        shed = last[0].answer
        assert shed is not None
        assert (shed["retry-after"], bool(shed["x-bascule-ref"])) == ("7", True)
        wait_for(lambda: "there is too much to do" in (bascule.folder / "events.jsonl").read_text(), "an event")


def test_a_good_client_has_a_slot_at_once_while_others_stand_in_line() -> None:
    """The others leave it room: two thirds of what the server is known to bear, as soon as load is shed."""
    permits = threading.Semaphore(0)

    def answer_when_let(wire: Wire, message: Message) -> bool:
        if message["x-held"]:
            permits.acquire(timeout=30)
        wire.send(answer(b"x"))
        return True

    with Origin(answer_when_let) as origin:
        plan = config(origin, "block")
        plan["sites"]["site.test"]["routes"]["/"] = {
            "servers": [origin.address],
            "adaptive": {"min": 1, "initial": 6, "max": 6, "window": 0.2},
        }
        plan["shedding"]["suspicious"] = 0.2
        with Bascule(plan) as bascule, connect(bascule.port, ALLOWED) as wire:

            def ask() -> float:
                begun = time.monotonic()
                wire.send(request("/", **PAGE))
                assert wire.response().status == 200
                return time.monotonic() - begun

            wait_for(lambda: ask() and scrape(bascule, "bascule_upstream_limit") == 6, "the limit to be learned")
            held = [Asker(bascule.port, f"127.0.2.{number}", X_HELD="1") for number in range(1, 7)]
            wait_for(lambda: sum(bool(m["x-held"]) for m in origin.seen) == 6, "all slots to be taken")
            line = [Asker(bascule.port, f"127.0.3.{number}", X_HELD="1") for number in range(1, 4)]
            wait_for(lambda: line[0].age > 0.5 * WAIT, "the line to be as long as that load is shed")
            for _ in range(3):
                permits.release()
            wait_for(lambda: sum(asker.status == 200 for asker in held) == 3, "three slots to be free")
            taken = sorted(ask() for _ in range(9))
            assert taken[4] < 0.08  # not only at the next tick
            assert not any(asker.status for asker in line)
            assert sum(bool(m["x-held"]) for m in origin.seen) == 6  # two are for strangers, and three they have
            for _ in range(6):
                permits.release()
            for asker in (*held, *line):
                asker.join(30)
            assert {asker.status for asker in (*held, *line)} == {200}
