"""The tables of documents that come from the code: ``python -m tests.docs.tables`` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

from bascule.telemetry import causes, names
from bascule.waf.filters.table import measured, table
from bascule.waf.logic.facts import FACTS
from bascule.waf.logic.learn.card_rules import FAMILIES, by_rule, thresholds
from bascule.waf.logic.learn.card_rules import RULES as CARD_RULES
from bascule.waf.logic.rules import SHIPPED, read

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "operations.md"
NAMED = DOCS / "guide" / "named-rules.md"
CARD = DOCS / "logic-model-card.md"
RULES = "| rule | name | on at | finds % | attacks % | harmless % | us | with |"


def metrics() -> str:
    """Return the table of all metrics."""
    rows = [
        f"| `{metric.name}` | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in vars(names).values()
        if isinstance(metric, names.Metric)
    ]
    return "\n".join(["| metric | labels | meaning |", "|---|---|---|", *rows, ""])


def all_causes() -> str:
    """Return the table of all causes."""
    rows = [f"| `{cause}` | {meaning} |" for cause, meaning in causes.MEANINGS.items()]
    return "\n".join(["| cause | meaning |", "|---|---|", *rows, ""])


def named_rules() -> str:
    """Return the table of what was measured of the named rules."""
    rows = []
    for rule in table().rules:
        rates = measured()[rule.id]
        cells = [
            "-" if x is None else f"{x:g}" for x in (rates.found, rates.attacks, rates.browsers, rates.microseconds)
        ]
        given = f"`{rates.given}`" if rates.given else ""
        rows.append(f"| {rule.id} | `{rule.name}` | {rule.preset} | {' | '.join(cells)} | {given} |")
    return "\n".join([RULES, "|---|---|---|--:|--:|--:|--:|---|", *rows, ""])


def _rows(lines: list[str], first: str) -> str:
    return "\n".join([*lines[lines.index(first) :], ""])


def logic_rules() -> tuple[str, str]:
    """Return the model card's tables of families and of rules."""
    book = read(SHIPPED, frozenset(FACTS))
    return _rows(thresholds(book), FAMILIES), _rows(by_rule(book), CARD_RULES)


def renewed(text: str, page: Path = PAGE) -> str:
    """Return a page with its tables as the code has them now."""
    ours = {
        PAGE: (("| metric | labels | meaning |", metrics()), ("| cause | meaning |", all_causes())),
        NAMED: ((RULES, named_rules()),),
        CARD: tuple(zip((FAMILIES, CARD_RULES), logic_rules(), strict=True)),
    }
    for first, content in ours[page]:
        old = re.findall(rf"^{re.escape(first)}\n(?:\|.*\n)+", text, re.MULTILINE)
        assert len(old) == 1, first
        text = text.replace(old[0], content)
    return text


if __name__ == "__main__":
    for page in (PAGE, NAMED, CARD):
        page.write_text(renewed(page.read_text(), page))
