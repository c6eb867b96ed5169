"""The fuzz target of the cache on generated input, without a fuzzer."""

from __future__ import annotations

from fuzz import cache_fields
from tests.support.mutation import hold


def test_the_target_holds() -> None:
    hold(cache_fields, 6000)
