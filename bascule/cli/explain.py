"""``bascule explain REF``: why a request was refused, or what was noticed about it."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from bascule.cli.event_source import ConfigOption, EventsOption, locate
from bascule.cli.explain_view import render
from bascule.cli.instance import Pid, RunDir
from bascule.cli.texts import fail
from bascule.telemetry import eventfiles


def explain(
    reference: Annotated[str, typer.Argument(help="The reference id: x-bascule-ref, or shown on the error page.")],
    events: EventsOption = None,
    config: ConfigOption = None,
    run_dir: RunDir = "",
    pid: Pid = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the event as JSON.")] = False,
) -> None:
    """Show every rule that fired on a request, on what, the score's arithmetic, and how to make an exception."""
    path = locate(events, config, run_dir, pid)
    try:
        event = eventfiles.find(path, reference.strip())
    except OSError as error:
        fail(f"{error.filename or path}: {error.strerror}; use the account that Bascule runs under, or root")
    if event is None:
        files = ", ".join(eventfiles.files_of(path))
        fail(
            f"no event {reference!r} in {files}; it was refused for another reason than a rule of the firewall "
            "(the access log's `cause` tells which), or its event is too old to be kept, or in another log (--events)"
        )
    if as_json:
        typer.echo(msgspec.json.encode(event).decode())
        return
    # Without a terminal there is no width to keep to, and a cut line would lose what it says.
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 160)
    for part in render(event):
        console.print(part)
