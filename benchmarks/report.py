"""The results as tables for a terminal, as Markdown for a page, as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.results import Metric, Verdict, middle, ratio, share
from benchmarks.runner import Outcome

_COLOURS = {"PASS": "green", "MISS": "red", "INVALID": "red", "ABSENT": "yellow"}


def heading(metric: Metric) -> str:
    """Return a column's head."""
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title


def contenders(outcome: Outcome) -> list[str]:
    """Return who has numbers or a note, in the order of the peers."""
    names = [sample.contender for sample in outcome.samples] + list(outcome.notes)
    order = {name: place for place, name in enumerate(outcome.workload.peers)}
    return sorted(dict.fromkeys(names), key=lambda name: (order.get(name.partition(" ")[0], 99), name))


def cells(outcome: Outcome, contender: str) -> list[str] | None:
    """Return a contender's row after its name: medians, ratio, errors. None when it has no numbers."""
    medians = [(metric, middle(outcome.samples, contender, metric)) for metric in outcome.workload.metrics]
    if all(value is None for _, value in medians):
        return None
    first = outcome.workload.metrics[0]
    base = outcome.workload.base_of(contender)
    against = ratio(outcome.samples, contender, base, first)
    errors = sum(sample.errors for sample in outcome.samples if sample.contender == contender)
    row = [number(value, metric.digits) for metric, value in medians]
    return [*row, number(against, 2), str(errors)]


def number(value: float | None, digits: int) -> str:
    """Return a number as a cell shows it: no decimals from a thousand up."""
    return "-" if value is None else f"{value:,.{0 if value >= 1000 else digits}f}"


def columns(outcome: Outcome) -> list[str]:
    """Return the heads of a table."""
    base = "x1" if outcome.workload.base_of("nginx") != "nginx" else "nginx"
    return ["proxy", *map(heading, outcome.workload.metrics), f"to {base}", "errors"]


def judgement(verdict: Verdict) -> str:
    """Return one line on a target, without the verdict's word."""
    target = verdict.target
    if verdict.value is None:
        return f"{target}: not measured"
    reached = ""
    if target.aim is not None:
        aim = share(target.aim, "g") if target.against else f"{target.aim:g}"
        reached = f" (aim {aim}: {'reached' if verdict.aim_reached else 'not reached'})"
    spoilt = f", but {verdict.errors} errors" if verdict.errors else ""
    value = share(verdict.value, ".2f") if target.against else f"{verdict.value:.2f}"
    return f"{target}: {value}{reached}{spoilt}"


def show(console: Console, outcome: Outcome) -> None:
    """Print a workload's table, notes and verdicts."""
    head, *rest = columns(outcome)
    table = Table(title=outcome.workload.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.show_edge, table.padding = False, (0, 0)
    table.add_column(head, no_wrap=True)
    for title in rest:
        table.add_column(title, justify="right")
    for name in contenders(outcome):
        row = cells(outcome, name)
        if row:
            table.add_row(name, *row, style="bold" if name.startswith("bascule") else None)
    console.print(table)
    for name, note in outcome.notes.items():
        console.print(f"  [yellow]{escape(name)}[/]: {escape(note)}")
    for verdict in outcome.verdicts:
        colour = _COLOURS[verdict.word]
        console.print(f"  [{colour}]{verdict.word}[/] {escape(judgement(verdict))}")
    console.print()


def markdown(outcomes: Sequence[Outcome], machine: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Return all tables as Markdown."""
    return "\n".join(_markdown_lines(outcomes, machine, versions)) + "\n"


def _markdown_lines(
    outcomes: Sequence[Outcome], machine: Mapping[str, str], versions: Mapping[str, str]
) -> Iterator[str]:
    yield "; ".join(f"{key} {value}" for key, value in machine.items()) + "."
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."
    for outcome in outcomes:
        heads = columns(outcome)
        yield ""
        yield f"**{outcome.workload.title}**"
        yield ""
        yield "| " + " | ".join(heads) + " |"
        yield "|---|" + "---:|" * (len(heads) - 1)
        for name in contenders(outcome):
            row = cells(outcome, name)
            if row:
                yield f"| {name} | " + " | ".join(row) + " |"
        yield ""
        for name, note in outcome.notes.items():
            yield f"- {name}: {' '.join(note.split())}"
        for verdict in outcome.verdicts:
            yield f"- {verdict.word}: {judgement(verdict)}"


def document(
    outcomes: Sequence[Outcome], machine: Mapping[str, str], versions: Mapping[str, str], budget: Mapping[str, object]
) -> dict[str, Any]:
    """Return everything that was measured, every sample included, ready for JSON."""
    return {
        "machine": dict(machine),
        "versions": dict(versions),
        "budget": dict(budget),
        "workloads": [_entry(outcome) for outcome in outcomes],
    }


def _entry(outcome: Outcome) -> dict[str, Any]:
    metrics = outcome.workload.metrics
    medians = {
        name: {metric.key: middle(outcome.samples, name, metric) for metric in metrics} for name in contenders(outcome)
    }
    first = metrics[0]
    ratios = {name: ratio(outcome.samples, name, outcome.workload.base_of(name), first) for name in medians}
    return {
        "name": outcome.workload.name,
        "title": outcome.workload.title,
        "ratio_of": first.key,
        "medians": medians,
        "ratios": ratios,
        "notes": outcome.notes,
        "targets": [
            {"target": str(verdict.target), "value": verdict.value, "word": verdict.word, "aim": verdict.aim_reached}
            for verdict in outcome.verdicts
        ],
        "samples": [asdict(sample) for sample in outcome.samples],
    }
