"""The commands that speak to a running Bascule: reload, upgrade, stop, status."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bascule.cli.instance import Pid, RunDir
from bascule.cli.top_numbers import age
from bascule.server import control, rundir

PATIENCE = 180.0
"""Seconds to wait for an answer: a rehearsal, a start and a wait for old generations fit."""


def reload(run_dir: RunDir = "", pid: Pid = 0) -> None:
    """Load the configuration anew. What is in progress is finished; a configuration that fails changes nothing."""
    answer = _order("reload", run_dir, pid)
    typer.echo(f"bascule: generation {answer['generation']} serves", err=True)


def upgrade(run_dir: RunDir = "", pid: Pid = 0) -> None:
    """Replace the running program by the one installed now, which inherits the listening sockets."""
    answer = _order("upgrade", run_dir, pid)
    typer.echo(f"bascule: process {answer['pid']} serves", err=True)


def stop(run_dir: RunDir = "", pid: Pid = 0) -> None:
    """Finish what is in progress, at most for `stop_timeout`, and end."""
    answer = _order("stop", run_dir, pid)
    typer.echo(f"bascule: process {answer['pid']} has ended", err=True)


def status(
    run_dir: RunDir = "",
    pid: Pid = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False,
) -> None:
    """Show generation, processes, uptime and restarts."""
    found = _call("status", run_dir, pid)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _show(found)


def _order(name: str, run_dir: str, pid: int) -> dict[str, Any]:
    """Send a command; end with status 1 and its error if it was not carried out."""
    answer = _call(name, run_dir, pid)
    if not answer["ok"]:
        typer.echo(f"bascule: {name} failed, nothing was changed: {answer['error']}", err=True)
        raise typer.Exit(1)
    return answer


def _call(name: str, run_dir: str, pid: int) -> dict[str, Any]:
    try:
        instance = rundir.find(run_dir, pid)
        return control.call(instance.control, {"call": name}, PATIENCE)
    except PermissionError:
        typer.echo("bascule: the instance belongs to another account; use that account, or root", err=True)
    except (rundir.RunDirError, OSError) as error:
        typer.echo(f"bascule: {error}", err=True)
    raise typer.Exit(1)


def _show(found: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"bascule {found['version']}, pid {found['pid']}: {found['state']}, generation {found['generation']}, "
        f"up {age(found['uptime'])}, {found['restarts']} restarts, {found.get('renewals', 0)} renewals",
        highlight=False,
    )
    console.print(f"listening on {', '.join(found['listeners'])}; run dir {found['run_dir']}", highlight=False)
    last = found["last_reload"]
    if last and not last["ok"]:
        console.print(f"last reload failed: {last['error']}", style="red", markup=False, highlight=False)
    table = Table("process", "generation", "pid", "state", "up", "error", box=None, pad_edge=False)
    for process in found["processes"]:
        up = "" if process["uptime"] is None else age(process["uptime"])
        table.add_row(
            process["name"],
            str(process["generation"]),
            str(process["pid"] or ""),
            process["state"],
            up,
            Text(process["error"] or ""),
        )
    console.print(table)
