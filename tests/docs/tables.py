"""The tables of docs/operations.md that come from the code: ``python -m tests.docs.tables`` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

from bascule.telemetry import causes, names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


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


def renewed(text: str) -> str:
    """Return the page with its tables as the code has them now."""
    for first, table in (("| metric | labels | meaning |", metrics()), ("| cause | meaning |", all_causes())):
        old = re.findall(rf"^{re.escape(first)}\n(?:\|.*\n)+", text, re.MULTILINE)
        assert len(old) == 1, first
        text = text.replace(old[0], table)
    return text


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
