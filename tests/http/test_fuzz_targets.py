"""The fuzz targets on generated input, without a fuzzer: they hold, and they look at what they are meant to."""

from __future__ import annotations

import random
from types import ModuleType

import pytest

from fuzz import h1_body, h1_head, h1_response, hops, path, rewrite

TARGETS = [h1_head, h1_response, h1_body, path, hops, rewrite]
BITS = (
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"/",
    b"..",
    b"%2e",
    b"%2f",
    b"%",
    b"\0",
    b"\x80",
    b"0",
    b"=",
)


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change a few places of an input."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(changed) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            changed[at:at] = draw.choice(BITS)
        elif kind == 1:
            del changed[at : at + draw.randint(1, 3)]
        elif kind == 2:
            changed[at : at + 1] = bytes((draw.randrange(256),))
        else:
            changed[at:at] = changed[draw.randrange(len(changed) + 1) :][: draw.randint(1, 20)]
    return bytes(changed)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_targets_hold(target: ModuleType) -> None:
    draw = random.Random(20)
    pool = target.seeds()
    for seed in pool:
        target.one_input(seed)
    for _ in range(3000):
        data = mutate(draw.choice(pool), draw)
        target.one_input(data)
        if draw.random() < 0.05:
            pool.append(data)
