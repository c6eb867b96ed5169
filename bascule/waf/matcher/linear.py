"""RE2 as a scanner."""

from __future__ import annotations

from typing import Any

import re2


def linear_options() -> Any:
    """RE2's options for scanning: bytes, no captures, bounded memory."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = LINEAR_MEMORY
    options.never_capture = True
    options.log_errors = False
    return options


LINEAR_MEMORY = 64 << 20
"""Bytes one RE2 set may use; it drops states when they are used up, never matches."""
