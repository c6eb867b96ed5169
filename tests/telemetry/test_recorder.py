from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bascule.state.arena import Arena
from bascule.telemetry.accesslog import open_early
from bascule.telemetry.recorder import Recorder
from bascule.telemetry.totals import Totals, read_totals
from tests.telemetry.support import make_plan, make_record


@pytest.fixture
def arena() -> Arena:
    return Arena(16 << 20)


def route_of(totals: Totals, name: str) -> Any:
    return next(route for route in totals.routes if route.route == name)


def test_counts_by_route_method_and_status(arena: Arena) -> None:
    plan = make_plan()
    shop, api = plan.sites[0].routes
    recorder = Recorder(plan, arena, 0)
    for _ in range(3):
        recorder.append(make_record(route=shop))
    recorder.append(make_record(route=shop, method=b"HEAD", status=304, tries=3))
    recorder.append(make_record(route=shop, method=b"BREW", status=99))
    recorder.append(make_record(route=api, method=b"POST", status=503, server="", wait=0.0, cause="no_server"))
    recorder.append(make_record(route=None, status=404, server="", wait=0.0, cause="no_site"))
    assert not read_totals(arena).routes
    recorder.flush()
    assert recorder.records == []
    totals = read_totals(arena)
    found = route_of(totals, "shop.example /")
    assert found.site == "shop.example"
    assert found.requests == {("GET", "2xx"): 3, ("HEAD", "3xx"): 1, ("other", "other"): 1}
    assert found.statuses() == {"2xx": 3, "3xx": 1, "other": 1}
    assert (found.bytes_in, found.bytes_out, found.retries) == (1500, 25000, 2)
    assert found.duration.count == found.wait.count == 5
    assert found.duration.total == pytest.approx(0.021)
    assert route_of(totals, "shop.example /api/").requests == {("POST", "5xx"): 1}
    assert route_of(totals, "shop.example /api/").wait.count == 0
    assert route_of(totals, "").requests == {("GET", "4xx"): 1}
    assert totals.causes == {"no_server": 1, "no_site": 1}


def test_counts_by_server(arena: Arena) -> None:
    plan = make_plan()
    (shop, _) = plan.sites[0].routes
    recorder = Recorder(plan, arena, 0)
    for status in (200, 200, 502):
        recorder.append(make_record(route=shop, status=status))
    recorder.append(make_record(route=shop, server="http://10.9.9.9:1", wait=0.0))
    recorder.try_failed("shop.example /", "http://127.0.0.1:9001", "connect")
    recorder.flush()
    servers = {server.server: server for server in read_totals(arena).servers}
    first = servers["http://127.0.0.1:9001"]
    assert (first.pool, first.answers, first.errors) == ("shop.example /", {"2xx": 2, "5xx": 1}, {"connect": 1})
    assert first.wait.count == 3
    assert servers["http://10.9.9.9:1"].wait.count == 0


def test_append_stays_the_same_function(arena: Arena) -> None:
    recorder = Recorder(make_plan(), arena, 0)
    append = recorder.append
    for _ in range(3):
        append(make_record())
        recorder.flush()
    assert sum(read_totals(arena).routes[0].requests.values()) == 3


def test_unknown_cause_counts_as_internal(arena: Arena) -> None:
    recorder = Recorder(make_plan(), arena, 0)
    recorder.append(make_record(cause="gremlins"))
    recorder.flush()
    assert read_totals(arena).causes == {"internal": 1}


def test_counters_survive_reload_and_restart_and_sum_over_workers(arena: Arena) -> None:
    for slot, generation in ((0, 1), (1, 1), (0, 2)):
        plan = make_plan(("shop.example /", f"only {generation}"))
        recorder = Recorder(plan, arena, slot, generation=generation)
        recorder.connections_opened = 5
        for route in plan.sites[0].routes:
            recorder.append(make_record(route=route))
        recorder.close()
    totals = read_totals(arena)
    assert {route.route: route.requests["GET", "2xx"] for route in totals.routes} == {
        "shop.example /": 3,
        "only 1": 2,
        "only 2": 1,
    }
    assert totals.accepted == 15
    assert totals.connections == 0


def test_connections_and_gauges(arena: Arena) -> None:
    now = [100.0]
    recorder = Recorder(make_plan(), arena, 4, worker=1, generation=7, clock=lambda: now[0])
    recorder.connections_opened, recorder.connections_closed = 10, 4
    recorder.connections_tls, recorder.connections_refused, recorder.tls_failed = 3, 2, 1
    recorder.tick()
    totals = read_totals(arena, now=101.0)
    assert (totals.accepted, totals.accepted_tls, totals.refused, totals.tls_failed) == (10, 3, 2, 1)
    (worker,) = totals.workers
    assert (worker.slot, worker.worker, worker.generation, worker.pid) == (4, 1, 7, os.getpid())
    assert worker.connections == totals.connections == 6
    assert worker.resident > 1 << 20
    assert worker.cpu > 0
    assert worker.fds >= 3
    assert read_totals(arena, now=111.0).workers == []  # it stopped publishing
    recorder.close()
    assert read_totals(arena, now=101.0).workers == []


def test_log_and_its_counters(arena: Arena, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    plan = make_plan(access_log={"path": str(path), "fields": ["status", "route"]})
    recorder = Recorder(plan, arena, 0, sink=open_early(plan.config.access_log))
    recorder.append(make_record(route=plan.sites[0].routes[1]))
    recorder.tick()
    assert path.read_text() == '{"status":200,"route":"shop.example /api/"}\n'
    path.rename(tmp_path / "old")
    recorder.append(make_record(status=404))
    recorder.reopen()
    recorder.append(make_record(status=500))
    recorder.close()
    assert [json.loads(line)["status"] for line in (tmp_path / "old").read_text().splitlines()] == [200, 404]
    assert json.loads(path.read_text())["status"] == 500
    assert read_totals(arena).log_lines == 3


def test_a_log_that_cannot_be_written_is_counted(arena: Arena, tmp_path: Path) -> None:
    plan = make_plan(access_log={"path": str(tmp_path / "no" / "a.log")})
    recorder = Recorder(plan, arena, 0)
    recorder.append(make_record())
    recorder.append(make_record())
    recorder.close()
    totals = read_totals(arena)
    assert (totals.log_lines, totals.log_lines_dropped) == (0, 2)
    assert sum(totals.routes[0].requests.values()) == 2


def test_a_record_that_is_no_record_takes_nothing_down(arena: Arena, capfd: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder(make_plan(), arena, 0)
    recorder.append(make_record(duration="soon"))
    recorder.flush()
    assert "1 records lost" in capfd.readouterr().err
    recorder.append(make_record())
    recorder.flush()
    assert read_totals(arena).routes


def test_a_killed_worker_leaves_its_counters_behind(arena: Arena) -> None:
    pid = os.fork()
    if pid == 0:
        recorder = Recorder(make_plan(), arena, 0)
        recorder.connections_opened = 3
        for _ in range(100):
            recorder.append(make_record())
        recorder.tick()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert sum(read_totals(arena).routes[0].requests.values()) == 100
    successor = Recorder(make_plan(), arena, 0)
    successor.append(make_record())
    successor.tick()
    totals = read_totals(arena)
    assert sum(totals.routes[0].requests.values()) == 101
    assert (totals.accepted, totals.connections) == (3, 0)
