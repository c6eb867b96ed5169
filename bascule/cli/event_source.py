"""Where `explain` and `events` find the event log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.admin_socket import UnreachableError
from bascule.cli.problems import print_problems
from bascule.cli.texts import fail
from bascule.cli.top import read_status
from bascule.config.errors import ConfigError
from bascule.config.loader import load
from bascule.config.observe import EventsLog
from bascule.server import rundir
from bascule.telemetry.eventfiles import files_of
from bascule.telemetry.eventlog import events_path

EventsOption = Annotated[Path | None, typer.Option("--events", help="The event log, if it is not the usual one.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Take the log that this configuration names.")]


def locate(events: Path | None, config: Path | None, run_dir: str, pid: int) -> str:
    """Return the event log that is meant: the one named, the configuration's, the running instance's, the default."""
    if events is not None:
        path = str(events)
    elif config is not None:
        path = _configured(config)
    else:
        path = _running(run_dir, pid)
    if path in ("-", "off") or path.startswith("syslog:"):
        fail(f"events go to {path}, not to a file; name a file that holds them with --events")
    if not files_of(path):
        fail(f"there is no event log {path}; name it with --events, or the configuration with --config")
    return path


def _configured(config: Path) -> str:
    try:
        return events_path(load(config).config.events)
    except ConfigError as error:
        print_problems(error.problems, "error")
        raise typer.Exit(1) from None


def _running(run_dir: str, pid: int) -> str:
    default = events_path(EventsLog())
    try:
        instance = rundir.find(run_dir, pid)
        told = read_status(instance.path / rundir.ADMIN_SOCKET).get("events", {})
        return str(told.get("path", default))
    except (rundir.RunDirError, UnreachableError, OSError) as error:
        if run_dir or pid or not os.path.exists(default):
            fail(f"{error} (no log at {default} either; name one with --events)")
        return default
