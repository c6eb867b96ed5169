"""The fuzz targets on generated input, without a fuzzer: they hold, and they look at what they are meant to."""

from __future__ import annotations

from types import ModuleType

import pytest

from fuzz import h1_body, h1_head, h1_response, hops, path, proxy_protocol, rewrite, websocket
from tests.support.mutation import hold

TARGETS = [h1_head, h1_response, h1_body, path, hops, rewrite, proxy_protocol, websocket]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_targets_hold(target: ModuleType) -> None:
    hold(target, 3000)
