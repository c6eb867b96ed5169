from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from bascule.telemetry.recorder import Recorder
from tests.admin.support import STATUS, Running, running
from tests.telemetry.support import make_plan, make_record

BEFORE = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
SERVER = "http://127.0.0.1:9001"


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Running]:
    with running(make_plan(), tmp_path) as found:
        yield found


def drain_path(pool: str, server: str, action: str = "drain") -> str:
    return f"/pools/{quote(pool, safe='')}/servers/{quote(server, safe='')}/{action}"


def test_index_and_health(admin: Running) -> None:
    assert "/status" in admin.json("GET", "/")[1]["GET"]
    assert admin.json("GET", "/healthz") == (200, {"ok": True})
    assert admin.ask("HEAD", "/healthz")[0] == 200
    assert admin.ask("GET", "/nowhere")[0] == 404
    assert admin.ask("GET", "/reload")[0] == 405


def test_ready_while_workers_serve_and_a_server_is_usable(admin: Running) -> None:
    assert admin.json("GET", "/readyz") == (200, {"ready": True, "reasons": []})
    for slot in (0, 1):
        admin.board.pools[0].set_flags(slot, down=True, drain=False)
    assert admin.json("GET", "/readyz") == (503, {"ready": False, "reasons": ["no site has a usable server"]})
    admin.board.pools[0].set_flags(1, down=False, drain=False)
    assert admin.json("GET", "/readyz")[0] == 200


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"state": "stopping"}, "stopping"),
        ({"generation": 4}, "no worker serves"),
        ({"processes": []}, "no worker serves"),
        ({"processes": [{**STATUS["processes"][0], "state": "starting"}]}, "no worker serves"),
    ],
)
def test_not_ready(admin: Running, told: dict[str, object], reason: str) -> None:
    admin.supervisor.told |= told
    assert admin.json("GET", "/readyz") == (503, {"ready": False, "reasons": [reason]})


def test_a_supervisor_that_is_gone(admin: Running) -> None:
    admin.supervisor.gone = True
    assert admin.json("GET", "/readyz") == (503, {"ready": False, "reasons": ["stopping"]})
    assert admin.json("GET", "/status")[1]["error"] == "the supervisor is gone"
    assert admin.ask("GET", "/metrics")[0] == 200
    assert admin.json("POST", "/reload")[0] == 503
    answer = {"ok": False, "error": "not done, ask again: the supervisor is gone"}
    assert admin.json("POST", "/maintenance/shop.example/on") == (503, answer)
    assert not admin.kept


def test_metrics(admin: Running) -> None:
    recorder = Recorder(admin.plan, admin.stats, 0)
    recorder.append(make_record(route=admin.plan.sites[0].routes[0]))
    recorder.tick()
    status, headers, body = admin.ask("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert [sample.value for sample in families["bascule_requests"].samples] == [1]
    assert [sample.labels["server"] for sample in families["bascule_upstream_healthy"].samples] == [
        SERVER,
        "http://127.0.0.1:9002",
    ]
    assert families["bascule_generation"].samples[0].value == 3
    assert families["bascule_worker_restarts"].samples[0].value == 2
    assert abs(families["bascule_start_time_seconds"].samples[0].value - (time.time() - 12.5)) < 60
    _, headers, body = admin.ask("GET", "/metrics", {"accept": "application/openmetrics-text; version=1.0.0"})
    assert headers["content-type"].startswith("application/openmetrics-text")
    assert list(parse_openmetrics(body.decode()))


def test_status(admin: Running) -> None:
    recorder = Recorder(admin.plan, admin.stats, 0)
    admin.supervisor.told["processes"][0]["pid"] = recorder_pid = os.getpid()
    shop = admin.plan.sites[0].routes[0]
    recorder.connections_opened = 7
    for status in (200, 200, 404, 502):
        recorder.append(make_record(route=shop, status=status, duration=0.004))
    recorder.append(make_record(status=404, server="", cause="no_site"))
    recorder.tick()
    status, document = admin.json("GET", "/status")
    assert status == 200
    assert document["version"] == "9.9.9"
    assert document["ready"] is True
    worker = document["processes"][0]
    assert (worker["name"], worker["pid"], worker["connections"]) == ("worker 0", recorder_pid, 7)
    assert worker["resident"] > 1 << 20
    assert "resident" not in document["processes"][1]
    assert document["connections"]["open"] == 7
    assert document["causes"] == {"no_site": 1}
    site, unrouted = document["sites"]
    assert (site["name"], site["usable"], site["maintenance"]) == ("shop.example", True, None)
    first, second = site["routes"]
    assert (first["name"], first["pool"], first["requests"]) == ("shop.example /", "shop.example /", 4)
    assert first["statuses"] == {"2xx": 2, "4xx": 1, "5xx": 1}
    assert 0.0025 < first["duration"]["p50"] <= 0.005
    assert len(first["duration"]["buckets"]) == len(document["bounds"]) + 1
    assert second["requests"] == 0
    assert unrouted["routes"][0]["requests"] == 1
    (pool,) = document["pools"]
    assert [server["server"] for server in pool["servers"]] == [SERVER, "http://127.0.0.1:9002"]
    assert pool["servers"][0]["statuses"] == {"2xx": 2, "4xx": 1, "5xx": 1}
    assert pool["servers"][0]["state"] == "up"


def test_recent_rates(admin: Running) -> None:
    recorder = Recorder(admin.plan, admin.stats, 0)
    deadline = time.monotonic() + 30
    recent = admin.json("GET", "/status")[1]["recent"]
    while not recent["requests"] and time.monotonic() < deadline:
        recorder.append(make_record(route=admin.plan.sites[0].routes[0], duration=0.02))
        recorder.tick()
        time.sleep(0.01)
        recent = admin.json("GET", "/status")[1]["recent"]
    assert recent["requests"] > 0
    assert recent["bytes_out"] == pytest.approx(recent["requests"] * 5000)
    assert 0.01 < recent["p99"] <= 0.025


@pytest.mark.parametrize(("ok", "expected"), [(True, 200), (False, 422)])
def test_reload(admin: Running, ok: bool, expected: int) -> None:
    admin.supervisor.result = {"ok": ok, "error": None if ok else "bad key", "generation": 4}
    assert admin.json("POST", "/reload") == (expected, admin.supervisor.result)


@pytest.mark.parametrize("name", [SERVER, "127.0.0.1:9001"])
def test_drain_and_undrain(admin: Running, name: str) -> None:
    path = drain_path("shop.example /", name)
    assert admin.json("POST", path)[1] == {"ok": True, "pool": "shop.example /", "servers": [SERVER], "drain": True}
    assert admin.board.pools[0].is_drained(0)
    assert not admin.board.pools[0].is_drained(1)
    assert admin.json("GET", "/status")[1]["pools"][0]["servers"][0]["state"] == "drain"
    assert admin.json("POST", drain_path("shop.example /", name, "undrain"))[0] == 200
    assert not admin.board.pools[0].is_drained(0)


@pytest.mark.parametrize(
    "path",
    [
        drain_path("nope", SERVER),
        drain_path("shop.example /", "http://127.0.0.1:1"),
        drain_path("shop.example /", SERVER, "explode"),
        "/pools/shop.example",
        "/pools/shop.example /servers/x/drain".replace(" ", "%20"),
        "/maintenance/shop.example",
        "/maintenance/shop.example/maybe",
        "/maintenance/unknown.example/on",
        "/cache/purge",
    ],
)
def test_what_does_not_exist_is_said_so(admin: Running, path: str) -> None:
    status, document = admin.json("POST", path)
    assert status == 404
    assert document["ok"] is False
    assert document["error"]


def test_maintenance_reaches_the_bus_and_outlives_the_keeper(admin: Running) -> None:
    assert admin.json("POST", "/maintenance/shop.example/on")[0] == 200
    assert admin.bus.retained("maintenance") == admin.kept["maintenance"] == {"shop.example": True}
    assert admin.json("GET", "/status")[1]["sites"][0]["maintenance"] is True
    admin.json("POST", "/maintenance/shop.example/off")
    assert admin.bus.retained("maintenance") == {"shop.example": False}
    admin.json("POST", "/maintenance/shop.example/auto")
    assert admin.bus.retained("maintenance") == {}


def test_security_headers_are_everywhere(admin: Running) -> None:
    for tcp, path in ((False, "/status"), (False, "/nowhere"), (True, "/status"), (True, "/healthz")):
        headers = admin.ask("GET", path, {"origin": "https://evil.example"}, tcp=tcp)[1]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_a_fault_is_a_500_without_details(admin: Running, caplog: pytest.LogCaptureFixture) -> None:
    admin.supervisor.told = {"processes": 7}
    status, document = admin.json("GET", "/readyz")
    assert status == 500
    assert document == {"ok": False, "error": "internal error, see the log"}
    assert "TypeError" in caplog.text


def test_garbage_is_refused_quietly(admin: Running, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", admin.port), timeout=30) as sock:
        sock.sendall(b"\x16\x03\x01 not http\r\n\r\n")
        assert b"400" in sock.recv(65536)
    assert capfd.readouterr().err == ""


def test_signals_are_left_alone(admin: Running) -> None:
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == BEFORE


def test_stop_ends_within_the_grace_and_twice_is_fine(admin: Running) -> None:
    with socket.create_connection(("127.0.0.1", admin.port), timeout=30):
        begun = time.monotonic()
        admin.call(admin.app.stop())
        assert time.monotonic() - begun < 4
    admin.call(admin.app.stop())
    with pytest.raises(ConnectionError):
        admin.ask("GET", "/healthz", tcp=True)
