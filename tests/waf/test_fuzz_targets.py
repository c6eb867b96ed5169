"""The fuzz targets of the firewall on generated input, without a fuzzer."""

from __future__ import annotations

from types import ModuleType

import pytest

from fuzz import multipart, waf_request
from tests.support.mutation import hold

TARGETS = [(multipart, 3000), (waf_request, 600)]


@pytest.mark.parametrize(("target", "inputs"), TARGETS, ids=lambda value: getattr(value, "__name__", None))
def test_targets_hold(target: ModuleType, inputs: int) -> None:
    hold(target, inputs)
