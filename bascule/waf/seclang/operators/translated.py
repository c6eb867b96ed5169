"""Patterns translated for RE2, each once: reading patterns would take most of a start's time.

What is known from before may be put into TRANSLATED (`matcher/database.py` keeps it on disk).
"""

from __future__ import annotations

from .linear import LinearPattern, translate
from .pcre import parse

TRANSLATED: dict[bytes, LinearPattern] = {}
MAX_TRANSLATED = 8_192
"""A rule set has some hundred."""


def translated(pattern: bytes) -> LinearPattern:
    """Return a pattern as RE2 takes it. Raises OperatorError and NoLinearFormError, as `parse` and `translate` do."""
    found = TRANSLATED.get(pattern)
    if found is None:
        found = translate(parse(pattern))
        if len(TRANSLATED) < MAX_TRANSLATED:
            TRANSLATED[pattern] = found
    return found
