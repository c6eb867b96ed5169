"""How the mistakes of a configuration are shown."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from bascule.config.errors import MAX_SHOWN, Problem


def print_problems(problems: Iterable[Problem], kind: str) -> None:
    """Print problems on stderr as a compiler does; `kind` is ``error`` or ``warning``."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    problems = list(problems)
    color = "red" if kind == "error" else "yellow"
    for problem in problems[:MAX_SHOWN]:
        line = Text(f"{problem.where}: " if problem.where else "", "bold")
        line.append(f"{kind}: ", f"bold {color}")
        line.append(f"{problem.key}: " if problem.path else "", "cyan")
        line.append(problem.message)
        console.print(line)
        for excerpt in problem.excerpt.splitlines():
            console.print(Text(f"    {excerpt}", "green" if excerpt.strip() == "^" else "dim"))
        if problem.hint:
            console.print(Text(f"    hint: {problem.hint}", "cyan"))
    if len(problems) > MAX_SHOWN:
        console.print(Text(f"... and {len(problems) - MAX_SHOWN} more", color))
