"""``bascule under-attack``: let every client of a site pass a challenge, until it is over."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from bascule.cli.instance import Pid, RunDir, Word, ask
from bascule.cli.texts import visible


def under_attack(
    word: Annotated[Word, typer.Argument(help="on, off, auto (the counters decide), or show.")] = Word.show,
    site: Annotated[str, typer.Option(help="A single site; by default all that have challenges.")] = "",
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Say that sites are under attack: their clients pass `challenge.under_attack` then."""
    query = f"?site={quote(site)}" if site else ""
    method, path = ("GET", "/under-attack") if word == Word.show else ("POST", f"/under-attack/{word}{query}")
    for name, state in ask(method, path, run_dir, pid)["sites"].items():
        if site in ("", name):
            why = f" ({visible(state['why'])})" if state["why"] else ""
            typer.echo(f"{visible(name)}: {'under attack' if state['attacked'] else 'quiet'}, says {state['by']}{why}")
