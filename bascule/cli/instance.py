"""The running instance that a command speaks to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from bascule.cli.admin_socket import UnreachableError, call
from bascule.cli.texts import fail
from bascule.server import rundir

RunDir = Annotated[str, typer.Option("--run-dir", help="Folder of the instance, if it has a `run_dir` of its own.")]
Pid = Annotated[int, typer.Option("--pid", min=0, help="Process id of the instance, where several run.")]


class Word(StrEnum):
    """What an operator says of a switch."""

    on = "on"
    off = "off"
    auto = "auto"
    show = "show"


def ask(method: str, path: str, run_dir: str, pid: int, body: Any = None) -> dict[str, Any]:
    """Send a request to the instance's admin API and return the answer; end the command where there is none."""
    try:
        return call(rundir.find(run_dir, pid).path / rundir.ADMIN_SOCKET, method, path, body)
    except (rundir.RunDirError, UnreachableError) as error:
        fail(str(error))
