"""The fuzz targets of the forward proxy on generated input, without a fuzzer."""

from __future__ import annotations

import random
from types import ModuleType

import pytest

from fuzz import domain_list, forward_target, socks
from tests.http.test_fuzz_targets import mutate

TARGETS = [socks, forward_target, domain_list]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_targets_hold(target: ModuleType) -> None:
    draw = random.Random(20)
    pool = target.seeds()
    for seed in pool:
        target.one_input(seed)
    for _ in range(2000):
        data = mutate(draw.choice(pool), draw)
        target.one_input(data)
        if draw.random() < 0.05:
            pool.append(data)
