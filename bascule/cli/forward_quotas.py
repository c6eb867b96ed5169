"""``bascule forward quotas``: who has used what of the budgets of a running instance."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bascule.cli.instance import Pid, RunDir, ask
from bascule.cli.texts import visible
from bascule.cli.units import in_bytes


def quotas(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, run_dir: RunDir = "", pid: Pid = 0
) -> None:
    """Show who has used what of the budgets, those who used most first."""
    told = ask("GET", "/quotas", run_dir, pid)["quotas"]
    told.sort(key=_share, reverse=True)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    if not told:
        typer.echo("nobody has used anything of a budget (`forward.quotas` of bytes or time)", err=True)
        return
    table = Table("quota", "who", "period", "bytes", "time", "", box=None, pad_edge=False)
    for use in told:
        table.add_row(
            visible(use["quota"]),
            visible(use["who"]),
            use["period"],
            _of(in_bytes(use["bytes"]), use["bytes_limit"] and in_bytes(use["bytes_limit"])),
            _of(_time(use["seconds"]), use["seconds_limit"] and _time(use["seconds_limit"])),
            "used up" if use["used_up"] else "",
        )
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200).print(table)


def _share(use: dict[str, Any]) -> float:
    """Return how much of a budget is used."""
    pairs = ((use["bytes"], use["bytes_limit"]), (use["seconds"], use["seconds_limit"]))
    return max(value / limit if limit else 0.0 for value, limit in pairs)


def _of(value: str, limit: str) -> str:
    return f"{value} of {limit}" if limit else value


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
