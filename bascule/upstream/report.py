"""What happens to servers, told to the operator on standard error, never at the price of waiting."""

from __future__ import annotations

from bascule.telemetry.sinks import complain


def report(pool: str, text: str) -> None:
    """Say it in one line; texts from files and from the network may hold control characters, so those become spaces."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    complain(f"pool {pool}: {' '.join(printable.split())}")
