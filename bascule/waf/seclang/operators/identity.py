"""Numbers that identify people and cards: @verifyCC, @verifyCPF, @verifySSN, @verifySVNR, @validateNid."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from .base import LoadContext, Match, OperatorError, OperatorFactory
from .rx import compile_regex

_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_NOT_DIGIT = re.compile(rb"[^0-9]+")


def _digits(text: bytes) -> list[int]:
    return [char - 48 for char in _NOT_DIGIT.sub(b"", text)]


def is_card(text: bytes) -> bool:
    """Check the last digit of a card number (Luhn, ISO/IEC 7812-1)."""
    digits = _digits(text)
    total = sum(digits[-1::-2]) + sum(_LUHN_DOUBLED[digit] for digit in digits[-2::-2])
    return bool(digits) and total % 10 == 0


def is_cpf(text: bytes) -> bool:
    """Check a Brazilian tax number: the first eleven digits, the last two of which are check digits."""
    digits = _digits(text)[:11]
    if len(digits) != 11 or len(set(digits)) == 1 or digits == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]:
        return False
    check = digits[:9]
    for weight in (10, 11):
        rest = sum(digit * (weight - place) for place, digit in enumerate(check)) % 11
        check.append(0 if rest < 2 else 11 - rest)
    return check == digits


def is_ssn(text: bytes) -> bool:
    """Check the form of a US social security number: nine digits, no zero field, an area in use."""
    digits = _digits(text)
    if len(digits) != 9 or len(set(digits)) == 1 or digits == list(range(digits[0], digits[0] + 9)):
        return False
    number = int("".join(map(str, digits)))
    area, group, serial = number // 1_000_000, number // 10_000 % 100, number % 10_000
    return 0 < area < 740 and area != 666 and group != 0 and serial != 0


def is_svnr(text: bytes) -> bool:
    """Check an Austrian social insurance number: ten digits, the fourth a check digit."""
    digits = _digits(text)[:10]
    if len(digits) != 10 or len(set(digits)) == 1 or digits == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]:
        return False
    weights = (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)
    return sum(map(int.__mul__, digits, weights)) % 11 % 10 == digits[3]


def is_rut(text: bytes) -> bool:
    """Check a Chilean RUT: digits, then a check digit modulo 11 (K for ten)."""
    number = re.sub(rb"[^0-9kK]+", b"", text).upper()
    if len(number) < 8 or not number[:-1].isdigit():
        return False
    total = sum((char - 48) * (2 + place % 6) for place, char in enumerate(reversed(number[:-1])))
    return number[-1:] == b"0123456789K0"[11 - total % 11 :][:1] if total % 11 else number[-1:] == b"0"


class VerifiedNumber:
    """A match of the pattern, at any offset, that is a valid number of its kind."""

    __slots__ = ("_regex", "_valid")

    def __init__(self, valid: Callable[[bytes], bool], argument: bytes, context: LoadContext) -> None:
        self._valid = valid
        self._regex = compile_regex(argument, context)

    def evaluate(self, value: bytes) -> Match | None:
        """Try every offset, as ModSecurity does, on a budget linear in the value's length."""
        budget = 64 * len(value) + 4096
        offset = 0
        while offset < len(value) and budget > 0:
            spans = self._regex.spans(value, offset)
            if spans is None:
                return None
            for start, end in spans:
                if self._valid(value[start:end]):
                    found = value[start:end]
                    return Match(found, (found,))
                budget -= end - start + 1
            offset = spans[0][0] + 1
        return None


def _national_id(argument: bytes, context: LoadContext) -> VerifiedNumber:
    country, _, pattern = argument.strip().partition(b" ")
    checks = {b"cl": is_rut, b"us": is_ssn}
    if country.lower() not in checks or not pattern:
        raise OperatorError("@validateNid needs a country (cl or us) and a pattern, like: @validateNid cl \\d+-[0-9k]")
    return VerifiedNumber(checks[country.lower()], pattern, context)


IDENTITY_OPERATORS: dict[str, OperatorFactory] = {
    "verifycc": partial(VerifiedNumber, is_card),
    "verifycpf": partial(VerifiedNumber, is_cpf),
    "verifyssn": partial(VerifiedNumber, is_ssn),
    "verifysvnr": partial(VerifiedNumber, is_svnr),
    "validatenid": _national_id,
}
