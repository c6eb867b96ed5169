"""``bascule demo``: two replicas of a sample shop, Bascule in front of them, and a terminal that shows what happens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; the next free one if taken.")] = 8080,
    traffic: Annotated[
        bool, typer.Option("--traffic/--no-traffic", help="Send a few honest requests a second.")
    ] = True,
    plain: Annotated[bool, typer.Option("--plain", help="Print lines instead of the live picture.")] = False,
    duration: Annotated[float, typer.Option(min=0, help="End after so many seconds; 0: when Ctrl-C is pressed.")] = 0,
    crs: Annotated[
        Path | None, typer.Option(help="Folder of the OWASP Core Rule Set, instead of the logical rules.")
    ] = None,
    shop: Annotated[Path | None, typer.Option(help="The sample shop's app.py, if it is not found.")] = None,
) -> None:
    """Run a sample shop behind Bascule and watch: balancing, failover, reload, attacks refused."""
    from bascule.cli import demo_processes, demo_stage  # what they need is loaded only by what runs it

    try:
        demo_stage.run(port, traffic, plain, duration, shop, crs)
    except demo_processes.DemoError as error:
        typer.echo(f"bascule demo: {error}", err=True)
        raise typer.Exit(1) from None
