"""``bascule evaluate``: measure the logic rules on labelled requests, in this process."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn.corpora import request_of, rows
from bascule.waf.logic.learn.matrix import shown_by
from bascule.waf.logic.rules import PRESETS, SHIPPED, RuleBookError


@dataclass(slots=True)
class Tally:
    """What came of the requests of one kind: how many, and how many each preset refuses."""

    total: int = 0
    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PRESETS, 0))


def evaluate(
    files: Annotated[
        list[Path], typer.Argument(help='JSON lines with "method", "target", "headers", "body", and a label.')
    ],
    preset: Annotated[str, typer.Option(help=f"Preset to report by class: {', '.join(PRESETS)}.")] = "standard",
    rules: Annotated[Path, typer.Option(help="Rule set; the shipped one unless given.")] = SHIPPED,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure detection and false positives. A row is harmless where "expect" is "pass" or it has no "class"."""
    if preset not in PRESETS:
        typer.echo(f"error: {preset!r} is not a preset that can be measured: {', '.join(PRESETS)}", err=True)
        raise typer.Exit(1)
    try:
        result = _measure(files, {name: Logic.load(name, rules) for name in PRESETS})
    except (OSError, ValueError, KeyError, RuleBookError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(result))
    else:
        _print(result, preset)


def _measure(files: list[Path], engines: dict[str, Logic]) -> dict[str, Any]:
    tallies: dict[str, Tally] = defaultdict(Tally)
    spent = 0.0
    judged = 0
    for file in files:
        for row in rows(file):
            for kind, request in _requests(row):
                tally = tallies[kind]
                tally.total += 1
                began = time.perf_counter()
                shown = shown_by(request)
                spent += time.perf_counter() - began
                for name, engine in engines.items():
                    tally.refused[name] += any(engine.judge_facts(facts) for facts in shown)
                judged += 1
    attacks = [t for kind, t in tallies.items() if kind != "harmless"]
    harmless = tallies.get("harmless", Tally())
    roc = {
        name: {
            "detection": _percent(sum(t.refused[name] for t in attacks), sum(t.total for t in attacks)),
            "false_positives": _percent(harmless.refused[name], harmless.total),
        }
        for name in PRESETS
    }
    return {
        "requests": judged,
        "microseconds": round(1e6 * spent / judged, 1) if judged else 0.0,
        "presets": roc,
        "classes": {
            kind: {"total": t.total, **{n: _percent(c, t.total) for n, c in t.refused.items()}}
            for kind, t in sorted(tallies.items())
        },
    }


def _requests(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the kind and the request of a row; the request may stand in a member of its own."""
    found = row.get("request") if isinstance(row.get("request"), dict) else row
    kind = str(row.get("class") or row.get("set") or "attack")
    if row.get("expect") == "pass" or not (row.get("class") or row.get("expect")):
        kind = "harmless"
    yield kind, request_of(found)  # type: ignore[arg-type]


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def _print(result: dict[str, Any], preset: str) -> None:
    typer.echo(f"{result['requests']} requests, {result['microseconds']} us each")
    for name, point in result["presets"].items():
        balanced = (point["detection"] + 100 - point["false_positives"]) / 2
        typer.echo(
            f"{name:10} detection {point['detection']:7.3f}%  false positives {point['false_positives']:7.3f}%  "
            f"balanced accuracy {balanced:7.3f}%"
        )
    for kind, found in result["classes"].items():
        typer.echo(f"  {kind:24} {found['total']:7} requests  refused at {preset}: {found[preset]:7.3f}%")
