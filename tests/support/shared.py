"""Where the developers' shared data lies. A stranger's checkout has none of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_dir(*parts: str) -> Path:
    """Return the path of a shared file or folder; skip the test, with the reason, where it is absent."""
    root = Path(os.environ.get("BASCULE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"shared data not present: {'/'.join(parts) or 'shared'}")
    return path
