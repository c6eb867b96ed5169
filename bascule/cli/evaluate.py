"""``bascule evaluate``: measure the logic rules on labelled requests, in this process or over the wire."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.cli.wire import measure_wire
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn.corpora import rows
from bascule.waf.logic.learn.evaluation import measure
from bascule.waf.logic.rules import PRESETS, SHIPPED, RuleBookError


def evaluate(
    files: Annotated[
        list[Path], typer.Argument(help='JSON lines with "method", "target", "headers", "body" or "text", and a label.')
    ],
    preset: Annotated[str, typer.Option(help=f"Preset to report by class: {', '.join(PRESETS)}.")] = "standard",
    rules: Annotated[Path, typer.Option(help="Rule set; the shipped one unless given.")] = SHIPPED,
    mutate: Annotated[int, typer.Option(help="Also judge this many mutants of each text by each mutator.", min=0)] = 0,
    url: Annotated[
        str | None, typer.Option(help="Send the requests to this firewall, which runs at the preset.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure detection and false positives. A row is harmless where "expect" is "pass" or it has no "class"."""
    if preset not in PRESETS:
        typer.echo(f"error: {preset!r} is not a preset that can be measured: {', '.join(PRESETS)}", err=True)
        raise typer.Exit(1)
    if url and mutate:
        typer.echo("error: --mutate is measured in this process: leave out --url", err=True)
        raise typer.Exit(1)
    labelled = chain.from_iterable(rows(file) for file in files)
    try:
        if url:
            result = measure_wire(labelled, url, preset)
        else:
            result = measure(labelled, {name: Logic.load(name, rules) for name in PRESETS}, mutate)
    except KeyError as error:
        typer.echo(f"error: a row has no {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        what = error.filename or url or ", ".join(map(str, files))
        how = "reached" if url and not error.filename else "read"
        typer.echo(f"error: {what} cannot be {how}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
    except (ValueError, RuleBookError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    found = result.as_dict()
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _print(found, preset, (preset,) if url else PRESETS)


def _print(result: dict[str, Any], preset: str, presets: tuple[str, ...]) -> None:
    typer.echo(f"{result['requests']} requests, {result['microseconds']} us each")
    for name in presets:
        point = result["presets"][name]
        typer.echo(
            f"{name:10} detection {_share(point['detection'])}  false positives {_share(point['false_positives'])}  "
            f"balanced accuracy {_share(point['balanced_accuracy'])}"
        )
    for title, what in (("classes", "requests"), ("mutants", "mutants")):
        for kind, found in result[title].items():
            typer.echo(f"  {kind:32} {found['total']:7} {what}  refused at {preset}: {found[preset]:7.3f}%")
    for kind, families in result["families"].items():
        if families:
            listed = ", ".join(f"{name} {count}" for name, count in families.items())
            typer.echo(f"  {kind} refused at standard, by family: {listed}")


def _share(percent: float | None) -> str:
    """Write a share; one of no requests at all is no zero."""
    return "      - " if percent is None else f"{percent:7.3f}%"
