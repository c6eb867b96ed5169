"""The recognisers are compiled once, as the program keeps them in its cache."""

from __future__ import annotations

import pytest

from bascule.cli.folders import cache_dir
from bascule.waf.logic.facts import warm


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    warm(cache_dir(""))
