"""Reads the SecLang vectors the way ModSecurity's unit-test runner does (test/unit/unit_test.cc, json2bin)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_HEX = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_WIDE = re.compile(rb"\\u([0-9A-Fa-f]{4})")


def load_vectors(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return (file stem in lower case, case) for every case of a folder of vectors."""
    return [
        (path.stem.lower(), case)
        for path in sorted(folder.glob("*.json"))
        for case in json.loads(path.read_text(encoding="utf-8"))
    ]


def to_bytes(text: str) -> bytes:
    """Encode a vector's text; `\\xHH` and `\\uHHHH` left in it after JSON stand for single bytes."""
    data = _HEX.sub(lambda match: bytes([int(match[1], 16)]), text.encode())
    return _WIDE.sub(lambda match: bytes([int(match[1], 16) & 0xFF]), data)
