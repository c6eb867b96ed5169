"""The `bascule` command."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bascule import __version__, compiled

COMMANDS = {
    "run": "run:run",
    "reverse": "reverse:reverse",
    "demo": "demo:demo",
    "check": "check:check",
    "explain": "explain:explain",
    "feedback": "feedback:feedback",
    "events": "events:events",
    "replay": "replay:replay",
    "top": "top:top",
    "status": "reload:status",
    "reload": "reload:reload",
    "upgrade": "reload:upgrade",
    "stop": "reload:stop",
    "drain": "drain:drain",
    "undrain": "drain:undrain",
    "maintenance": "maintenance:maintenance",
    "schema": "schema:schema",
    "train": "train:train",
    "evaluate": "evaluate:evaluate",
    "under-attack": "under_attack:under_attack",
    "pages": "pages:app",
    "rules": "rules:app",
    "forward": "forward:app",
    "ban": "ban:app",
    "ca": "ca:app",
    "cache": "cache:app",
    "report": "report:app",
    "profile": "profile:app",
}
"""From name to place in this room: a function, or the application of several."""


class OnDemand(TyperGroup):
    """Imports a command when it is asked for: most need neither data plane nor firewall, which take a second."""

    def list_commands(self, ctx: Any) -> list[str]:
        """See Click."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See Click."""
        for name in (cmd_name,) if cmd_name in COMMANDS else COMMANDS:  # all, to suggest one that was meant
            if name not in self.commands:
                self.commands[name] = _command(name)
        return self.commands.get(cmd_name)


def _command(name: str) -> Any:
    module, _, what = COMMANDS[name].partition(":")
    found = getattr(import_module(f"bascule.cli.{module}"), what)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode="rich")
        single.command(name)(found)
        found = single
    command = typer.main.get_command(found)
    command.name = name
    return command


app = typer.Typer(
    name="bascule",
    cls=OnDemand,
    help="Bascule: reverse proxy, load balancer, web application firewall and forward proxy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bascule {__version__} ({'compiled' if compiled.USED else 'interpreted'})")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app()
