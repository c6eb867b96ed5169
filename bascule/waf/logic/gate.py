"""The gate: one cheap test that dismisses values in which no attack language can hide.

A value passes it (is inspected) unless all its bytes are letters, digits and a few harmless marks, it is no run of
words, and it is too short to be Base64 of anything.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(rb"(?:(?!_)[A-Za-z0-9_-]{1,15}+|[0-9.,:-]{1,64}+|[0-9a-fA-F-]{1,128}+|)\Z")


def is_plain(value: bytes) -> bool:
    """Tell whether a value is one word, number, date or hexadecimal token: nothing that could do anything."""
    return _PLAIN.match(value) is not None
