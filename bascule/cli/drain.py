"""``bascule drain`` and ``undrain``: take a server out without losing a request, and back in."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from bascule.cli.instance import Pid, RunDir, ask
from bascule.cli.texts import fail, visible
from bascule.cli.units import counted
from bascule.config.types import parse_duration

LOOK_EVERY = 0.3
"""Seconds between looks at what is still in progress; workers tell it ten times a second."""
QUIET_LOOKS = 2
"""Looks in a row that must find nothing: a worker may give a request away just before it hears of the drain."""

Server = Annotated[str, typer.Argument(help="The server, as `bascule top` names it: 10.0.0.11:8000.")]
PoolName = Annotated[str, typer.Option("--pool", help="In this pool only; by default in all that have the server.")]


def drain(
    server: Server,
    pool: PoolName = "",
    wait: Annotated[str, typer.Option(help="Return when nothing is in progress there; fail after so long: 30s.")] = "",
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Give a server no new requests; what is in progress is finished. It holds over reloads, until `undrain`."""
    try:
        patience = parse_duration(wait) if wait else 0.0
    except ValueError as error:
        fail(f"--wait: {error}", 2)
    _set("drain", server, pool, run_dir, pid)
    if wait:
        _await_quiet(server, pool, patience, run_dir, pid)


def undrain(server: Server, pool: PoolName = "", run_dir: RunDir = "", pid: Pid = 0) -> None:
    """Take a drained server back into service."""
    _set("undrain", server, pool, run_dir, pid)


def _set(action: str, server: str, pool: str, run_dir: str, pid: int) -> None:
    for name in sorted({found for found, _ in _found(server, pool, run_dir, pid)}):
        path = f"/pools/{quote(name, safe='')}/servers/{quote(server, safe='')}/{action}"
        answer = ask("POST", path, run_dir, pid)
        word = "is drained" if answer["drain"] else "serves again"
        typer.echo(f"bascule: {visible(name)}: {visible(', '.join(answer['servers']))} {word}", err=True)


def _await_quiet(server: str, pool: str, patience: float, run_dir: str, pid: int) -> None:
    end = time.monotonic() + patience
    quiet = 0
    while quiet < QUIET_LOOKS:
        time.sleep(LOOK_EVERY)
        active = sum(known["active"] for _, known in _found(server, pool, run_dir, pid))
        quiet = 0 if active else quiet + 1
        if active and time.monotonic() >= end:
            fail(f"{server} still has {counted(active, 'request')} in progress; it stays drained")


def _found(server: str, pool: str, run_dir: str, pid: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the pools that have the server, and what is known of it there; end the command where none has."""
    pools = {found["name"]: found["servers"] for found in ask("GET", "/status", run_dir, pid)["pools"]}
    if pool and pool not in pools:
        fail(f"no pool {pool!r}; there are: {', '.join(map(visible, pools)) or 'none'}")
    chosen = {pool: pools[pool]} if pool else pools
    found = [
        (name, known)
        for name, servers in chosen.items()
        for known in servers
        if server in (known["server"], known["server"].partition("://")[2])
    ]
    if not found:
        names = sorted({known["server"] for servers in chosen.values() for known in servers})
        fail(f"no server {server!r}; there are: {', '.join(map(visible, names)) or 'none'}")
    return found
