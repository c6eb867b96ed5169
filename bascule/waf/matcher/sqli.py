"""A cheap necessary condition of @detectSQLi.

libinjection looks a text's token kinds up in a table of fingerprints. Every fingerprint in it has a kind that only
comes of a quote, a comment, a parenthesis, `@`, `$`, `&&`, `||`, or a word listed as keyword, type, variable, union,
expression, grouping or statement; numbers, bare words, operators and function names without parentheses make none,
nor do AND and OR without a number or a function's name (`tests/waf/engine/test_prefilter.py` holds the table to that).

Nearly every form and document holds somebody's e-mail address, which is a word (`n`) and a variable (`v`): no
fingerprint begins so, whatever follows. See `_variable`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from itertools import accumulate

import re2

from bascule.waf.libinjection.vocabulary import KEYWORDS
from bascule.waf.matcher.linear import linear_options
from bascule.waf.pace import rest
from bascule.waf.seclang.operators import Match, Operator

MARKS = rb"""['"`#$(){}\\]|--|/\*|&&|\|\|"""
"""What matters wherever it stands, beside `@`."""
WEAK_KINDS = frozenset("no1f")
"""Kinds of words that make no fingerprint by themselves."""

_UNIMPORTANT = frozenset({b"IN", b"NOT IN"})
"""Keywords that folding turns into a bare word, unless a parenthesis follows."""

_BLANK = rb"[\s\x00\x0b\xa0]+"


@cache
def _important() -> list[bytes]:
    """Entries of the keyword table whose kind may make a fingerprint; and IF, which `;` makes a statement."""
    entries = [entry for entry, kind in KEYWORDS.items() if kind not in WEAK_KINDS and entry not in _UNIMPORTANT]
    return [*(entry for entry in entries if entry[:1].isalpha() or entry[:1] == b"_"), b"IF"]


@cache
def words() -> tuple[bytes, ...]:
    """The single words that matter, but for those of logic, which need company."""
    return tuple(sorted(entry for entry in _important() if b" " not in entry and KEYWORDS.get(entry) != "&"))


@cache
def phrases() -> tuple[tuple[bytes, bytes], ...]:
    """The first two words of entries none of whose words matters alone.

    Words become one keyword only side by side; what can be between them and vanish is in MARKS.
    """
    alone = set(words())
    found = {tuple(entry.split()[:2]) for entry in _important() if b" " in entry and alone.isdisjoint(entry.split())}
    return tuple(sorted((first, second) for first, second in found))


def _variable(others: bytes = b"") -> bytes:
    """An `@` before which a text has more than one word, as an expression; `others` do not stand in a text.

    A text that begins with a word and an `@` has kinds that begin with `nv`, or with `f`, `o`, `&` or `.` where (part
    of) the word is a keyword: those fingerprints have kinds that other conditions ask for. Not so behind NOT, which
    folding drops, nor where a number follows a point (`IN.5@x-abs` is `n1vof`).
    """
    within = b"[^%b]*" % others if others else b"(?s:.*)"
    before = rb"(?:^[0-9.]|^[Nn][Oo][Tt]\.|\.[0-9]|[^0-9A-Za-z_.%b])" % others
    return rb"^(?:[Nn][Oo][Tt])?@|" + before + within + b"@"


@cache
def necessary(between: bytes = rb".*?", variable: bytes = b"@") -> bytes:
    """The condition as a regular expression; `between` is what may stand between two words that need each other.

    A word may follow digits at once (`1or`, `0x1for`), for a number ends where its digits do.
    """
    before, after = rb"(?:^|[^A-Za-z_]|[0-9][0-9A-Za-z\x00]*)", rb"(?:$|[^0-9A-Za-z_$])"
    pairs = b"|".join(first + _BLANK + second for first, second in phrases())
    important = before + b"(?:" + b"|".join(words()) + b"|" + pairs + b")" + after
    logic = before + b"(?:" + b"|".join(sorted(e for e in _important() if KEYWORDS.get(e) == "&")) + b")" + after
    functions = before + b"(?:" + b"|".join(re.escape(e) for e, kind in KEYWORDS.items() if kind == "f") + b")" + after
    company = b"(?:[0-9]|" + functions + b")"
    together = company + between + logic + b"|" + logic + between + company
    return rb"(?ism:" + MARKS + b"|" + variable + b"|" + important + b"|" + together + b")"


@cache
def ordinary() -> tuple[bytes, ...]:
    """The condition for ordinary texts, as expressions of which one matches what meets it.

    There, what stands before a word is the edge of a word, or a number: one that ends with a digit, a point, an
    exponent without digits or Oracle's suffix, or one to the base 16 or 2. Digits are company enough for words of
    logic. Each word is looked for by itself: an expression that begins with a digit is tried at each.
    """
    number = rb"[0-9]\.?e?[df]?"
    important = [*words(), *(first + rb"\s+" + second for first, second in phrases())]
    logic = b"|".join(sorted(e for e in _important() if KEYWORDS.get(e) == "&"))
    functions = b"|".join(re.escape(e) for e, kind in KEYWORDS.items() if kind == "f")
    together, company = rb"\b(?:" + logic + rb")\b", rb"(?:[0-9]|\b(?:" + functions + rb")\b)"
    return (
        MARKS,
        _variable(rb"\n"),
        *(rb"(?i)(?:\b|" + number + b")" + entry + rb"\b" for entry in important),
        *(rb"(?i)" + number + entry + rb"\b" for entry in logic.split(b"|")),
        rb"(?i)0[xb][0-9a-f]*(?:" + b"|".join([*important, logic]) + rb")\b",
        rb"(?i)" + company + b".*" + together,
        rb"(?i)" + together + b".*" + company,
    )


_SIMPLE = re.compile(rb"[A-Za-z0-9_ ,./:?=&+%;!*<>|~^{}#\[\]-]*+")
_WORD = re.compile(rb"(?<![0-9A-Za-z_.])(?:[A-Za-z_][0-9A-Za-z_.]*|[0-9]{2,19}(?![0-9A-Za-z_.]))")
_KEPT = frozenset(part for entry in KEYWORDS for part in re.split(rb"[ .]", entry)) | {b"SP_PASSWORD"}


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
    rest()
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
        found.Add(necessary(variable=_variable()))
        found.Compile()
        self._search = found.Match
        self._find = re2.compile(necessary(rb"[^\n]*?", _variable(rb"\n")), linear_options()).search

    def evaluate(self, value: bytes) -> Match | None:
        """Return the fingerprint as libinjection finds it."""
        return self._evaluate(outline(value)) if self._search(value) else None

    def screen(self, texts: list[bytes]) -> set[bytes]:
        """Return those of `texts` that meet the necessary condition, by looking through all of them at once.

        A find ends in its text or with the line feed after it, so its end tells the text. Texts that
        hold line feeds themselves are taken to meet the condition.
        """
        joined = b"\n".join(texts)
        ends = list(accumulate(len(text) + 1 for text in texts))
        found = {text for text in texts if b"\n" in text} if joined.count(b"\n") >= len(texts) else set()
        match = self._find(joined)
        while match is not None:
            rest()
            place = bisect_right(ends, match.end() - 1)
            found.add(texts[place])
            match = self._find(joined, ends[place]) if ends[place] <= len(joined) else None
        return found
