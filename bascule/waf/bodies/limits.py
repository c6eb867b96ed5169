"""What a body may cost."""

from __future__ import annotations

from dataclasses import dataclass

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on request bodies; what exceeds one sets the result's error.

    `fields`: names and values (CVE-2011-4885: floods of hash collisions). `parts`, `part_headers`: of multipart.
    `depth`: nesting of JSON and XML.
    """

    fields: int = 1000
    parts: int = 200
    part_headers: int = 32
    depth: int = 64


DEFAULT_LIMITS = Limits()
