"""The texts among joined ones that have certain bytes, cut out without taking the others apart."""

from __future__ import annotations

from collections.abc import Iterable


def spans(joined: bytes, codes: Iterable[int], seam: bytes) -> list[tuple[int, int]]:
    """Return where in `joined` texts begin and end that have any of the bytes `codes`, in order; `seam` is a byte."""
    found: set[tuple[int, int]] = set()
    for code in codes:
        at = joined.find(code)
        while at >= 0:
            end = joined.find(seam, at)
            end = len(joined) if end < 0 else end
            found.add((joined.rfind(seam, 0, at) + 1, end))
            at = joined.find(code, end)
    return sorted(found)
