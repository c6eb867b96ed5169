from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bascule.cli.main import app
from bascule.config.observe import EventsLog
from bascule.telemetry import eventfiles
from bascule.telemetry.eventlog import EventLog
from tests.telemetry.test_eventlog import event


def made(number: int, **changes: Any) -> dict[str, Any]:
    fields = {"time": f"2026-11-23T23:{number:02d}:00.000Z", "client": f"192.0.2.{number}", **changes}
    return event(number, **fields)


def fired(rule: int, variable: str, *tags: str) -> dict[str, Any]:
    return {**event()["rules"][0], "id": rule, "message": f"m{rule}", "tags": list(tags),
            "matched": [{"variable": variable}]}  # fmt: skip


EVENTS = [
    made(1),
    made(2, target="/admin?x=1", rules=[fired(930100, "ARGS:x"), fired(949110, "TX:score", "anomaly-evaluation")]),
    made(3, verdict={"action": "block", "status": 403, "enforced": False}),
    made(4, verdict=None, host="Other.example:8080", rules=[fired(920350, "REQUEST_HEADERS:host")]),
    made(5, client="2001:db8::5", target="/admin/deep"),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    lines = [json.dumps(found, separators=(",", ":")) for found in EVENTS]
    path.with_name("events.jsonl.1").write_text("\n".join([*lines[:2], "{broken", ""]))
    path.write_text("\n".join([*lines[2:], ""]))
    return path


def run(log: Path, *options: str) -> Any:
    result = CliRunner().invoke(app, ["events", "--events", str(log), *options])
    assert result.exit_code == 0, result.output
    return result.output


def shown(log: Path, *options: str) -> list[int]:
    return [int(json.loads(line)["reference"][3:]) for line in run(log, "--json", *options).splitlines()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["-n", "2"], [4, 5]),
        (["-n", "4"], [2, 3, 4, 5]),
        (["--rule", "942100"], [1, 3, 5]),
        (["--rule", "920000-939999"], [2, 4]),
        (["--rule", "930100", "--rule", "920350"], [2, 4]),
        (["--path", "/admin"], [2, 5]),
        (["--client", "192.0.2.0/30"], [1, 2, 3]),
        (["--client", "2001:db8::/32"], [5]),
        (["--host", "other.example"], [4]),
        (["--action", "block"], [1, 2, 5]),
        (["--action", "detect"], [3]),
        (["--action", "log"], [4]),
        (["--since", "2026-11-23T23:04"], [4, 5]),
        (["--since", "2026-11-23T23:03:00+00:00", "--action", "block"], [5]),
        (["--since", "1m"], []),
    ],
)
def test_filters(log: Path, options: list[str], expected: list[int]) -> None:
    if options == ["--since", "1m"]:
        log.write_text(log.read_text().replace("2026-11", "2020-11"))
        log.with_name("events.jsonl.1").unlink()
    assert shown(log, *options) == expected


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rule", "abc"], "is not a rule's id"),
        (["--client", "nobody"], "is not an address or network"),
        (["--since", "yesterday"], "neither a span such as"),
    ],
)
def test_bad_filters(log: Path, options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["events", "--events", str(log), *options])
    assert result.exit_code == 2
    assert said in result.output


def test_a_line_an_event(log: Path) -> None:
    lines = run(log).splitlines()
    assert len(lines) == 5
    assert lines[1].split() == [
        "2026-11-23T23:02:00", "block", "ref2", "192.0.2.2", "GET", "shop.example/admin?x=1", "930100", "949110",
    ]  # fmt: skip


def test_the_summary_counts_what_is_noisy(log: Path) -> None:
    found = json.loads(run(log, "--top", "--json"))
    assert found["events"] == 5
    assert found["actions"] == {"block": 3, "detect": 1, "log": 1}
    assert found["rules"][0] == ["942100", "SQL Injection Attack Detected via libinjection", 3]
    assert ["930100", "ARGS:x", 1] in found["values"]
    assert all(row[0] != "949110" for row in found["rules"] + found["values"])
    assert ["shop.example/", 2] in found["paths"]
    text = run(log, "--top")
    assert "5 events: 3 block, 1 detect, 1 log" in text
    assert ["3", "942100", "ARGS:q"] in [line.split() for line in text.splitlines()]


def test_a_flood_of_paths_does_not_fill_the_memory(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.cli.events.MAX_KEYS", 2)
    found = json.loads(run(log, "--top", "--json"))
    assert all(len(found[name]) <= 2 for name in ("rules", "values", "paths", "clients"))


def test_following_goes_past_rotations(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventLog(EventsLog(path=str(path), max_bytes=65536))
    writer.write(json.dumps(made(0)).encode())
    writer.tick()
    seen: list[str] = []
    done = threading.Event()
    started = threading.Event()

    def sleep(seconds: float) -> None:
        started.set()
        done.wait(0.001)
        if done.is_set():
            raise KeyboardInterrupt

    def watch() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            for found in eventfiles.follow(str(path), sleep):
                seen.append(found.reference)
                if len(seen) == 300:
                    done.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert started.wait(30)
    for number in range(1, 301):
        writer.write(json.dumps(made(number % 60, reference=f"ref{number}")).encode())
        writer.tick()
        while len(seen) < number and watcher.is_alive():
            done.wait(0.001)
    watcher.join(10)
    writer.close()
    assert seen == [f"ref{number}" for number in range(1, 301)]
    assert path.with_name("events.jsonl.1").exists()
