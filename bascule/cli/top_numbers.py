"""The numbers of ``bascule top``, written for people."""

from __future__ import annotations

from collections.abc import Sequence


def deltas(old: dict[str, int], new: dict[str, int], seconds: float) -> dict[str, float]:
    """Return what grew between two readings of counters, by the second."""
    changes = ((kind, (count - old.get(kind, 0)) / seconds) for kind, count in new.items())
    return {kind: rate for kind, rate in changes if rate > 0}


def number(value: float) -> str:
    """Return a count or rate in up to five characters: ``0``, ``3.2``, ``840``, ``12.3k``."""
    if value == 0 or 10 <= value < 999.5 or value == int(value) < 10:
        return f"{value:.0f}"
    if value < 10:
        return f"{value:.1f}"
    return _scaled(value, 1000, ("", "k", "M", "G"))


def size(value: float) -> str:
    """Return bytes as ``812B``, ``4.0K``, ``1.2G`` (powers of 1024)."""
    return f"{value:.0f}B" if value < 999.5 else _scaled(value, 1024, ("", "K", "M", "G", "T"))


def _scaled(value: float, base: int, units: Sequence[str]) -> str:
    step = 0
    while value >= 999.5 and step < len(units) - 1:
        value /= base
        step += 1
    return f"{value:.1f}{units[step]}" if value < 99.95 else f"{value:.0f}{units[step]}"


def duration(seconds: float) -> str:
    """Return a latency as ``-`` (none), ``350µs``, ``4.2ms``, ``1.8s``."""
    if seconds <= 0:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f}µs"
    if seconds < 1:
        milliseconds = seconds * 1000
        return f"{milliseconds:.1f}ms" if milliseconds < 99.95 else f"{milliseconds:.0f}ms"
    return f"{seconds:.1f}s"


def age(seconds: float) -> str:
    """Return a time span in its two largest units: ``42s``, ``3m 5s``, ``2h 3m``, ``4d 1h``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole // 60 % 60}m"
    return f"{whole // 86400}d {whole // 3600 % 24}h"
