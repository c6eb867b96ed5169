"""The `bascule` command."""

from __future__ import annotations

from typing import Annotated

import typer

from bascule import __version__
from bascule.cli.ban import app as ban
from bascule.cli.ca import app as ca
from bascule.cli.cache import app as cache
from bascule.cli.check import check
from bascule.cli.demo import demo
from bascule.cli.drain import drain, undrain
from bascule.cli.evaluate import evaluate
from bascule.cli.events import events
from bascule.cli.explain import explain
from bascule.cli.feedback import feedback
from bascule.cli.forward import app as forward
from bascule.cli.maintenance import maintenance
from bascule.cli.pages import app as pages
from bascule.cli.profile import app as profile
from bascule.cli.reload import reload, status, stop, upgrade
from bascule.cli.replay import replay
from bascule.cli.report import app as report
from bascule.cli.reverse import reverse
from bascule.cli.rules import app as rules
from bascule.cli.run import run
from bascule.cli.schema import schema
from bascule.cli.top import top
from bascule.cli.train import train
from bascule.cli.under_attack import under_attack

app = typer.Typer(
    name="bascule",
    help="Bascule: reverse proxy, load balancer, web application firewall and forward proxy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bascule {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for command in (
    run,
    reverse,
    demo,
    check,
    explain,
    feedback,
    events,
    replay,
    top,
    status,
    reload,
    upgrade,
    stop,
    drain,
    undrain,
    maintenance,
    schema,
    train,
    evaluate,
):
    app.command()(command)
app.command("under-attack")(under_attack)
app.add_typer(pages, name="pages")
app.add_typer(rules, name="rules")
app.add_typer(forward, name="forward")
app.add_typer(ban, name="ban")
app.add_typer(ca, name="ca")
app.add_typer(cache, name="cache")
app.add_typer(report, name="report")
app.add_typer(profile, name="profile")


def main() -> None:
    """Run the command line."""
    app()
