"""``bascule report egress``: what users of the forward proxy did, from its access logs."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bascule.cli.forward_config import forward_of
from bascule.cli.texts import fail, visible
from bascule.cli.units import counted, in_bytes

app = typer.Typer(name="report", help="Reports from logs.", no_args_is_help=True)
_WHEN = "Time or date (RFC 3339), in UTC unless it says otherwise: 2026-01-31 or 2026-01-31T08:00."


@app.callback()
def _group() -> None:
    pass  # so that the one report there is keeps its name


@app.command()
def egress(
    logs: Annotated[list[Path], typer.Argument(help="Access logs in JSON, rotated and compressed (.gz) ones too.")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration whose categories count; none without it.")
    ] = None,
    since: Annotated[str, typer.Option(help=f"Leave out what was before. {_WHEN}")] = "",
    until: Annotated[str, typer.Option(help=f"Leave out what was from then on. {_WHEN}")] = "",
    user: Annotated[str, typer.Option(help="Of one user only.")] = "",
    top: Annotated[int, typer.Option(min=1, max=10_000, help="Rows of each part.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how much went where: by user, by category, by domain, and what was refused why."""
    from bascule.forward.usage import Usage  # loads the lists: only where they are needed

    begin, end = _moment(since, "--since"), _moment(until, "--until")
    try:
        usage = Usage(_table(config), begin, end, user)
        for log in logs:
            usage.read(log)
    except (OSError, ValueError) as error:
        fail(str(error))
    told = usage.as_dict(top)
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)
    count = counted(told["requests"], "request or tunnel", "requests and tunnels")
    none = "no line of the forward proxy (its route is forward) is among these"
    console.print(f"{count}, {told['first']} to {told['last']}" if told["requests"] else none)
    if told["unreadable"]:
        console.print(f"{counted(told['unreadable'], 'line is', 'lines are')} not of a forward proxy's JSON log")
    for part in ("users", "categories", "domains"):
        if told[part]:
            console.print(_rows(part, told[part]))
    if told["refused"]:
        table = Table("refused for", "requests", box=None, pad_edge=False)
        for row in told["refused"]:
            table.add_row(visible(row["cause"]), str(row["requests"]))
        console.print(table)


def _table(config: Path | None) -> Any:
    """Return the categories of a configuration, or None."""
    if config is None:
        return None
    from bascule.forward.policy import load_table

    return load_table(*forward_of(config))[0]


def _moment(text: str, option: str) -> str:
    """Return a time as the log would write it; empty for none. Raises typer.BadParameter."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-01-31T08:00", param_hint=option) from None
    return (moment.astimezone(UTC) if moment.tzinfo is not None else moment).replace(tzinfo=None).isoformat()


def _rows(part: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(part, "requests", "refused", "sent", "received", "time", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(
            visible(row["name"]) or "(nobody)",
            str(row["requests"]),
            str(row["refused"]),
            in_bytes(row["bytes_in"]),
            in_bytes(row["bytes_out"]),
            f"{row['seconds'] / 3600:.1f} h",
        )
    return table
