"""A cheap necessary condition of @detectSQLi.

libinjection looks a text's token kinds up in a table of fingerprints. Every fingerprint in it has a kind that only
comes of a quote, a comment, a parenthesis, `@`, `$`, `&&`, `||`, or a word listed as keyword, type, variable, union,
expression, grouping or statement; numbers, bare words, operators and function names without parentheses make none
(`tests/waf/matcher/test_sqli.py` holds the table to that). A multi-word entry needs each of its words.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from itertools import accumulate

import re2

from bascule.waf.libinjection.tokens import KEYWORDS
from bascule.waf.matcher.linear import linear_options
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


_SIMPLE = re.compile(rb"[A-Za-z0-9_ ,./:?=&+%;!*<>|~^{}#\[\]-]*+")
_WORD = re.compile(rb"(?<![0-9A-Za-z_.])(?:[A-Za-z_][0-9A-Za-z_.]*|[0-9]{2,19}(?![0-9A-Za-z_.]))")
_KEPT = frozenset(part for entry in KEYWORDS for part in entry.split()) | {b"SP_PASSWORD"}


def outline(text: bytes) -> bytes:
    """Return a text with the same fingerprint, in which words that mean nothing to SQL are alike.

    Only of texts without quotes, parentheses, `@`, `$` and escapes. A word no dotted part of which is (part of) a
    keyword is the token `n` whatever its letters; whole numbers of 2 to 19 digits are the token `1`. So requests for
    ever new pages and products look the same, and what was found for one holds for all.
    """
    if _SIMPLE.fullmatch(text) is None:
        return text
    return _WORD.sub(_alike, text)


def _alike(match: re.Match[bytes]) -> bytes:
    word = match[0]
    if word[0] < 58:
        return b"10"
    if len(word) > 31 or not _KEPT.isdisjoint(word.upper().split(b".")):
        return word
    return b"x_" if b"_" in word else b"x"


class Guarded:
    """@detectSQLi behind its necessary condition, and by outline: libinjection's answer, sooner."""

    __slots__ = ("_evaluate", "_find", "_search")

    def __init__(self, operator: Operator) -> None:
        self._evaluate = operator.evaluate
        found = re2.Set.SearchSet(linear_options())
        found.Add(necessary())
        found.Compile()
        self._search = found.Match
        self._find = re2.compile(necessary(), linear_options()).search

    def evaluate(self, value: bytes) -> Match | None:
        """Return the fingerprint as libinjection finds it."""
        return self._evaluate(outline(value)) if self._search(value) else None

    def screen(self, texts: list[bytes]) -> set[bytes]:
        """Return those of `texts` that meet the necessary condition, by looking through all of them at once.

        What meets it ends in the text or with the line feed after it, so the end of a find tells the text.
        """
        joined = b"\n".join(texts)
        ends = list(accumulate(len(text) + 1 for text in texts))
        found: set[bytes] = set()
        match = self._find(joined)
        while match is not None:
            place = bisect_right(ends, match.end() - 1)
            found.add(texts[place])
            match = self._find(joined, ends[place]) if ends[place] <= len(joined) else None
        return found
