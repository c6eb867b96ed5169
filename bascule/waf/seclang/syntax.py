"""SecLang text to directives: continuation lines, comments, quoting. No meaning yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_DIRECTIVE = 1 << 20
"""Longest logical line in characters; a longer one is a damaged file, not a rule."""


SETTINGS = "<settings>"
"""The file of what the keys of `waf` say, which has no lines."""


class WafLoadError(ValueError):
    """A rule file that cannot be honoured: says where, why, and what to do about it.

    Of what a key of `waf` says, `key` is its path below that, and `hint` the remedy.
    """

    def __init__(self, file: str, line: int, reason: str, key: tuple[str | int, ...] = (), hint: str = "") -> None:
        dotted = ".".join(map(str, ("waf", *key)))
        told = f"{reason} ({hint})" if hint else reason
        super().__init__(f"{dotted}: {told}" if file == SETTINGS else f"{file}:{line}: {told}")
        self.file, self.line, self.reason, self.key, self.hint = file, line, reason, key, hint


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive with its arguments unquoted, and the place it was read from."""

    name: str
    arguments: tuple[str, ...]
    file: str
    line: int
    base_dir: Path

    def error(self, reason: str) -> WafLoadError:
        return WafLoadError(self.file, self.line, reason)


def directives(text: str, file: str, base_dir: Path) -> Iterator[Directive]:
    """Yield the directives of `text` in order.

    Raises:
        WafLoadError: an unfinished quote or an over-long logical line.
    """
    for number, line in _logical_lines(text, file):
        words = _words(line, file, number)
        yield Directive(words[0], tuple(words[1:]), file, number, base_dir)


def _logical_lines(text: str, file: str) -> Iterator[tuple[int, str]]:
    """Join lines ended by a backslash; drop blank lines and comments."""
    pending: list[str] = []
    start = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        if not pending:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start = number
        if line.endswith("\\") and not line.endswith("\\\\"):
            pending.append(line[:-1])
            continue
        logical = "".join([*pending, line]).strip()
        pending.clear()
        if len(logical) > MAX_DIRECTIVE:
            raise WafLoadError(file, start, f"the directive is longer than {MAX_DIRECTIVE} characters")
        if logical:
            yield start, logical
    if pending:
        raise WafLoadError(file, start, "the file ends inside a continued line; remove the last backslash")


_WORD = re.compile(r"""\s*(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|'([^'\\]*+(?:\\.[^'\\]*+)*+)'|(["'])|(\S+))\s*""", re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)


def _words(line: str, file: str, number: int) -> list[str]:
    """Split at white space outside quotes; in quotes a backslash escapes that quote only."""
    words: list[str] = []
    for found in _WORD.finditer(line):
        double, single, lone, plain = found.groups()
        if lone is not None:
            raise WafLoadError(file, number, f"a {lone} is never closed")
        if plain is not None:
            words.append(plain)
            continue
        quote, word = ('"', double) if double is not None else ("'", single)
        if f"\\{quote}" in word:
            word = _PAIR.sub(lambda pair: pair[1] if pair[1] == quote else pair[0], word)  # noqa: B023
        words.append(word)
    return words
