"""The folders in which Bascule keeps what it can make anew: compiled rules and fetched lists."""

from __future__ import annotations

import os
from pathlib import Path

from bascule.telemetry.sinks import complain


def _cache_place(configured: str) -> Path:
    if configured:
        return Path(configured)
    if os.geteuid() == 0:
        return Path("/var/cache/bascule")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bascule"


def lists_dir(configured: str) -> str:
    """Return the folder of fetched lists, which need not be there."""
    return str(_cache_place(configured) / "lists")


def cache_dir(configured: str) -> Path | None:
    """Return the folder for compiled rules; None where none can be written."""
    folder = _cache_place(configured)
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        if configured:
            raise
        complain(f"compiled rules are not cached: {folder}: {error.strerror}; set cache_dir")
        return None
    return folder
