"""Seeded text generators: a grammar is a table of productions in which ``<name>`` stands for another of them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence

Grammar = Mapping[str, Sequence[str]]

MAX_DEPTH = 12
_REFERENCE = re.compile(r"<([a-z][a-z_0-9]*)>")


def expand(grammar: Grammar, source: random.Random, name: str = "start", depth: int = 0) -> str:
    """Return one text of a grammar, chosen by `source`.

    Raises:
        ValueError: productions refer to each other more than `MAX_DEPTH` deep.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"the grammar recurses too deep at <{name}>")
    production = source.choice(grammar[name])
    return _REFERENCE.sub(
        lambda found: expand(grammar, source, found[1], depth + 1) if found[1] in grammar else found[0], production
    )


def texts(grammar: Grammar, seed: int, count: int) -> Iterator[str]:
    """Yield `count` distinct texts, or as many as come up in ten times as many draws."""
    source = random.Random(seed)
    seen: set[str] = set()
    for _ in range(10 * count):
        text = expand(grammar, source)
        if text not in seen:
            seen.add(text)
            yield text
            if len(seen) == count:
                return
