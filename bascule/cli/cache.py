"""``bascule cache``: the responses that a running instance keeps."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bascule.cli.instance import Pid, RunDir, ask
from bascule.cli.texts import fail
from bascule.cli.units import counted

app = typer.Typer(name="cache", help="Purge stored responses, or tell how many there are.", no_args_is_help=True)


@app.command()
def purge(
    url: Annotated[str, typer.Argument(help="The URL whose responses are to go.")] = "",
    prefix: Annotated[str, typer.Option(help="All URLs that begin so.")] = "",
    tag: Annotated[str, typer.Option(help="All responses that carry this Cache-Tag or Surrogate-Key.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Remove stored responses; no worker uses them any more once this returns."""
    asked = {"url": url, "prefix": prefix, "tag": tag, "all": all_}
    if sum(map(bool, asked.values())) != 1:
        fail("say what: a URL, --prefix URL, --tag NAME or --all", 2)
    count = ask("POST", "/cache/purge", run_dir, pid, asked)["purged"]
    typer.echo(f"bascule: {count} purged", err=True)


@app.command()
def stats(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, run_dir: RunDir = "", pid: Pid = 0
) -> None:
    """Tell what is stored, and what became of what was."""
    counts = ask("GET", "/cache", run_dir, pid)
    if as_json:
        typer.echo(json.dumps(counts, indent=2))
        return
    share = counts["bytes"] / counts["limit"]
    held = counted(counts["entries"], "response")
    typer.echo(f"{held}, {counts['bytes'] >> 10} of {counts['limit'] >> 10} KiB ({share:.0%})")
    typer.echo(f"stored {counts['stored']}, pushed out {counts['evicted']}, found broken {counts['broken']}")
