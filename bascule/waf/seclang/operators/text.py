"""Operators that compare text."""

from __future__ import annotations

from .base import LoadContext, Match, OperatorFactory

_LETTER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class UnconditionalMatch:
    """@unconditionalMatch: always true."""

    __slots__ = ()

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        pass

    def evaluate(self, value: bytes) -> Match | None:
        """Match anything."""
        return Match(value)


class NoMatch:
    """@noMatch: always false."""

    __slots__ = ()

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        pass

    def evaluate(self, value: bytes) -> Match | None:
        """Match nothing."""
        return None


class _Compare:
    __slots__ = ("argument", "match")

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        self.argument = argument
        self.match = Match(argument)


class StrEq(_Compare):
    """@streq: the value is the argument."""

    __slots__ = ()

    def evaluate(self, value: bytes) -> Match | None:
        """Compare byte by byte."""
        return self.match if value == self.argument else None


class BeginsWith(_Compare):
    """@beginsWith: the value begins with the argument."""

    __slots__ = ()

    def evaluate(self, value: bytes) -> Match | None:
        """Compare the beginning."""
        return self.match if value.startswith(self.argument) else None


class EndsWith(_Compare):
    """@endsWith: the value ends with the argument."""

    __slots__ = ()

    def evaluate(self, value: bytes) -> Match | None:
        """Compare the end."""
        return self.match if value.endswith(self.argument) else None


class Contains(_Compare):
    """@contains and @strmatch: the argument occurs in the value."""

    __slots__ = ()

    def evaluate(self, value: bytes) -> Match | None:
        """Search the argument."""
        return self.match if self.argument in value else None


class Within(_Compare):
    """@within: the value occurs in the argument; an empty value always does."""

    __slots__ = ()

    def evaluate(self, value: bytes) -> Match | None:
        """Search the value in the argument."""
        return Match(value) if value in self.argument else None


class ContainsWord(_Compare):
    """@containsWord: the argument occurs in the value with no ASCII letter beside it."""

    __slots__ = ()

    def evaluate(self, value: bytes) -> Match | None:
        """Search the argument, overlapping occurrences included.

        As ModSecurity: a word needs a neighbour on the other side unless it is the first or the last.
        """
        word = self.argument
        if not word or value == word:
            return self.match
        at = value.find(word)
        while at >= 0:
            after = at + len(word)
            left = at > 0 and value[at - 1] not in _LETTER
            right = after < len(value) and value[after] not in _LETTER
            if (left or at == 0) and (right or after == len(value)):
                return self.match
            at = value.find(word, at + 1)
        return None


TEXT_OPERATORS: dict[str, OperatorFactory] = {
    "beginswith": BeginsWith,
    "contains": Contains,
    "containsword": ContainsWord,
    "endswith": EndsWith,
    "nomatch": NoMatch,
    "streq": StrEq,
    "strmatch": Contains,
    "unconditionalmatch": UnconditionalMatch,
    "within": Within,
}
