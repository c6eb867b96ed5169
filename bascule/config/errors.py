"""What is wrong with a configuration, and where: `Problem`, printed as a compiler would, and `ConfigError`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]

MAX_SHOWN = 50
"""Problems that are printed; a broken template can easily have thousands."""

_PLAIN_KEY = re.compile(r"[\w-]+\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake (or, among a plan's warnings, one doubt). Lines and columns count from 1; 0 means unknown."""

    message: str
    path: KeyPath = ()
    file: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""
    excerpt: str = ""
    """The source line with a caret below the place; secrets in it are masked."""

    @property
    def key(self) -> str:
        """The dotted key path, as in ``sites."shop.example.com".routes."/".balance``."""
        return dotted(self.path)

    @property
    def where(self) -> str:
        """``file:line:column``, as much of it as is known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)

    def render(self) -> str:
        """Return the problem with its excerpt and its hint, over several lines."""
        lines = [str(self)]
        if self.excerpt:
            lines += [f"    {line}" for line in self.excerpt.splitlines()]
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)


class ConfigError(Exception):
    """The configuration cannot be used. `problems` names every mistake that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.render())

    def render(self) -> str:
        """Return all problems as text for a terminal, at most `MAX_SHOWN` of them."""
        lines = [problem.render() for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"... and {len(self.problems) - MAX_SHOWN} more problems")
        return "\n".join(lines)


def dotted(path: KeyPath) -> str:
    """Return a key path as text; keys that hold dots or other signs stand in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _PLAIN_KEY.match(part) else '"' + part.replace('"', '\\"') + '"'
            text += f".{name}" if text else name
    return text


def suggest(wrong: str, allowed: Iterable[str], least: float = 0.6) -> str:
    """Return ``did you mean x?`` for the nearest allowed word, or nothing where none is as near as `least` (of 1)."""
    words = {word.lower(): word for word in allowed if word}
    plain = wrong.lower()[:64]
    underscored = plain.replace("-", "_")
    near = (
        difflib.get_close_matches(underscored, words, 1, 0.85)
        or [word for word in words if plain in word.split("_")][:1]
        or difflib.get_close_matches(underscored, words, 1, least)
    )
    return f"did you mean {words[near[0]]}?" if near else ""
