"""``bascule top``: a live view of a running instance, read from its admin socket."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bascule.cli.admin_socket import UnreachableError, call
from bascule.cli.top_view import Reading, render
from bascule.server import rundir

HISTORY = 120
"""Readings of the request rate kept for the curve."""


def read_status(admin: Path) -> dict[str, Any]:
    """Return the document of /status from the admin socket `admin`. Raises UnreachableError."""
    return call(admin, "GET", "/status")


def top(
    run_dir: Annotated[str, typer.Option(help="Folder of the instance; needed only where it has its own.")] = "",
    pid: Annotated[int, typer.Option(help="Which instance, by the pid of its supervisor, where several run.")] = 0,
    interval: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds between readings.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one reading and end.")] = False,
) -> None:
    """Show live traffic, latencies, workers, routes and servers of a running Bascule."""
    console = Console(highlight=False)
    try:
        admin = rundir.find(run_dir, pid).path / rundir.ADMIN_SOCKET
        before = _read(admin)
        if once or not console.is_terminal:
            time.sleep(interval)
            console.print(render(before, _read(admin), [], console.width))
            return
    except (rundir.RunDirError, UnreachableError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"bascule top: {error}", "red"))
        raise typer.Exit(1) from None
    with contextlib.suppress(KeyboardInterrupt):
        _watch(console, admin, before, interval)


def _watch(console: Console, admin: Path, before: Reading, interval: float) -> None:
    """Show reading after reading until interrupted; an instance that is away is waited for."""
    rates: deque[float] = deque(maxlen=HISTORY)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            try:
                now = _read(admin)
            except UnreachableError as error:
                live.update(Text(f"{error}; waiting for it (Ctrl-C ends)", "red"), refresh=True)
                continue
            live.update(render(before, now, rates, console.width, console.height), refresh=True)
            before = now


def _read(admin: Path) -> Reading:
    return Reading(time.monotonic(), read_status(admin))
