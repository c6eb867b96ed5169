"""Operators that compare whole numbers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import partial

from .base import LoadContext, Match, OperatorFactory

_NUMBER = re.compile(rb"[ \t\n\v\f\r]*([+-]?)0*([0-9]{0,20})[0-9]*")
_INT_MAX, _LLONG_MAX = 2**31 - 1, 2**63 - 1


def _parse(text: bytes) -> int:
    """Read the leading number, 0 where there is none (C's strtoll, unsaturated)."""
    if len(text) < 19 and text.isdigit():
        return int(text)
    found = _NUMBER.match(text)
    assert found is not None  # every part of the pattern may be empty
    sign, digits = found.groups()
    number = int(digits or b"0")
    return -number if sign == b"-" else number


def to_int(text: bytes) -> int:
    """Return the leading number as std::stoi() in @eq: what does not fit 32 bits is 0."""
    number = _parse(text)
    return number if -_INT_MAX - 1 <= number <= _INT_MAX else 0


def to_long(text: bytes) -> int:
    """Return the leading number as atoll() in @ge and its like: saturated to 64 bits."""
    return max(-_LLONG_MAX - 1, min(_parse(text), _LLONG_MAX))


class Numeric:
    """@eq, @ge, @gt, @le and @lt."""

    __slots__ = ("compare", "number", "parse")

    def __init__(
        self, compare: Callable[[int, int], bool], parse: Callable[[bytes], int], argument: bytes, _: LoadContext
    ) -> None:
        self.compare = compare
        self.parse = parse
        self.number = parse(argument)

    def evaluate(self, value: bytes) -> Match | None:
        """Compare the value's number with the argument's."""
        return Match(value) if self.compare(self.parse(value), self.number) else None


NUMERIC_OPERATORS: dict[str, OperatorFactory] = {
    "eq": partial(Numeric, operator.eq, to_int),
    "ge": partial(Numeric, operator.ge, to_long),
    "gt": partial(Numeric, operator.gt, to_long),
    "le": partial(Numeric, operator.le, to_long),
    "lt": partial(Numeric, operator.lt, to_long),
}
