"""Limits, and what a shield makes of them: refusals, waits, fields, events, counters."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count, islice
from typing import Any

import pytest

from bascule.config.compile import compile_config
from bascule.config.schema import Config
from bascule.defence.report import EVENTS_A_SECOND, Reports
from bascule.defence.shared import Shared
from bascule.defence.shield import Shield, Verdict
from bascule.state.buckets import hash_of
from tests.defence.support import Asked, Head


class World:
    """A shield with a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, limit: Any, shared: Shared | None = None, **top: Any) -> None:
        data = {"listen": [80], "sites": {"*": {"limit": limit, "routes": {"/": "10.0.0.1:80"}}}, **top}
        plan = compile_config(Config.model_validate(data))
        self.now = 5000.0
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.lines: list[bytes] = []
        self.shared = Shared(plan, shared)
        self.reports = Reports(lambda *what: self.counts.update([what]), self.lines.append)
        self.shield = Shield(plan, self.shared, self.reports)
        found = self.shield.of_route(plan.sites[0].routes[0])
        assert found is not None
        self.rates = found

    def ask(self, **facts: Any) -> Verdict | None:
        request = Asked(**facts)
        found = self.rates.check(request, self.shield.standing(None, request.client), self.now)
        return None if found is None else self.shield.judge(request, found)

    def statuses(self, count: int, **facts: Any) -> list[int]:
        return [verdict.status if (verdict := self.ask(**facts)) else 0 for _ in range(count)]


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "6/m burst 3 per client")
    assert world.statuses(4) == [0, 0, 0, 429]
    assert world.ask(client=b"192.0.2.2") is None
    world.now += 9.0
    verdict = world.ask()
    assert verdict
    assert (verdict.status, verdict.cause) == (429, "rate_limited")
    assert verdict.fields == (
        b'ratelimit-policy: "6-per-60s-client";q=3;w=30\r\nratelimit: "6-per-60s-client";r=0;t=1\r\nretry-after: 1\r\n'
    )
    world.now += 1.0
    assert world.ask() is None
    assert world.counts == {("rate", "* 6-per-60s-client", "refuse"): 2}


def test_fields_of_every_response(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {"rate": "10/s", "headers": True, "name": "api"})
    verdicts = [world.ask() for _ in range(11)]
    assert [verdict.fields for verdict in verdicts[:2] if verdict] == [
        b'ratelimit-policy: "api";q=10;w=1\r\nratelimit: "api";r=9;t=1\r\n',
        b'ratelimit-policy: "api";q=10;w=1\r\nratelimit: "api";r=8;t=1\r\n',
    ]
    assert verdicts[9] == Verdict(fields=b'ratelimit-policy: "api";q=10;w=1\r\nratelimit: "api";r=0;t=1\r\n')
    assert verdicts[10]
    assert verdicts[10].fields.count(b"ratelimit:") == 1


def test_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {"rate": "10/s", "burst": 2, "over": "delay", "max_delay": "300ms"})
    verdicts = [world.ask() for _ in range(6)]
    assert verdicts[:2] == [None, None]
    assert [verdict.delay for verdict in verdicts[2:5] if verdict] == pytest.approx([0.1, 0.2, 0.3], abs=1e-5)
    assert verdicts[5]
    assert verdicts[5].status == 429
    assert world.counts == {
        ("rate", "* 10-per-1s-client", "delay"): 3,
        ("rate", "* 10-per-1s-client", "refuse"): 1,
    }


def test_detect_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ["2/s detect", {"rate": "1/s", "burst": 1, "over": "delay", "mode": "detect"}])
    assert [verdict for verdict in (world.ask() for _ in range(4)) if verdict not in (None, Verdict())] == []
    assert world.counts == {
        ("rate", "* 2-per-1s-client", "detect"): 2,
        ("rate", "* 1-per-1s-client", "detect"): 3,
    }
    event = json.loads(world.lines[0])
    assert (event["status"], event["mode"], event["verdict"]["enforced"]) == (0, "DetectionOnly", False)


def test_whom_no_limit_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "1/s", defence={"allow": ["192.0.2.0/24"]})
    assert world.statuses(5) == [0] * 5
    assert world.statuses(2, client=b"203.0.113.1") == [0, 429]


def test_what_one_limit_refuses_the_next_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ["1/s per client", "3/s per all"])
    assert world.statuses(9) == [0, *[429] * 8]
    assert world.statuses(1, client=b"192.0.2.2") == [0]


def test_an_empty_key_has_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no country, say: others that share its set neither take over its debt nor let it begin anew."""
    world = World(monkeypatch, "1/h per host", defence={"clients": 1024})
    neighbours = islice((name for name in map(b"%d.test".__mod__, count()) if not hash_of(name) & 1023 >> 3 << 3), 4)
    assert world.ask(head=Head(host=b"")) is None
    for name in neighbours:
        assert world.ask(head=Head(host=name)) is None
        assert world.ask(head=Head(host=b"")) is not None


def test_events(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "1/m per header:x-api-key")
    world.statuses(2, headers={b"x-api-key": b"topsecretkey"})
    event = json.loads(world.lines[0])
    assert event["target"] == "/page", "no query"
    assert event["verdict"] == {
        "action": "block",
        "status": 429,
        "message": "beyond the rate limit of 1/60s (burst 1) per header:x-api-key: * 1-per-60s-header.x-api-key",
        "enforced": True,
    }
    assert event["notes"] == ["header:x-api-key=top***", "would pass in 60.000 s"]


def test_a_flood_of_events_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "1/m")
    world.statuses(EVENTS_A_SECOND + 8)
    assert len(world.lines) == EVENTS_A_SECOND
    world.reports.every_second()
    world.statuses(1)
    assert json.loads(world.lines[-1])["notes"][-1] == "7 more decisions had no event of their own"


def test_accounts_outlive_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    old = World(monkeypatch, "2/m")
    assert old.statuses(2) == [0, 0]
    assert World(monkeypatch, "2/m", old.shared).statuses(1) == [429]
    assert World(monkeypatch, {"rate": "2/m", "mode": "detect", "name": "x"}, old.shared).counts == {}
    assert World(monkeypatch, "3/m", old.shared).statuses(1) == [0], "another limit begins anew"
