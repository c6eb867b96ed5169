"""@rx and @rxGlobal: regular expressions, in linear time where there is a way, with captures."""

from __future__ import annotations

import re2

from bascule.config.grammar import over_bytes

from .backtracking import Backtracking
from .base import LoadContext, Match, OperatorError, OperatorFactory
from .linear import NoLinearFormError
from .translated import translated

RE2_MEMORY = 64 << 20  # bytes; beyond it RE2 drops its automaton's cache, not the answer
MAX_GLOBAL_MATCHES = 128  # a rule can store TX.0 to TX.9

Span = tuple[int, int]


class Regex:
    r"""A PCRE pattern as SecLang means it, matched by RE2 over bytes.

    One known difference: a `^` within a match, right after the newline that ends the value (as in \n^$),
    matches here and not in PCRE.

    Raises OperatorError for a pattern that is wrong, NoLinearFormError for one that has no exact linear-time form.
    """

    __slots__ = ("_has_line_start", "_regex", "_shifted")

    def __init__(self, pattern: bytes) -> None:
        linear = translated(pattern)
        try:
            self._regex = re2.compile(linear.text, over_bytes(max_mem=RE2_MEMORY))
        except re2.error as error:
            reason = error.args[0] if error.args else "unknown"
            text = reason.decode("latin-1") if isinstance(reason, bytes) else str(reason)
            raise OperatorError(f"@rx: RE2 cannot compile the pattern ({text}); simplify it") from error
        self._shifted = linear.shifted
        self._has_line_start = linear.has_line_start

    def spans(self, value: bytes, start: int = 0) -> list[Span] | None:
        """Return the spans of the first match and its groups, (-1, -1) for a group that took no part."""
        found = self._regex.search(value, start)
        if found is None:
            return None
        spans: list[Span] = [found.span(group) for group in range(self._shifted, self._regex.groups + 1)]
        if self._has_line_start and spans[0][0] == len(value) and value.endswith(b"\n"):
            # PCRE's ^ does not match after a newline that ends the subject, RE2's does. Only an empty match
            # at the very end can come of that; see whether it does without a newline before it.
            found = self._regex.search(b"\0", 1)
            if found is None:
                return None
        return spans


def compile_regex(pattern: bytes, context: LoadContext) -> Regex | Backtracking:
    """Return the pattern ready to run. Raises OperatorError."""
    try:
        return Regex(pattern)
    except NoLinearFormError:
        return Backtracking(pattern, context.match_limit)


def first_match(regex: Regex | Backtracking, value: bytes) -> Match | None:
    """Return the first match with its groups; groups after the last that took part are left out."""
    spans = regex.spans(value)
    if spans is None:
        return None
    while spans[-1][0] < 0:
        spans.pop()
    groups = tuple([value[start:end] if start >= 0 else b"" for start, end in spans])
    return Match(groups[0], groups)


class Rx:
    """@rx: the pattern occurs in the value. An empty pattern always does, capturing nothing."""

    __slots__ = ("_regex",)

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        self._regex = compile_regex(argument, context) if argument else None

    @property
    def backtracks(self) -> bool:
        """Whether the pattern has no linear-time form."""
        return isinstance(self._regex, Backtracking)

    def evaluate(self, value: bytes) -> Match | None:
        """Search once. Raises LimitExceededError for a pattern that backtracks."""
        return Match(b"") if self._regex is None else first_match(self._regex, value)


class RxGlobal(Rx):
    """@rxGlobal: every occurrence, the groups of all of them one after the other."""

    __slots__ = ()

    def evaluate(self, value: bytes) -> Match | None:
        """Search on from the end of each match."""
        if self._regex is None:
            return Match(b"")
        groups: list[bytes] = []
        at = 0
        while at <= len(value) and len(groups) < MAX_GLOBAL_MATCHES:
            spans = self._regex.spans(value, at)
            if spans is None:
                break
            while spans[-1][0] < 0:
                spans.pop()
            groups += [value[start:end] if start >= 0 else b"" for start, end in spans]
            start, end = spans[0]
            at = end if end > start else end + 1
        return Match(groups[0], tuple(groups)) if groups else None


RX_OPERATORS: dict[str, OperatorFactory] = {"rx": Rx, "rxglobal": RxGlobal}
