from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.config.observe import EventsLog
from bascule.telemetry import eventformats
from bascule.telemetry.eventlog import FLUSH, EventLog, OpenEvents, events_path, open_events, rotate
from bascule.telemetry.sinks import BUFFER, LogOpenError
from tests.telemetry.support import file_size_limit

CONTEXT = multiprocessing.get_context("fork")


def event(number: int = 0, text: str = "x", **changes: Any) -> dict[str, Any]:
    rule = {
        "id": 942100,
        "phase": 2,
        "message": "SQL Injection Attack Detected via libinjection",
        "data": text,
        "severity": "CRITICAL",
        "tags": ["attack-sqli"],
        "file": "REQUEST-942.conf",
        "line": 46,
        "matched": [{"variable": "ARGS:q", "value": text, "after": ["urlDecodeUni"], "operator": "@detectSQLi"}],
        "changes": [{"name": "TX:inbound_anomaly_score_pl1", "by": "+5", "to": "5"}],
    }
    return {
        "reference": f"ref{number}",
        "time": "2026-11-23T23:02:15.000Z",
        "client": "192.0.2.7",
        "method": "GET",
        "target": "/?q=x",
        "host": "shop.example",
        "status": 403,
        "mode": "On",
        "verdict": {"action": "block", "status": 403, "rule": 949110, "message": "m", "phase": 2, "enforced": True},
        "rules": [rule],
        "scores": {"blocking_inbound_anomaly_score": "5"},
        "notes": [],
        "engine_us": 80,
        "headers": [["host", "shop.example"]],
        **changes,
    }


def line(number: int = 0, text: str = "x", **changes: Any) -> bytes:
    return json.dumps(event(number, text, **changes)).encode()


def config(path: Path | str, **changes: Any) -> EventsLog:
    return EventsLog.model_validate({"path": str(path), **changes})


def references(*paths: Path) -> list[str]:
    return [json.loads(row)["reference"] for path in paths for row in path.read_bytes().splitlines()]


def test_events_are_written_at_the_tick_or_when_there_are_many(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(config(path), open_events(config(path)))
    log.write(line(1))
    assert path.read_bytes() == b""
    log.tick()
    assert references(path) == ["ref1"]
    for number in range(FLUSH // len(line()) + 1):
        log.write(line(number))
    assert len(references(path)) > 10
    log.close()
    assert log.written == len(references(path))
    assert log.dropped == 0
    assert path.stat().st_mode & 0o027 == 0


def test_the_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert events_path(EventsLog()) == "/var/log/bascule/events.jsonl"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    opened = open_events(EventsLog())
    assert opened is not None
    monkeypatch.setenv("XDG_STATE_HOME", "/nonexistent")  # as in a worker under another account
    log = EventLog(EventsLog(), opened)
    log.write(line(1))
    log.reopen()
    log.write(line(2))
    log.close()
    assert log.written == 2
    folder = tmp_path / "state" / "bascule"
    assert (folder / "events.jsonl").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert capfd.readouterr().err == ""


def test_a_default_place_that_cannot_be_made_is_told_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert open_events(EventsLog()) is None
    said = capfd.readouterr().err
    assert "events of the firewall are not kept" in said
    assert "events.path" in said
    assert said.count("\n") == 1


def test_a_place_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(LogOpenError, match=r"events\.path: cannot open .*No such file.*create its folder"):
        open_events(config(tmp_path / "no" / "events.jsonl"))
    assert open_events(config("off")) is None


def test_a_full_file_is_rotated_and_old_ones_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(config(path, max_bytes=65536, keep=2))
    size = len(line(1000))
    for number in range(1000, 1000 + 5 * 65536 // size):
        log.write(line(number))
        if number % 10 == 0:
            log.tick()
    log.close()
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]
    kept = references(path.with_name("events.jsonl.2"), path.with_name("events.jsonl.1"), path)
    last = 999 + 5 * 65536 // size
    assert kept == [f"ref{number}" for number in range(last + 1 - len(kept), last + 1)]
    assert path.with_name("events.jsonl.1").stat().st_size < 65536 + 11 * size


def test_a_rotation_by_somebody_else_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(config(path))
    log.write(line(1))
    log.tick()
    path.rename(tmp_path / "moved")
    log.write(line(2))
    log.tick()
    assert references(tmp_path / "moved") == ["ref1"]
    assert references(path) == ["ref2"]
    path.rename(tmp_path / "moved")
    log.reopen()
    assert references(path) == []
    log.close()


def test_a_file_that_was_just_rotated_by_another_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * 100)
    rotate(str(path), 200, 4)
    assert path.exists()
    rotate(str(path), 100, 4)
    rotate(str(path), 100, 4)
    assert [file.name for file in tmp_path.iterdir()] == ["events.jsonl.1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_folder_that_forbids_rotation_is_told_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    settings = config(path, max_bytes=65536)
    opened = open_events(settings, (65534, 65534))
    tmp_path.chmod(0o755)
    said = tmp_path / "stderr"
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            log = EventLog(settings, opened)
            for number in range(400):
                log.write(line(number))
                log.tick()
            log.close()
            status = 0 if log.written == 400 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(references(path)) == 400
    assert path.stat().st_size > 65536
    assert said.read_text().count("cannot be rotated: Permission denied") == 1


def _append(path: Path, worker: int, count: int) -> None:
    log = EventLog(config(path, max_bytes=65536, keep=200))
    for number in range(count):
        log.write(line(worker * 100_000 + number, text="y" * (number % 300)))
        if number % (3 + worker) == 0:
            log.tick()
    log.close()
    os._exit(0 if log.written == count and log.dropped == 0 else 1)


def test_several_workers_share_and_rotate_one_file_without_loss_or_mixing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    workers = [CONTEXT.Process(target=_append, args=(path, worker, 800)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    files = list(tmp_path.iterdir())
    assert len(files) > 4
    found = references(*files)
    assert sorted(found) == sorted(f"ref{worker * 100_000 + number}" for worker in range(4) for number in range(800))
    # Who finds the lock taken writes on in the full file, so a file may be larger, but none is rotated early.
    assert all(file.stat().st_size >= 65536 for file in files if file != path)


def test_a_full_disk_drops_counts_and_recovers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(config(path))
    count = 4 * BUFFER // len(line(10_000))
    with file_size_limit(100_000):
        for number in range(10_000, 10_000 + count):
            log.write(line(number))
        log.tick()
    assert log.dropped > 0
    log.write(line(1))
    log.close()
    assert log.written + log.dropped == count + 1
    whole = [row for row in path.read_bytes().splitlines() if row.endswith(b"}")]
    assert len(whole) == log.written
    assert json.loads(whole[-1])["reference"] == "ref1" or log.dropped
    said = capfd.readouterr().err
    assert said.count("File too large") == 1
    assert "bascule_waf_events_dropped_total" in said


def test_a_device_that_takes_nothing_never_raises(capfd: pytest.CaptureFixture[str]) -> None:
    log = EventLog(config("/dev/full"))
    for number in range(100):
        log.write(line(number))
        log.tick()
    log.close()
    assert log.dropped == 100
    assert "No space left" in capfd.readouterr().err


def test_a_line_that_cannot_be_shaped_is_counted_as_lost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = EventLog(config(tmp_path / "events.jsonl", format="modsecurity"))
    log.write(b"not json")
    log.tick()
    assert log.dropped == 1
    assert "1 events lost" in capfd.readouterr().err
    log.close()


def test_modsecurity_form_and_back(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    log = EventLog(config(path, format="modsecurity"))
    log.write(line(1, text="1' or '1'='1"))
    log.close()
    audit = json.loads(path.read_bytes())
    found = audit["transaction"]
    assert found["unique_id"] == "ref1"
    assert found["request"]["headers"] == {"host": "shop.example"}
    assert found["response"]["http_code"] == 403
    assert found["messages"][0]["details"]["ruleId"] == "942100"
    assert found["messages"][0]["details"]["severity"] == "2"
    again = eventformats.from_modsecurity(audit)
    for key in ("reference", "time", "client", "method", "target", "host", "status", "mode", "headers"):
        assert again[key] == event(1)[key], key
    assert [rule["id"] for rule in again["rules"]] == [942100]
    assert again["rules"][0]["severity"] == "CRITICAL"
    assert again["verdict"]["enforced"]


@pytest.mark.parametrize("value", ["1' or '1'='1", "x' against variable `ARGS:y' (Value: `z' )", ""])
def test_what_a_rule_fired_on_is_read_from_modsecuritys_words(value: str) -> None:
    whole = event()
    whole["rules"][0]["matched"][0].update(variable="ARGS:id", value=value, operator="@pm or and")
    whole["rules"][0]["matched"][0].pop("raw", None)
    audit = json.loads(eventformats.to_modsecurity(json.dumps(whole).encode()))
    (matched,) = eventformats.from_modsecurity(audit)["rules"][0]["matched"]
    assert (matched["variable"], matched["value"], matched["operator"]) == ("ARGS:id", value, "@pm or and")


@given(st.text(), st.integers(0, 40), st.integers(600, 4000), st.booleans())
def test_a_line_cut_to_fit_is_whole_json_with_its_reference(text: str, rules: int, limit: int, other: bool) -> None:
    whole = line(7, rules=[{**event()["rules"][0], "data": text} for _ in range(rules)])
    cut = eventformats.fit(eventformats.to_modsecurity(whole) if other else whole, limit)
    assert b"\n" not in cut
    assert len(cut) <= limit
    found = json.loads(cut)
    inner = found.get("transaction", found)
    assert inner.get("reference", inner.get("unique_id")) == "ref7"
    assert inner["cut"]


@given(st.lists(st.text(max_size=200), max_size=20))
def test_whatever_values_hold_every_line_is_json(texts: list[str]) -> None:
    received: list[bytes] = []

    class Sink:
        def emit(self, blob: bytes) -> int:
            received.append(blob)
            return len(blob)

        def close(self) -> None: ...

    log = EventLog(config("/dev/null"), OpenEvents("/dev/null", Sink()))
    for number, text in enumerate(texts):
        log.write(line(number, text=text))
    log.close()
    rows = b"".join(received).split(b"\n")
    assert [json.loads(row)["rules"][0]["data"] for row in rows if row] == texts
