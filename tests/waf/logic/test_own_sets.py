"""Attacks of all families in all places of a request, and honest requests, written before the rules were asked.

`red` has texts that were made to provoke, `wild` requests of many programs, `unseen` variants of all that is known.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn.evaluation import HARMLESS, Result, measure
from tests.waf.logic.red import requests as red
from tests.waf.logic.unseen import pairs as unseen_pairs
from tests.waf.logic.unseen import requests as unseen
from tests.waf.logic.wild import pairs as wild_pairs
from tests.waf.logic.wild import requests as wild

CLASS_FLOOR = 80.0


class Bounds(NamedTuple):
    """Percentages at each preset: the least of the attacks found, and the most of the honest refused."""

    found: dict[str, float]
    refused: dict[str, float]
    classes: int
    hard: dict[str, float]
    """Classes with addresses that some sites have, or that only the application can judge."""


BOUNDS = {
    # Those of a site's visitors are refused a hundred times less than these.
    red: Bounds(
        {"standard": 95.0, "advanced": 97.0},
        {"standard": 6.0, "advanced": 13.0},
        50,
        {"scanner": 75.0, "mail": 60.0, "jwt": 60.0, "xpath twice": 70.0, "jwt base64": 40.0, "redirect base64": 60.0},
    ),
    # What is refused is nearly all program code and markup that people send each other.
    wild: Bounds({"standard": 98.0, "advanced": 98.5}, {"standard": 7.0, "advanced": 10.0}, 25, {}),
    # Half of what was written at one time, by which nothing was mended; by the other half, in `wild`, the rules were.
    unseen: Bounds(
        {"standard": 95.0, "advanced": 96.0}, {"standard": 6.5, "advanced": 10.0}, 25, {"mail": 50.0, "redirect": 75.0}
    ),
    # Halves of texts written in pairs by who mended the facts: the second is not blind, only not looked at one by one.
    # Of the honest, a quarter are posts with code.
    wild_pairs: Bounds({"standard": 98.0, "advanced": 99.0}, {"standard": 10.5, "advanced": 14.0}, 14, {"crlf": 75.0}),
    unseen_pairs: Bounds({"standard": 95.0, "advanced": 96.5}, {"standard": 12.0, "advanced": 21.5}, 14, {}),
}


@pytest.fixture(scope="module", params=BOUNDS, ids=["red", "wild", "unseen", "wild-pairs", "unseen-pairs"])
def judged(request: pytest.FixtureRequest) -> tuple[Result, Bounds]:
    texts = request.param
    engines = {name: Logic.load(name) for name in ("basic", "standard", "advanced", "pci-dss")}
    return measure([*texts.attacks(), *texts.harmless()], engines), BOUNDS[texts]


@pytest.mark.parametrize("preset", ["standard", "advanced"])
def test_attacks_are_found_and_honest_requests_spared(judged: tuple[Result, Bounds], preset: str) -> None:
    result, bounds = judged
    point = result.as_dict()["presets"][preset]
    assert point["detection"] >= bounds.found[preset]
    assert point["false_positives"] <= bounds.refused[preset]


def test_every_class_is_found(judged: tuple[Result, Bounds]) -> None:
    result, bounds = judged
    classes = {kind: found["standard"] for kind, found in result.as_dict()["classes"].items() if kind != HARMLESS}
    assert len(classes) > bounds.classes
    floors = {kind: bounds.hard.get(kind, CLASS_FLOOR) for kind in classes}
    assert {kind: share for kind, share in classes.items() if share < floors[kind]} == {}
