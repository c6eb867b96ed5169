"""A cheap necessary condition of @detectSQLi.

libinjection looks a text's token kinds up in a table of fingerprints. Every fingerprint in it has a kind that only
comes of a quote, a comment, a parenthesis, `@`, `$`, `&&`, `||`, or a word listed as keyword, type, variable, union,
expression, grouping or statement; numbers, bare words, operators and function names without parentheses make none
(`tests/waf/matcher/test_sqli.py` holds the table to that). A multi-word entry needs each of its words.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import re2

from bascule.waf.libinjection.tokens import KEYWORDS
from bascule.waf.seclang.operators import Match, Operator

MARKS = rb"""['"`@#$()]|--|/\*|&&|\|\|"""
WEAK_KINDS = frozenset("no1f")
"""Kinds of words that make no fingerprint by themselves."""


@cache
def words() -> tuple[bytes, ...]:
    """One word of each entry of the keyword table that may matter; plus IF, which `;` makes a statement."""
    found = {b"IF"}
    entries = [
        entry
        for entry, kind in KEYWORDS.items()
        if kind not in WEAK_KINDS and entry[:1].isalpha() | (entry[:1] == b"_")
    ]
    for entry in sorted(entries, key=lambda entry: entry.count(b" ")):
        parts = entry.split()
        if not any(part in found for part in parts):
            found.add(max(parts, key=len))
    return tuple(sorted(found))


@cache
def necessary() -> bytes:
    """The condition as a regular expression.

    A word may follow digits at once (`1or`, `0x1for`), for a number ends where its digits do.
    """
    before, after = rb"(?:^|[^A-Za-z_]|[0-9][0-9A-Za-z\x00]*)", rb"(?:$|[^0-9A-Za-z_$])"
    return rb"(?ism:" + MARKS + b"|" + before + b"(?:" + b"|".join(words()) + b")" + after + b")"


class Guarded:
    """An operator behind its necessary condition: what fails that is not even shown to the operator."""

    __slots__ = ("_evaluate", "_search")

    def __init__(self, operator: Operator, options: Any) -> None:
        self._evaluate = operator.evaluate
        self._search = re2.compile(necessary(), options).search

    def evaluate(self, value: bytes) -> Match | None:
        return None if self._search(value) is None else self._evaluate(value)
