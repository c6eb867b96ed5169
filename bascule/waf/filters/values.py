"""Checks of single values: words, patterns of the operator's own, lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import re2

from bascule.config.filters import Lengths, UserPattern, WafFilters
from bascule.config.grammar import compile_pattern
from bascule.waf.logic.values import Value
from bascule.waf.response.identifiers import Finder
from bascule.waf.rewriting import masked

FIRST_PATTERN = 719_001
"""Patterns of the configuration are numbered from here, in their order."""


IDENTIFIER_IN_INPUT, IDENTIFIER_IN_FILE = 711_001, 713_001
TEXT_START = 1024
"""Bytes of a file without NUL that make it a text."""


class ValueCheck(NamedTuple):
    """`broken` returns the id of the rule that a value breaks, or 0; `mask` stars what was found in a value."""

    broken: Callable[[Value], int]
    mask: Callable[[bytes], bytes]


_PLACES = {"cookie": "cookies", "path": "path", "query": "query", "body": "body", "file": "files", "upload": "files"}


def value_checks(filters: WafFilters) -> list[ValueCheck]:
    """Return the checks that the configuration asks for."""
    checks: list[ValueCheck] = []
    lengths = filters.lengths
    if lengths.name or lengths.value or lengths.cookie:
        checks.append(_lengths(lengths))
    if filters.words:
        checks.append(_words(filters.words))
    if filters.identifiers:
        checks.append(_identifiers(Finder(filters.identifiers)))
    checks += [_pattern(FIRST_PATTERN + n, pattern) for n, pattern in enumerate(filters.patterns)]
    return checks


def words_pattern(words: Iterable[str]) -> str:
    """Return the pattern that finds any of these words, whatever their case, where they stand as words."""
    return "|".join(_whole(word) for word in words)


def _whole(word: str) -> str:
    start = r"\b" if word[0].isascii() and word[0].isalnum() else ""
    end = r"\b" if word[-1].isascii() and word[-1].isalnum() else ""
    return f"(?i:{start}{_either_case(word)}{end})"


def _either_case(word: str) -> str:
    """RE2 over bytes folds ASCII only: of other letters both cases are written out."""
    return "".join(
        re2.escape(char) if char.isascii() else f"(?:{_bytes(char.lower())}|{_bytes(char.upper())})" for char in word
    )


def _bytes(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def _masks(pattern: Any) -> Callable[[bytes], bytes]:
    def mask(text: bytes) -> bytes:
        masked: bytes = pattern.sub(lambda found: b"*" * len(found[0]), text)
        return masked

    return mask


def _words(words: tuple[str, ...]) -> ValueCheck:
    pattern = compile_pattern(words_pattern(words))
    search = pattern.search
    places = ("query", "body")
    return ValueCheck(
        lambda value: 707_001 if value[0] in places and search(value[2]) is not None else 0, _masks(pattern)
    )


def _identifiers(finder: Finder) -> ValueCheck:
    def check(value: Value) -> int:
        place, _, data = value
        if place in ("query", "body"):
            return IDENTIFIER_IN_INPUT if finder.find(data) else 0
        return IDENTIFIER_IN_FILE if place == "upload" and is_text(data) and finder.find(data) else 0

    return ValueCheck(check, finder.mask)


def is_text(content: bytes) -> bool:
    """Whether a file, or a slice of it, is a text as far as its beginning tells."""
    return b"\0" not in content[:TEXT_START]


def _pattern(number: int, pattern: UserPattern) -> ValueCheck:
    finder = compile_pattern(pattern.pattern)
    search = finder.search
    places = frozenset(pattern.places)

    def check(value: Value) -> int:
        place = _PLACES.get(value[0], "headers" if value[0][:7] == "header:" else "")
        return number if place in places and search(value[2]) is not None else 0

    return ValueCheck(check, _masks(finder))


def _lengths(limits: Lengths) -> ValueCheck:
    name = limits.name or 1 << 60
    value = limits.value or 1 << 60
    cookie = limits.cookie or 1 << 60

    def check(found: Value) -> int:
        place, _, data = found
        if place == "name":
            return 701_001 if len(data) > name else 0
        if place == "cookie":
            return 701_004 if len(data) > cookie else 0
        return 701_002 if len(data) > value and place in ("query", "body") else 0

    return ValueCheck(check, masked)
