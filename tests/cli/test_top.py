from __future__ import annotations

import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from bascule.cli.top import top
from bascule.cli.top_numbers import age, duration, number, size
from bascule.cli.top_view import Reading, render
from bascule.server.rundir import PidFile
from bascule.telemetry.recorder import Recorder
from bascule.telemetry.store import BOUNDS
from tests.admin.support import STATUS, Running, running
from tests.telemetry.support import make_plan, make_record

EMPTY = [0] * (len(BOUNDS) + 1)


def buckets(at: int, count: int) -> list[int]:
    found = list(EMPTY)
    found[at] = count
    return found


def route(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "pool": "pool",
        "requests": 0,
        "statuses": {},
        "bytes_in": 0,
        "bytes_out": 0,
        "retries": 0,
        "duration": {"buckets": EMPTY, "sum": 0},
        **changes,
    }


def server(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "server": name,
        "state": "up",
        "weight": 1,
        "active": 0,
        "requests": 0,
        "statuses": {},
        "errors": {},
        "wait": {"buckets": EMPTY, "sum": 0},
        **changes,
    }


BEFORE: dict[str, Any] = {
    **STATUS,
    "ready": True,
    "reasons": [],
    "processes": [
        {"name": "worker 0", "generation": 3, "pid": 11, "state": "ready", "uptime": 60.0, "error": None,
         "connections": 5, "resident": 40 << 20, "cpu": 10.0, "fds": 20},
        {"name": "keeper", "generation": 3, "pid": 12, "state": "ready", "uptime": 60.0, "error": None},
    ],
    "connections": {"open": 5, "accepted": 100, "accepted_tls": 0, "refused": 0, "tls_failed": 0},
    "causes": {"no_site": 3},
    "log": {"lines": 0, "dropped": 0},
    "sites": [{"name": "shop", "maintenance": None, "routes": [route("shop /"), route("shop /api/")]}],
    "pools": [{"name": "pool", "servers": [server("http://10.0.0.1:8000"), server("http://10.0.0.2:8000")]}],
}  # fmt: skip
NOW = deepcopy(BEFORE)
NOW["processes"][0]["cpu"] = 11.0
NOW["connections"] |= {"accepted": 120, "refused": 4}
NOW["causes"] = {"no_site": 3, "no_server": 20}
NOW["sites"][0]["routes"][1] = route(
    "shop /api/",
    requests=2000,
    statuses={"2xx": 1900, "4xx": 60, "5xx": 40},
    bytes_in=200 * 1024,
    bytes_out=4 << 20,
    duration={"buckets": buckets(3, 2000), "sum": 8},
)
NOW["pools"][0]["servers"] = [
    server("http://10.0.0.1:8000", requests=1980, active=3, wait={"buckets": buckets(3, 1980), "sum": 8}),
    server("http://10.0.0.2:8000", state="ejected", requests=20, errors={"connect": 6, "reset": 4}),
]


def picture(before: dict[str, Any], now: dict[str, Any], width: int = 80, height: int = 0, **options: Any) -> list[str]:
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(render(Reading(10.0, before), Reading(12.0, now), options.get("rates"), width, height))
    return capture.get().splitlines()


def line_of(lines: list[str], start: str) -> list[str]:
    return next(line for line in lines if line.startswith(start)).split()


def test_logins_and_what_defence_decides() -> None:
    now = deepcopy(NOW)
    now["defence"] = [
        {"defence": "login", "rule": "shop pair", "decisions": {"refuse": 40}},
        {"defence": "login", "rule": "shop failed", "decisions": {"pass": 60}},
        {"defence": "login", "rule": "shop succeeded", "decisions": {"pass": 2}},
    ]
    now["refused_most"] = [["203.0.113.9", 120.0], ["203.0.113.8", 3.5]]
    seen = "\n".join(picture(BEFORE, now))
    assert "DEFENCE  login shop pair refuse" in seen
    assert "LOGINS  shop failed" in seen
    assert "succeeded" in seen
    assert "REFUSED MOST  203.0.113.9 120/s   203.0.113.8 3.5/s" in seen


def test_a_server_that_is_down_and_drained() -> None:
    now = deepcopy(NOW)
    now["pools"][0]["servers"][0] |= {"state": "down", "drained": True}
    now["pools"][0]["servers"][1] |= {"state": "drain", "drained": True}
    lines = picture(BEFORE, now)
    assert line_of(lines, "http://10.0.0.1:8000")[1:4] == ["●", "down,", "drained"]
    assert line_of(lines, "http://10.0.0.2:8000")[1:3] == ["●", "drain"]


@pytest.mark.parametrize("width", [80, 140])
def test_picture(width: int) -> None:
    lines = picture(BEFORE, NOW, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "Bascule 9.9.9  running · ready · generation 3 · up 12s" in text
    assert "1.0k req/s" in text
    assert "2xx 95.0%  4xx 3.0%  5xx 2.0%" in text
    assert "5 connections" in text
    assert "10 new/s  2 refused/s" in text
    assert "p50 3.8ms" in text
    assert line_of(lines, "shop /api/") == (
        ["shop", "/api/", "1.0k", "30", "20", "3.8ms", "4.9ms", "5.0ms", "2.0M", "100K", "2.0k"]
        if width == 140
        else ["shop", "/api/", "1.0k", "30", "20", "3.8ms", "5.0ms", "2.0M"]
    )
    assert lines.index(next(line for line in lines if line.startswith("shop /api/"))) < lines.index(
        next(line for line in lines if line.startswith("shop / "))
    )
    ejected = line_of(lines, "http://10.0.0.2:8000")
    assert ejected == (
        ["http://10.0.0.2:8000", "pool", "●", "ejected", "0", "10", "5", "-", "1", "-", "20"]
        if width == 140
        else ["http://10.0.0.2:8000", "●", "ejected", "0", "10", "5", "-"]
    )
    assert "50%" in line_of(lines, "worker 0")
    assert "40.0M" in line_of(lines, "worker 0")
    assert "keeper" in text
    assert "no_server 10/s, 20" in text
    assert "no_site 3" in text


def test_pools_with_a_server_in_common_are_told_apart() -> None:
    now = deepcopy(NOW)
    now["pools"].append({"name": "other", "servers": [server("http://10.0.0.1:8000"), server("http://10.0.0.9:8000")]})
    lines = picture(BEFORE, now, 80)
    shared = [line.split()[:3] for line in lines if "http://10.0.0.1:8000" in line]
    assert shared == [["http://10.0.0.1:8000", "pool", "●"], ["http://10.0.0.1:8000", "other", "●"]]
    assert line_of(lines, "http://10.0.0.9:8000")[1] == "●"


def test_trouble_is_said_first() -> None:
    now = {
        **NOW,
        "state": "stopping",
        "ready": False,
        "reasons": ["no site has a usable server"],
        "last_reload": {"ok": False, "error": "shop.yaml:3: unknown key"},
        "log": {"lines": 0, "dropped": 17},
    }
    text = "\n".join(picture(BEFORE, now, 140))
    assert "stopping · not ready" in text
    assert "no site has a usable server" in text
    assert "last reload failed: shop.yaml:3: unknown key" in text
    assert "17 access log lines dropped" in text


def test_what_the_cache_spares_the_servers_is_said() -> None:
    now = deepcopy(BEFORE)
    now["sites"][0]["routes"][0]["cache"] = {"hit": 90, "miss": 10}
    assert any("CACHE" in line and "90% spared" in line and "hit 45/s" in line for line in picture(BEFORE, now))
    assert not any("CACHE" in line for line in picture(now, now))


def test_a_curve_grows_from_the_readings() -> None:
    rates = [10.0] * 200
    lines = picture(BEFORE, NOW, 80, rates=rates)
    assert rates[-1] == 1000
    curve = next(line for line in lines if "█" in line)
    assert curve.endswith("≤ 1.0k/s")
    assert len(curve) <= 80


@pytest.mark.parametrize("height", [24, 40, 60])
def test_many_rows_keep_to_the_height(height: int) -> None:
    now = deepcopy(NOW)
    now["sites"][0]["routes"] = [route(f"shop /{number}/") for number in range(200)]
    now["pools"][0]["servers"] = [server(f"http://10.0.0.{number}:8000") for number in range(200)]
    now["processes"] *= 20
    lines = picture(BEFORE, now, 80, height, rates=[1.0, 2.0])
    assert len(lines) <= height
    assert sum(line.startswith("and ") for line in lines) == 3


def test_counters_that_went_back_are_no_rates() -> None:
    lines = picture(NOW, BEFORE, 80)
    assert "no requests" in "\n".join(lines)
    assert "-" not in line_of(lines, "0 req/s")[0]


def test_an_empty_instance() -> None:
    bare = {"state": "stopping", "error": "the supervisor is gone"}
    assert "no requests" in "\n".join(picture(bare, bare))


def test_names_are_no_markup() -> None:
    now = deepcopy(NOW)
    now["sites"][0]["routes"] = [route("[red]x[/red] /")]
    assert "[red]x[/red] /" in "\n".join(picture(BEFORE, now))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3, "3"), (3.24, "3.2"), (42.4, "42"), (998, "998"), (999.7, "1.0k"), (12_340, "12.3k"),
     (123_400, "123k"), (999_700, "1.0M"), (5e9, "5.0G"), (5e13, "50000G")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0B"), (999, "999B"), (1000, "1.0K"), (1 << 20, "1.0M"), (150 << 20, "150M")]
)
def test_sizes(value: float, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "-"), (0.00035, "350µs"), (0.0042, "4.2ms"), (0.25, "250ms"), (1.84, "1.8s")]
)
def test_durations(value: float, text: str) -> None:
    assert duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(5.9, "5s"), (185, "3m 5s"), (7380, "2h 3m"), (90_000, "1d 1h"), (86399, "23h 59m")]
)
def test_ages(value: float, text: str) -> None:
    assert age(value) == text


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Running]:
    lock = PidFile.take(tmp_path)
    lock.write()
    with running(make_plan(), tmp_path) as found:
        yield found
    lock.close()


app = typer.Typer()
app.command()(top)


def test_once_shows_a_running_instance(instance: Running, tmp_path: Path) -> None:
    recorder = Recorder(instance.plan, instance.stats, 0)
    stop = threading.Event()

    def traffic() -> None:
        while not stop.wait(0.01):
            recorder.append(make_record(route=instance.plan.sites[0].routes[0]))
            recorder.tick()

    thread = threading.Thread(target=traffic)
    thread.start()
    result = CliRunner().invoke(app, ["--run-dir", str(tmp_path), "--once", "--interval", "0.5"])
    stop.set()
    thread.join()
    assert result.exit_code == 0, result.output
    assert "2xx 100.0%" in result.output
    assert "http://127.0.0.1:9001" in result.output


def test_no_instance_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--run-dir", str(tmp_path), "--once"])
    assert result.exit_code == 1
    assert "no running instance" in result.output


def test_an_instance_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    lock = PidFile.take(tmp_path)
    lock.write()
    result = CliRunner().invoke(app, ["--run-dir", str(tmp_path), "--once"])
    lock.close()
    assert result.exit_code == 1
    assert "admin.sock" in result.output
