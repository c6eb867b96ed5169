"""The forward proxy of a configuration file, for commands that only look at it."""

from __future__ import annotations

from pathlib import Path

import typer

from bascule.cli.folders import lists_dir
from bascule.cli.problems import print_problems
from bascule.cli.texts import fail
from bascule.config.errors import ConfigError
from bascule.config.loader import load
from bascule.config.schema import Forward


def forward_of(config: Path) -> tuple[Forward, str]:
    """Return it, and the folder of its fetched lists. Raises typer.Exit where there is none, and says why."""
    try:
        plan = load(config)
    except ConfigError as error:
        print_problems(error.problems, "error")
        raise typer.Exit(1) from None
    if plan.forward is None:
        fail(f"{config} has no `forward`")
    return plan.forward.config, lists_dir(plan.config.cache_dir)
