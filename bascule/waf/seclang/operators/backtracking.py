"""Patterns that no linear-time engine can match exactly: PCRE2, as ModSecurity runs it, held to a bound.

CRS 4 has none, CRS 3 has four (a back-reference in 942130, assertions, possessive repetitions). Such a pattern can be
made to run for ever (ReDoS), so: RE2 first looks for a relaxed form of it, which dismisses nearly every value in
linear time; PCRE2 then gets only values of at most `MAX_TEXT` bytes, and so many steps. Steps are counted, not
timed: the same value has the same outcome on every machine.
"""

from __future__ import annotations

import pcre2
import re2

from bascule.config.grammar import over_bytes

from .base import LimitExceededError, OperatorError
from .linear import relaxed, translate
from .pcre import parse

MAX_TEXT = 8_192
"""Bytes of the longest value: a pattern may take time by the square of it."""

MAX_STEPS = 4_000_000
"""Steps on one value, some 10 ns each. PCRE2 counts anew at each offset, so each has its share."""

MAX_HEAP = 8_192
"""KiB PCRE2 may use to remember where to go back to."""

_OPTIONS = pcre2.DOTALL | pcre2.MULTILINE  # as ModSecurity has it

Span = tuple[int, int]


class Backtracking:
    """One such pattern. Raises OperatorError if PCRE2 cannot compile it either."""

    __slots__ = ("_compiled", "_limit", "_pattern", "_relaxed")

    def __init__(self, pattern: bytes, match_limit: int | None = None) -> None:
        self._pattern, self._limit = pattern, match_limit
        self._compiled: dict[int, pcre2.Pattern] = {}
        """By the length of the value, rounded up to a power of two: the shorter, the more steps at each offset."""
        self._relaxed = re2.compile(translate(relaxed(parse(pattern))).text, over_bytes(never_capture=True))
        try:
            self._for(0)
        except pcre2.PatternError as error:
            raise OperatorError(f"@rx: PCRE2 cannot compile the pattern ({error}); correct it") from None

    def _for(self, length: int) -> pcre2.Pattern:
        size = 1 << max(length - 1, 0).bit_length()
        found = self._compiled.get(size)
        if found is None:
            steps = min(MAX_STEPS // size, self._limit or MAX_STEPS)
            limits = b"(*LIMIT_MATCH=%d)(*LIMIT_HEAP=%d)" % (steps, MAX_HEAP)
            found = self._compiled[size] = pcre2.compile(limits + self._pattern, _OPTIONS, jit=False)
        return found

    def spans(self, value: bytes, start: int = 0) -> list[Span] | None:
        """Return the spans of the first match and its groups, (-1, -1) for a group that took no part.

        Raises:
            LimitExceededError: the value may match, and is too long, or has taken too many steps.
        """
        if self._relaxed.search(value, start) is None:
            return None
        if len(value) > MAX_TEXT:
            raise LimitExceededError(f"a pattern that backtracks is not run on more than {MAX_TEXT} bytes")
        try:
            found = self._for(len(value)).search(value, start)
        except pcre2.LibraryError as error:
            raise LimitExceededError(f"PCRE2: {error}") from None
        return None if found is None else [found.span(group) for group in range(found.re.groups + 1)]
