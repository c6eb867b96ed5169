"""How amounts are shown."""

from __future__ import annotations


def in_bytes(count: float) -> str:
    """Return a number of bytes with the largest unit of which it has one."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def counted(number: int, noun: str, many: str = "") -> str:
    """Return a number of things: ``1 entry``, ``2 entries`` where `many` is how more than one are called."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"
