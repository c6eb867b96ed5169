"""One program with a forward proxy, and one origin, for the tests of a file: its `config(origin)` says the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.origins import Origin, mirror
from tests.support.program import Bascule


@pytest.fixture(scope="module")
def _origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def bascule(request: pytest.FixtureRequest, _origin: Origin) -> Iterator[Bascule]:
    config = request.module.config(_origin)
    with Bascule({"workers": 1, "access_log": {"path": "-"}, **config}) as program:
        yield program


@pytest.fixture
def origin(_origin: Origin) -> Origin:
    """The server on the way out; it mirrors requests until a test gives it another handler."""
    _origin.handler = mirror
    _origin.seen.clear()
    return _origin


@pytest.fixture
def port(bascule: Bascule, origin: Origin) -> int:
    """Where the proxy listens."""
    return bascule.port
