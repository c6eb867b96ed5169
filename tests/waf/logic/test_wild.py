"""Attacks of all families in all places, and honest requests of many programs: written before the rules were asked."""

from __future__ import annotations

import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn.evaluation import HARMLESS, Result, measure
from tests.waf.logic.wild import requests

FLOORS = {"standard": 98.0, "advanced": 98.5}
REFUSED = {"standard": 7.0, "advanced": 10.0}
"""What is refused of the honest ones is nearly all program code and markup that people send each other."""
CLASS_FLOOR = 80.0


@pytest.fixture(scope="module")
def result() -> Result:
    engines = {name: Logic.load(name) for name in ("basic", "standard", "advanced", "pci-dss")}
    return measure([*requests.attacks(), *requests.harmless()], engines)


@pytest.mark.parametrize("preset", FLOORS)
def test_attacks_are_found_and_honest_requests_spared(result: Result, preset: str) -> None:
    point = result.as_dict()["presets"][preset]
    assert point["detection"] >= FLOORS[preset]
    assert point["false_positives"] <= REFUSED[preset]


def test_every_class_is_found(result: Result) -> None:
    classes = {kind: found["standard"] for kind, found in result.as_dict()["classes"].items() if kind != HARMLESS}
    assert len(classes) > 25
    assert {kind: share for kind, share in classes.items() if share < CLASS_FLOOR} == {}
