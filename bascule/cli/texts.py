"""What commands say: what is wrong, and texts that others wrote."""

from __future__ import annotations

from typing import NoReturn

import typer


def fail(text: str, status: int = 1) -> NoReturn:
    """Say what is wrong and end."""
    typer.echo(f"bascule: {text}", err=True)
    raise typer.Exit(status)


def visible(text: str) -> str:
    """Return a text with everything that could act on a terminal or hide in it written as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
