"""``bascule train``: make the logic rules anew from labelled corpora."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bascule.waf.logic.rules import RuleBook


def train(
    corpora: Annotated[
        Path, typer.Option(help="Folder with attacks, attack_requests, benign_values and benign_requests (.jsonl.gz).")
    ],
    out: Annotated[Path | None, typer.Option(help="File to write the rules to.")] = None,
    card: Annotated[Path | None, typer.Option(help="File to write the model card to; takes some minutes.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the grammars and of the trees.")] = 1,
    exclude_source: Annotated[
        list[str] | None, typer.Option(help="Leave out sources whose name contains this; may be repeated.")
    ] = None,
    feedback: Annotated[
        list[Path] | None,
        typer.Option(help="File of examples that `bascule feedback` wrote, which are harmless; may be repeated."),
    ] = None,
    version: Annotated[str, typer.Option(help="Version to give the rules.")] = "1",
    named: Annotated[
        Path | None, typer.Option(help="Measure the named rules instead, and write their rates to this file.")
    ] = None,
) -> None:
    """Learn the logic rules from corpora. Needs the extra named train."""
    if named is not None:
        _check(corpora, named)
        _measure_named(corpora, named)
        return
    if out is None:
        typer.echo("error: --out FILE or --named FILE is needed: where to write what was found", err=True)
        raise typer.Exit(1)
    _check(corpora, out, card)
    if missing := [name for name in ("lightgbm", "scipy") if importlib.util.find_spec(name) is None]:
        typer.echo(f"error: {', '.join(missing)} is not installed: pip install 'bascule[train]'", err=True)
        raise typer.Exit(1)
    from bascule.waf.logic.learn import card as cards
    from bascule.waf.logic.learn import cost, recipe
    from bascule.waf.logic.learn.matrix import table
    from bascule.waf.logic.learn.numbering import Numbering
    from bascule.waf.logic.rules import write

    try:
        rows = table(recipe.samples(corpora, seed, exclude_source or (), feedback or ()))
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    rules, limits = recipe.train(rows, seed)
    made = {"command": "bascule train", "seed": str(seed), "excluded": ", ".join(exclude_source or ())}
    costs = cost.fact_costs(cost.sample(corpora))
    book = recipe.book(rules, limits, rows, version, made, costs, Numbering(_before(out)))
    write(out, book)
    typer.echo(f"{out}: {len(book.rules)} rules in {len(book.families)} families, from {len(rows)} samples")
    if card is not None:
        card.write_text(cards.card(book, rules, limits, rows, seed))
        typer.echo(f"{card}: written")


def _before(out: Path) -> list[RuleBook]:
    """Return the rule sets whose ids stay: the one that is written anew, if it is one, and the shipped one."""
    from bascule.waf.logic.facts import FACTS
    from bascule.waf.logic.rules import SHIPPED, RuleBookError, read

    books: list[RuleBook] = []
    for file in (out, SHIPPED):
        with contextlib.suppress(RuleBookError, OSError):
            books.append(read(file, frozenset(FACTS)))
    return books


def _check(corpora: Path, *written: Path | None) -> None:
    """End now, not after an hour, if a corpus is missing or what was learned could not be written."""
    from bascule.waf.logic.learn.corpora import FILES

    faults = [
        f"{file} cannot be written: name a file in a folder that can"
        for file in written
        if file is not None and (file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK))
    ]
    if missing := [name for name in FILES if not (corpora / name).is_file()]:
        faults.append(
            f"{corpora} has no {', '.join(missing)}: --corpora names a folder of labelled corpora, one JSON object a "
            "line (docs/logic.md, train and measure); none come with Bascule, and its shipped rules need none"
        )
    for fault in faults:
        typer.echo(f"error: {fault}", err=True)
    if faults:
        raise typer.Exit(1)


def _measure_named(corpora: Path, file: Path) -> None:
    import msgspec

    from bascule.waf.logic.learn.named.measure import measure

    try:
        found = measure(corpora)
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    typer.echo(f"{file}: {len(found)} named rules measured")
