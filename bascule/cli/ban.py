"""``bascule ban``: who is kept out of a running instance."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bascule.cli.instance import Pid, RunDir, ask
from bascule.cli.texts import fail, visible
from bascule.cli.units import counted
from bascule.config.types import parse_duration
from bascule.defence.bans import Ban, nftables

app = typer.Typer(name="ban", help="Keep clients out, or let them in again.", no_args_is_help=True)

For = Annotated[str, typer.Option("--for", help="How long: 10m, 2h, 7d, or ever. By default as its record calls for.")]
Reason = Annotated[str, typer.Option(help="Why; shown to other operators.")]


class Format(StrEnum):
    """How bans are written."""

    text = "text"
    json = "json"
    nftables = "nftables"


@app.command()
def add(address: str, for_: For = "", reason: Reason = "", run_dir: RunDir = "", pid: Pid = 0) -> None:
    """Ban an address or network."""
    ban = ask("POST", "/bans", run_dir, pid, {"network": address, "for": _seconds(for_), "reason": reason})["ban"]
    typer.echo(f"bascule: {ban['network']} is banned {_until(ban['until'])}", err=True)


@app.command()
def remove(address: str, run_dir: RunDir = "", pid: Pid = 0) -> None:
    """Lift a ban, and forget that there was one."""
    if not ask("POST", "/bans/remove", run_dir, pid, {"network": address})["found"]:
        fail(f"{address} is not banned")
    typer.echo(f"bascule: {address} is banned no more", err=True)


@app.command(name="list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, run_dir: RunDir = "", pid: Pid = 0
) -> None:
    """Show the bans in force."""
    bans = ask("GET", "/bans", run_dir, pid)["bans"]
    if as_json:
        typer.echo(json.dumps(bans, indent=2))
        return
    table = Table("banned", "until", "times", "by", "why", box=None, pad_edge=False)
    for ban in bans:
        why = " ".join(filter(None, (ban["reason"], ban["evidence"])))
        table.add_row(ban["network"], _until(ban["until"]), str(ban["times"]), visible(ban["source"]), visible(why))
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200).print(table)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A list: an address or network a line; - for standard input.")],
    for_: For = "ever",
    reason: Reason = "",
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Ban every address and network of a list."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, ValueError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or error}")
    body = {"list": text, "for": _seconds(for_), "reason": reason, "source": file.name}
    count = ask("POST", "/bans/import", run_dir, pid, body)["count"]
    typer.echo(f"bascule: {counted(count, 'entry is', 'entries are')} banned", err=True)


@app.command()
def export(
    form: Annotated[Format, typer.Option("--format", help="A plain list, JSON, or a script for nft.")] = Format.text,
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Print the bans in force, for `bascule ban import`, other programs, or the kernel (`... | nft -f -`)."""
    bans = ask("GET", "/bans", run_dir, pid)["bans"]
    if form == Format.json:
        typer.echo(json.dumps(bans, indent=2))
    elif form == Format.nftables:
        typer.echo(nftables((Ban(**ban) for ban in bans), time.time()), nl=False)
    else:
        for ban in bans:
            typer.echo(ban["network"])


def _seconds(text: str) -> float | None:
    """Return seconds; 0 for ever; None where the record decides."""
    if text in ("", "ever"):
        return 0.0 if text else None
    try:
        return parse_duration(text) or None
    except ValueError as error:
        fail(f"--for: {error}", 2)


def _until(moment: float) -> str:
    return f"until {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "for ever"
