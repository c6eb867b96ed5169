"""Tells of tests that needed more than one run (`support/pace.py`): a stall, or a race that is to be looked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import pace

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Else each of the hundreds of programs that tests start compiles all of its source: 0.5 s of CPU, of 1.3."""


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note on a test's report what spoilt runs of it, which xdist carries to where the summary is written."""
    if call.when == "call":
        item.user_properties += [("spoilt", why) for why in pace.spoilt]
        pace.spoilt.clear()
    yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List them."""
    for report in terminalreporter.getreports("passed"):
        for name, why in report.user_properties:
            if name == "spoilt":
                terminalreporter.line(f"RUN AGAIN {report.nodeid}: {why}")
