"""``bascule under-attack``: let every client of a site pass a challenge, until it is over."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from bascule.cli.admin_socket import UnreachableError, call
from bascule.cli.event_source import fail, visible
from bascule.cli.reload import Pid, RunDir
from bascule.server import rundir


class Word(StrEnum):
    """What an operator says."""

    on = "on"
    off = "off"
    auto = "auto"
    show = "show"


def under_attack(
    word: Annotated[Word, typer.Argument(help="on, off, auto (the counters decide), or show.")] = Word.show,
    site: Annotated[str, typer.Option(help="A single site; by default all that have challenges.")] = "",
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Say that sites are under attack: their clients pass `challenge.under_attack` then."""
    query = f"?site={quote(site)}" if site else ""
    method, path = ("GET", "/under-attack") if word == Word.show else ("POST", f"/under-attack/{word}{query}")
    try:
        answer = call(rundir.find(run_dir, pid).path / rundir.ADMIN_SOCKET, method, path)
    except (rundir.RunDirError, UnreachableError) as error:
        fail(str(error))
    for name, state in answer["sites"].items():
        if site in ("", name):
            why = f" ({visible(state['why'])})" if state["why"] else ""
            typer.echo(f"{visible(name)}: {'under attack' if state['attacked'] else 'quiet'}, says {state['by']}{why}")
