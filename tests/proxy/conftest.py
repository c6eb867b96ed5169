"""One program and one origin for the tests of a file: what differs is in the file's `config` and in the handlers."""

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
def _bascule(request: pytest.FixtureRequest, _origin: Origin) -> Iterator[Bascule]:
    with Bascule(request.module.config(_origin)) as bascule:
        yield bascule


@pytest.fixture
def origin(_origin: Origin) -> Origin:
    """The server behind the bridge; it mirrors requests until a test gives it another handler."""
    _origin.handler = mirror
    _origin.seen.clear()
    return _origin


@pytest.fixture
def port(_bascule: Bascule, origin: Origin) -> int:
    """Where the program with the module's `config(origin)` listens."""
    return _bascule.port


@pytest.fixture
def bascule(_bascule: Bascule) -> Bascule:
    return _bascule
