"""Attacks and honest texts of many kinds, in every place of a request: what an outsider would measure the rules with."""

import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn.evaluation import HARMLESS, Result, measure
from tests.waf.logic.red import requests

FLOORS = {"standard": 95.0, "advanced": 97.0}
PROVOKED = {"standard": 6.0, "advanced": 13.0}
"""The honest texts were written to provoke: those of a site's visitors are refused a hundred times less."""
HARD = {"scanner": 75.0, "mail": 60.0, "jwt": 60.0, "xpath twice": 70.0, "jwt base64": 40.0, "redirect base64": 60.0}
"""Classes with addresses that some sites have, or that only the application can judge."""
CLASS_FLOOR = 80.0


@pytest.fixture(scope="module")
def result() -> Result:
    engines = {name: Logic.load(name) for name in ("basic", "standard", "advanced", "pci-dss")}
    return measure([*requests.attacks(), *requests.harmless()], engines)


@pytest.mark.parametrize("preset", FLOORS)
def test_attacks_are_found_and_honest_texts_spared(result: Result, preset: str) -> None:
    point = result.as_dict()["presets"][preset]
    assert point["detection"] >= FLOORS[preset]
    assert point["false_positives"] <= PROVOKED[preset]


def test_every_class_is_found(result: Result) -> None:
    classes = {kind: found["standard"] for kind, found in result.as_dict()["classes"].items() if kind != HARMLESS}
    assert len(classes) > 50
    assert {kind: share for kind, share in classes.items() if share < HARD.get(kind, CLASS_FLOOR)} == {}
