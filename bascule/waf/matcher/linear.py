"""RE2 as a scanner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import re2

from bascule.config.grammar import over_bytes


def linear_options() -> Any:
    """RE2's options for scanning: bytes, no captures, bounded memory."""
    return over_bytes(max_mem=LINEAR_MEMORY, never_capture=True)


def linear_set(patterns: Iterable[bytes]) -> Callable[[bytes], list[int]]:
    """Return a function that tells which of the patterns a text matches, in one pass.

    It is the method of RE2 itself: the wrapper around it costs as much again as a short text.
    """
    found = re2.Set.SearchSet(linear_options())
    for pattern in patterns:
        found.Add(pattern)
    found.Compile()
    return found._set.Match  # type: ignore[no-any-return]


LINEAR_MEMORY = 64 << 20
"""Bytes one RE2 set may use; it drops states when they are used up, never matches."""
