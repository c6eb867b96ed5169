"""The fuzz targets of the forward proxy on generated input, without a fuzzer."""

from __future__ import annotations

from types import ModuleType

import pytest

from fuzz import digest, domain_list, forward_target, parent_handshake, socks
from tests.support.mutation import hold

TARGETS = [socks, forward_target, domain_list, parent_handshake, digest]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_targets_hold(target: ModuleType) -> None:
    hold(target, 2000)
