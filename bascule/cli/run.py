"""``bascule run FILE``: run what a configuration file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.problems import print_problems
from bascule.config.errors import ConfigError
from bascule.config.loader import load


def run(file: Annotated[Path, typer.Argument(help="The configuration file.", show_default=False)]) -> None:
    """Run Bascule on a configuration file until it is told to stop.

    SIGTERM drains and stops, SIGHUP reloads the file, SIGUSR1 reopens logs, SIGUSR2 upgrades the program.
    """
    try:
        plan = load(file)
    except ConfigError as error:
        print_problems(error.problems, "error")
        raise typer.Exit(1) from None
    print_problems(plan.warnings, "warning")
    from bascule.cli import app  # the data plane: loaded only by what runs it

    raise typer.Exit(app.run(lambda: load(file)))
