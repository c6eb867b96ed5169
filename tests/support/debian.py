"""Files of Debian packages that tests read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CRS = Path("/usr/share/modsecurity-crs")


def debian_crs() -> Path:
    """Return the folder of the package modsecurity-crs; where it is missing the test is skipped, and in CI fails."""
    if (CRS / "owasp-crs.load").is_file():
        return CRS
    reason = "CRS of Debian is not installed: apt-get install modsecurity-crs"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
