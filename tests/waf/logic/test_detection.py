"""Detection and false positives of the shipped rules: floors on texts written for this test, and on corpora if they are here."""

import re
import socket
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bascule.cli.main import app
from bascule.cli.wire import measure_wire
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn.corpora import rows
from bascule.waf.logic.learn.evaluation import HARMLESS, Result, measure
from bascule.waf.logic.learn.mutators import MUTATORS, mutants
from bascule.waf.logic.rules import PRESETS

SAMPLES = Path(__file__).parent / "samples"
CORPORA = Path(__file__).parents[4] / "shared" / "corpora" / "train"
FLOORS = {"basic": 85.0, "standard": 95.0, "advanced": 98.0, "pci-dss": 98.0}
CEILINGS = {"basic": 0.0, "standard": 0.0, "advanced": 5.0, "pci-dss": 10.0}
CLASS_FLOOR = 75.0
MUTANT_FLOOR = 70.0


@pytest.fixture(scope="module")
def engines() -> dict[str, Logic]:
    return {name: Logic.load(name) for name in PRESETS}


@pytest.fixture(scope="module")
def result(engines: dict[str, Logic]) -> Result:
    return measure([*rows(SAMPLES / "attacks.jsonl"), *rows(SAMPLES / "honest.jsonl")], engines, mutations=2)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_finds_and_spares_what_it_should(result: Result, preset: str) -> None:
    point = result.as_dict()["presets"][preset]
    assert point["detection"] >= FLOORS[preset]
    assert point["false_positives"] <= CEILINGS[preset]


def test_no_class_is_left_out(result: Result) -> None:
    classes = {kind: found["standard"] for kind, found in result.as_dict()["classes"].items() if kind != HARMLESS}
    assert len(classes) == 15
    assert {kind: share for kind, share in classes.items() if share < CLASS_FLOOR} == {}


def test_detection_holds_on_mutants(result: Result) -> None:
    shares = {name: found["standard"] for name, found in result.as_dict()["mutants"].items()}
    assert set(shares) == {mutator.name for mutator in MUTATORS}
    assert {name: share for name, share in shares.items() if share < MUTANT_FLOOR} == {}


def test_mutants_are_reproducible_and_differ_from_what_they_came_from() -> None:
    made = list(mutants(b"1 union select 1", "sqli", 2, 7))
    assert made == list(mutants(b"1 union select 1", "sqli", 2, 7))
    assert made
    assert all(text != b"1 union select 1" for _, text in made)
    assert list(mutants(b"hello", "other", 2, 7)) == []


def test_the_command_prints_presets_classes_and_mutants() -> None:
    done = CliRunner().invoke(app, ["evaluate", str(SAMPLES / "attacks.jsonl"), "--mutate", "1"])
    assert done.exit_code == 0, done.output
    assert "standard   detection" in done.output
    assert re.search(r"false positives +- +balanced accuracy +- *$", done.output, re.M), (
        "a share of no harmless requests"
    )
    assert "sql: case" in done.output
    wrong = CliRunner().invoke(app, ["evaluate", str(SAMPLES / "attacks.jsonl"), "--mutate", "1", "--url", "http://x"])
    assert wrong.exit_code == 1


def test_over_the_wire_refusals_are_counted_by_status() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        firewall = threading.Thread(target=_refuse_marks, args=(server, 2), daemon=True)
        firewall.start()
        result = measure_wire(
            [{"class": "xss", "text": "<b>"}, {"expect": "pass", "text": "hello"}],
            f"http://127.0.0.1:{port}",
            "standard",
        )
        firewall.join(5)
    point = result.as_dict()["presets"]["standard"]
    assert (point["detection"], point["false_positives"]) == (100.0, 0.0)


def _refuse_marks(server: socket.socket, count: int) -> None:
    for _ in range(count):
        peer, _ = server.accept()
        with peer:
            asked = peer.recv(65536)
            peer.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (403 if b"%3C" in asked else 200))


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not on this machine")
def test_corpora_stay_above_their_floors(engines: dict[str, Logic]) -> None:
    """A hundredth of each corpus: what is shown to the rules, so a fall tells of broken facts, not of learning."""
    points = {}
    for name in ("attacks", "benign_requests"):
        some = (row for number, row in enumerate(rows(CORPORA / f"{name}.jsonl.gz")) if number % 100 == 0)
        points[name] = measure(some, engines).as_dict()["presets"]["standard"]
    assert points["attacks"]["detection"] >= 90.0
    assert points["benign_requests"]["false_positives"] <= 0.3
