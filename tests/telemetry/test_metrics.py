from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from bascule.state.arena import Arena
from bascule.telemetry import causes, names
from bascule.telemetry.metrics import Surroundings, exposition
from bascule.telemetry.recorder import Recorder
from bascule.telemetry.store import BOUNDS
from bascule.telemetry.totals import Histogram, Totals, quantile, read_totals
from tests.telemetry.support import make_plan, make_record

AROUND = Surroundings(
    version="1.2.3",
    generation=4,
    restarts=1,
    renewals=3,
    started=1e9,
    reload_ok=False,
    reload_time=2e9,
    pools={"pool": [{"server": "http://10.0.0.1:1", "state": "ejected", "active": 3},
                    {"server": "http://10.0.0.2:1", "state": "down", "active": 0}]},
    cache={"entries": 1, "bytes": 4096, "limit": 1 << 20, "stored": 3, "evicted": 1, "broken": 0},
)  # fmt: skip
ALL_NAMES = {metric.name: metric for metric in vars(names).values() if isinstance(metric, names.Metric)}


@pytest.fixture
def totals() -> Totals:
    arena = Arena(16 << 20)
    plan = make_plan(('shop.example /"quoted"\\', "shop.example /api/"))
    for slot in range(2):
        recorder = Recorder(plan, arena, slot, worker=slot)
        recorder.connections_opened, recorder.connections_tls = 4, 1
        for number in range(10):
            recorder.append(make_record(route=plan.sites[0].routes[0], duration=0.001 * (number + 1)))
        recorder.append(make_record(status=503, cause="no_server", server="", wait=0.0))
        recorder.try_failed("shop.example /", "http://127.0.0.1:9001", "reset")
        recorder.tick()
    return read_totals(arena)


def samples(families: Iterable[Metric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def test_prometheus_text(totals: Totals) -> None:
    content_type, body = exposition(totals, AROUND)
    assert content_type.startswith("text/plain")
    found = samples(text_string_to_metric_families(body.decode()))

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    route = {"site": "shop.example", "route": 'shop.example /"quoted"\\'}
    assert value("bascule_requests_total", **route, method="GET", status="2xx") == 20
    assert value("bascule_requests_total", site="", route="", method="GET", status="5xx") == 2
    assert value("bascule_request_duration_seconds_count", **route) == 20
    assert value("bascule_request_duration_seconds_sum", **route) == pytest.approx(0.11)
    assert value("bascule_request_duration_seconds_bucket", **route, le="0.005") == 10
    assert value("bascule_request_duration_seconds_bucket", **route, le="+Inf") == 20
    assert value("bascule_response_bytes_total", **route) == 100_000
    assert value("bascule_causes_total", cause="no_server") == 2
    assert value("bascule_causes_total", cause="waf") == 0
    assert value("bascule_connections_accepted_total", transport="plain") == 6
    assert value("bascule_connections_accepted_total", transport="tls") == 2
    assert value("bascule_connections_open") == 8
    server = {"pool": "shop.example /", "server": "http://127.0.0.1:9001"}
    assert value("bascule_upstream_requests_total", **server, status="2xx") == 20
    assert value("bascule_upstream_errors_total", **server, reason="reset") == 2
    assert value("bascule_upstream_wait_seconds_count", **server) == 20
    assert value("bascule_upstream_ejected", pool="pool", server="http://10.0.0.1:1") == 1
    assert value("bascule_upstream_active", pool="pool", server="http://10.0.0.1:1") == 3
    assert value("bascule_upstream_healthy", pool="pool", server="http://10.0.0.2:1") == 0
    assert value("bascule_generation") == 4
    assert value("bascule_worker_restarts_total") == 1
    assert value("bascule_renewals_total") == 3
    assert value("bascule_last_reload_successful") == 0
    assert value("bascule_workers") == 2
    assert value("bascule_info", version="1.2.3") == 1
    assert value("bascule_worker_resident_bytes", worker="1") > 0


def test_openmetrics_text(totals: Totals) -> None:
    content_type, body = exposition(totals, AROUND, "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = list(parse_openmetrics(body.decode()))
    assert {family.name for family in families} == set(ALL_NAMES)


def test_every_metric_of_names_is_exposed_with_its_help_and_labels(totals: Totals) -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(exposition(totals, AROUND)[1].decode())
    }
    for name, metric in ALL_NAMES.items():
        family = families[name if name in families else f"{name}_info"]
        assert family.documentation == metric.help
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_names_follow_the_conventions() -> None:
    for name, metric in ALL_NAMES.items():
        assert re.fullmatch(r"bascule(_[a-z]+)*", name)
        assert not name.endswith("_total")
        assert metric.help.endswith(".")


def test_nothing_counted_yet_is_a_valid_exposition() -> None:
    found = samples(text_string_to_metric_families(exposition(Totals(), Surroundings())[1].decode()))
    assert found["bascule_workers", frozenset()] == 0


def test_causes_are_constants_with_a_meaning() -> None:
    constants = {name: value for name, value in vars(causes).items() if name.isupper() and isinstance(value, str)}
    assert set(constants.values()) == set(causes.MEANINGS) == set(causes.ALL)
    assert all(name == value.upper() for name, value in constants.items())
    assert all(meaning and "\n" not in meaning for meaning in causes.MEANINGS.values())


@pytest.mark.parametrize(
    ("buckets", "share", "seconds"),
    [
        ([0] * 17, 0.5, 0.0),
        ([10] + [0] * 16, 0.5, 0.00025),
        ([0, 0, 100] + [0] * 14, 0.99, 0.001 + 0.0015 * 0.99),
        ([5, 5] + [0] * 15, 0.5, 0.0005),
        ([0] * 16 + [3], 0.5, BOUNDS[-1]),
    ],
)
def test_quantiles(buckets: list[int], share: float, seconds: float) -> None:
    assert quantile(buckets, share) == pytest.approx(seconds)


def test_histograms_add() -> None:
    histogram = Histogram()
    histogram.add([1] * 17 + [2_000_000])
    histogram.add([1] * 17 + [1_000_000])
    assert (histogram.count, histogram.total) == (34, 3.0)
