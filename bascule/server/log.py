"""What the supervisor tells its operator: lines on standard error, each once."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write one line; a closed standard error is no reason to fall."""
    try:
        print(f"bascule: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return
