"""Programs of the machine that tests need: curl, openssl, nginx... A stranger's machine may lack them; CI may not."""

from __future__ import annotations

import os
import shutil

import pytest

_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"


def require_program(name: str, package: str = "") -> str:
    """Return the path of a program. Where it is not installed the test is skipped, and in CI (`CI` is set) it fails."""
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM)
    if found is not None:
        return found
    reason = f"{name} is not installed: apt-get install {package or name}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
