"""The fuzz targets of the forward proxy on generated input, without a fuzzer."""

from __future__ import annotations

from types import ModuleType

import pytest

from fuzz import client_hello, digest, domain_list, forward_target, pac, parent_handshake, socks, socks_datagram
from tests.support.mutation import hold

TARGETS = [socks, socks_datagram, forward_target, client_hello, domain_list, pac, parent_handshake, digest]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_targets_hold(target: ModuleType) -> None:
    hold(target, 2000)
