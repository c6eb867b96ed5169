"""Mutated input for fuzz targets, without a fuzzer: repeatable, and quick enough for every run of the tests."""

from __future__ import annotations

import random
from types import ModuleType

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


def hold(target: ModuleType, inputs: int) -> None:
    """Give a fuzz target its seeds and that many mutants of them; what it asserts has to hold."""
    draw = random.Random(20)
    pool = target.seeds()
    for seed in pool:
        target.one_input(seed)
    for _ in range(inputs):
        data = mutate(draw.choice(pool), draw)
        target.one_input(data)
        if draw.random() < 0.05:
            pool.append(data)
