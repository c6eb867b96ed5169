"""One program with a forward proxy, and one origin, for the tests of a file: its `config(origin)` says the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proxy.conftest import _origin, origin
from tests.support.origins import Origin
from tests.support.program import Bascule

__all__ = ["_origin", "bascule", "origin", "port"]


@pytest.fixture(scope="module")
def bascule(request: pytest.FixtureRequest, _origin: Origin) -> Iterator[Bascule]:
    config = request.module.config(_origin)
    with Bascule({"workers": 1, "access_log": {"path": "-"}, **config}) as program:
        yield program


@pytest.fixture
def port(bascule: Bascule, origin: Origin) -> int:
    """Where the proxy listens."""
    return bascule.port
