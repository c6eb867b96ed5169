"""``bascule rules list``: the rules that Bascule brings, named and learned."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bascule.cli.texts import fail
from bascule.waf.filters.table import DEFAULT, LEVELS, measured, table
from bascule.waf.logic.facts import FACTS
from bascule.waf.logic.rules import SHIPPED, read, tags_of
from bascule.waf.weaknesses import Tags, of_named

_COLUMNS = (
    "id", "family", "name", "risk", "answer", "OWASP", "CWE", "on at", "finds %", "attacks %", "harmless %", "us",
    "the request",
)  # fmt: skip


def shipped() -> Iterator[dict[str, Any]]:
    """Yield every rule with what is said of its family, by id."""
    book = table()
    for rule in book.rules:
        family = book.family(rule.family)
        more = {"measured": msgspec.to_builtins(measured()[rule.id])}
        tags = of_named(family.name, rule.name)
        yield _row(rule, family, tags, preset=rule.preset, when=rule.when, **more)
    learned = read(SHIPPED, frozenset(FACTS))
    families = {family.name: family for family in learned.families}
    for each in learned.rules:
        more = {"facts": each.facts, "points": each.points, "measured": msgspec.to_builtins(each.measured)}
        of_family = families[each.family]
        tags = tags_of(each, of_family)
        yield _row(each, of_family, tags, preset="advanced" if each.strict else "basic", **more)


def _row(rule: Any, family: Any, tags: Tags, **more: Any) -> dict[str, Any]:
    return {
        "id": rule.id, "name": rule.name, "family": family.name, "title": family.title, "says": rule.says,
        "risk": family.risk, "answer": getattr(rule, "answer", "") or family.answer, "owasp_2021": tags.owasp_2021,
        "owasp_2025": tags.owasp_2025, "cwe": list(tags.cwe), **more,
    }  # fmt: skip


def list_rules(
    family: Annotated[str, typer.Option(help="Only rules of this family.")] = "",
    preset: Annotated[str, typer.Option(help="Only rules that are on at this preset without being configured.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the rules that Bascule brings: family, risk, OWASP Top 10 and CWE, and what each looks for."""
    rows = list(shipped())
    families = {row["family"] for row in rows}
    if family and family not in families:
        fail(f"there is no family {family!r}; families: {', '.join(sorted(families))}")
    if preset and preset not in LEVELS:
        fail(f"{preset!r} is not a preset that turns rules on: {', '.join(LEVELS)}")
    rows = [row for row in rows if family in ("", row["family"]) and _is_on(row["preset"], preset)]
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 500)
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        shown.add_column(column, overflow="fold")
    for row in rows:
        owasp = f"{row['owasp_2021'][:3]} {row['owasp_2025'][:3]}"
        cwe = ", ".join(map(str, row["cwe"][:2]))
        name = row["name"]
        rates = _rates(row["measured"])
        shown.add_row(
            str(row["id"]),
            row["family"],
            name,
            row["risk"],
            row["answer"],
            owasp,
            cwe,
            row["preset"],
            *rates,
            row["says"],
        )
    console.print(shown)


def _rates(measured: dict[str, Any]) -> tuple[str, ...]:
    """Return what was measured as cells; a rate that has no meaning is a dash."""
    shares = (measured.get(name) for name in ("found", "attacks", "browsers", "microseconds"))
    return tuple("-" if share is None else f"{share:g}" for share in shares)


def _is_on(lowest: str, preset: str) -> bool:
    if not preset or lowest == DEFAULT:
        return True
    return lowest in LEVELS and LEVELS.index(lowest) <= LEVELS.index(preset)
