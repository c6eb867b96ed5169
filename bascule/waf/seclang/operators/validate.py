"""@validateByteRange, @validateUrlEncoding and @validateUtf8Encoding: they match what is invalid."""

from __future__ import annotations

import re

from .base import LoadContext, Match, OperatorError, OperatorFactory

_INVALID_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class ValidateByteRange:
    """The value holds a byte outside the ranges."""

    __slots__ = ("_allowed",)

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        allowed: set[int] = set()
        for part in filter(None, argument.split(b",")):
            first, dash, last = part.strip().partition(b"-")
            try:
                low = int(first)
                high = int(last) if dash else low
            except ValueError:
                low, high = -1, -1
            if not 0 <= low <= high <= 255:
                raise OperatorError(
                    f"@validateByteRange: {part.decode('latin-1')!r} is no range; write bytes as 9,10,13,32-126"
                )
            allowed.update(range(low, high + 1))
        self._allowed = bytes(sorted(allowed))

    def evaluate(self, value: bytes) -> Match | None:
        """Return the bytes outside the ranges."""
        outside = value.translate(None, self._allowed)
        return Match(outside) if outside else None


class ValidateUrlEncoding:
    """The value holds a `%` without two hexadecimal digits after it."""

    __slots__ = ()

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        pass

    def evaluate(self, value: bytes) -> Match | None:
        """Search the first invalid escape."""
        if b"%" not in value or (found := _INVALID_ESCAPE.search(value)) is None:
            return None
        return Match(value[found.start() : found.start() + 3])


class ValidateUtf8Encoding:
    """The value is no UTF-8 (RFC 3629: neither over-long forms nor surrogates nor beyond U+10FFFF)."""

    __slots__ = ()

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        pass

    def evaluate(self, value: bytes) -> Match | None:
        """Decode strictly."""
        if value.isascii():
            return None
        try:
            value.decode("utf-8")
        except UnicodeDecodeError as error:
            return Match(value[error.start : error.end])
        return None


VALIDATE_OPERATORS: dict[str, OperatorFactory] = {
    "validatebyterange": ValidateByteRange,
    "validateurlencoding": ValidateUrlEncoding,
    "validateutf8encoding": ValidateUtf8Encoding,
}
