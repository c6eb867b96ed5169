"""What the commands without a configuration file have in common: check what the options mean, then run it."""

from __future__ import annotations

from collections.abc import Callable

import typer

from bascule.cli.problems import print_problems
from bascule.config.compile import compile_config
from bascule.config.errors import ConfigError
from bascule.config.plan import Plan
from bascule.config.schema import Config


def run_quick(configure: Callable[[], Config]) -> None:
    """Run a configuration that is made anew at each reload. Raises typer.Exit with the status, always."""

    def plan() -> Plan:
        return compile_config(configure())

    try:
        checked = plan()
    except ConfigError as error:
        print_problems(error.problems, "error")
        raise typer.Exit(1) from None
    print_problems(checked.warnings, "warning")
    from bascule.cli import app  # the data plane: loaded only by what runs it

    raise typer.Exit(app.run(plan))
