"""Numbers that identify people and accounts, told from other numbers by form and check digits.

A form alone would take order numbers for cards; so each kind has a check of its own wherever its issuer defines one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from bascule.config.grammar import compile_pattern

LONGEST = 256
"""Bytes of the longest identifier: an e-mail address has at most 254 (RFC 5321 4.5.3.1)."""

_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")

_BREAK = re.compile(rb"\W", re.ASCII)
"""Where a word ends: none of the identifiers begins within one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of identifier. `pattern` is RE2; `valid` judges a match without its separators; `shown` last ones stay.

    `size` tells how many bytes of a match are the identifier, where a pattern cannot.
    """

    name: str
    title: str
    pattern: str
    valid: Callable[[bytes], bool]
    shown: int = 0
    size: Callable[[bytes], int] | None = None


class Match(NamedTuple):
    """An identifier in a text."""

    start: int
    end: int
    kind: Kind


def luhn(number: bytes) -> bool:
    """Tell whether digits pass the check of ISO/IEC 7812-1 annex B."""
    total = 0
    for index, digit in enumerate(reversed(number)):
        value = digit - 48
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _card(number: bytes) -> bool:
    """Ranges of issuers and the lengths they give out, then Luhn."""
    two, four = int(number[:2]), int(number[:4])
    size = len(number)
    known = (
        (number[:1] == b"4" and size in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in (34, 37) and size == 15)
        or (two in (36, 38, 39, 30) and size == 14)
        or ((four == 6011 or two == 65 or 644 <= four // 10 <= 649 or two in (62, 81)) and 16 <= size <= 19)
        or (3528 <= four <= 3589 and 16 <= size <= 19)
    )
    return known and len(set(number)) > 1 and luhn(number)


_IBAN_LENGTHS = {
    b"AD": 24, b"AE": 23, b"AL": 28, b"AT": 20, b"AZ": 28, b"BA": 20, b"BE": 16, b"BG": 22, b"BH": 22, b"BR": 29,
    b"BY": 28, b"CH": 21, b"CR": 22, b"CY": 28, b"CZ": 24, b"DE": 22, b"DK": 18, b"DO": 28, b"EE": 20, b"EG": 29,
    b"ES": 24, b"FI": 18, b"FO": 18, b"FR": 27, b"GB": 22, b"GE": 22, b"GI": 23, b"GL": 18, b"GR": 27, b"GT": 28,
    b"HR": 21, b"HU": 28, b"IE": 22, b"IL": 23, b"IQ": 23, b"IS": 26, b"IT": 27, b"JO": 30, b"KW": 30, b"KZ": 20,
    b"LB": 28, b"LI": 21, b"LT": 20, b"LU": 20, b"LV": 21, b"MC": 27, b"MD": 24, b"ME": 22, b"MK": 19, b"MR": 27,
    b"MT": 31, b"MU": 30, b"NL": 18, b"NO": 15, b"PK": 24, b"PL": 28, b"PS": 29, b"PT": 25, b"QA": 29, b"RO": 24,
    b"RS": 22, b"SA": 24, b"SE": 24, b"SI": 19, b"SK": 24, b"SM": 27, b"TN": 24, b"TR": 26, b"UA": 29, b"VA": 22,
    b"XK": 20,
}  # fmt: skip
"""Registry of IBAN formats (SWIFT): lengths by country."""


def _iban(text: bytes) -> bool:
    """ISO 13616: length of the country, and mod 97 = 1."""
    if _IBAN_LENGTHS.get(text[:2].upper()) != len(text):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(chr(char), 36)) for char in moved)) % 97 == 1


def _iban_size(found: bytes) -> int:
    """Return how many bytes of a match are the number, by its country: words behind its groups look like more."""
    left = _IBAN_LENGTHS.get(found[:2].upper(), 0)
    for index, char in enumerate(found):
        left -= char != 0x20
        if not left:
            return index + 1
    return len(found)


def _weighted(number: bytes, weights: Iterable[int]) -> int:
    return sum((digit - 48) * weight for digit, weight in zip(number, weights, strict=False))


def _ssn(number: bytes) -> bool:
    """No check digit, but areas, groups and serials that are never given out (SSA)."""
    return number[:3] not in (b"000", b"666") and number[:1] != b"9" and number[3:5] != b"00" and number[5:] != b"0000"


def _rrn(number: bytes) -> bool:
    """Korean resident registration number: a date, a century and sex, a check digit (before October 2020)."""
    month, day = int(number[2:4]), int(number[4:6])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    return (11 - _weighted(number, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == number[12] - 48


def _cpf(number: bytes) -> bool:
    """Brazilian CPF: two check digits mod 11."""
    if len(set(number)) == 1:
        return False
    first = _weighted(number, range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(number, range(11, 1, -1)) * 10 % 11 % 10
    return first == number[9] - 48 and second == number[10] - 48


def _dni(text: bytes) -> bool:
    """Spanish DNI and NIE: a letter by mod 23."""
    number = text[:-1].upper().translate(bytes.maketrans(b"XYZ", b"012"))
    return len(number) == 8 and b"TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1:].upper()[0]


def _nir(text: bytes) -> bool:
    """French social security number: 97 less mod 97; Corsican departments 2A and 2B count as 19 and 18."""
    number = text[:13].upper().replace(b"2A", b"19").replace(b"2B", b"18")
    return number.isdigit() and 97 - int(number) % 97 == int(text[13:])


def _pesel(number: bytes) -> bool:
    """Polish PESEL: a month with its century, a check digit."""
    month, day = int(number[2:4]) % 20, int(number[4:6])
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
    return 1 <= month <= 12 and 1 <= day <= 31 and (10 - _weighted(number, weights) % 10) % 10 == number[10] - 48


def _cn_id(text: bytes) -> bool:
    """Chinese resident identity number: ISO 7064 mod 11-2, X for ten."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return b"10X98765432"[_weighted(text, weights) % 11] == text[17:].upper()[0]


_VERHOEFF_D = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432",
               "7659821043", "8765932104", "9876543210")  # fmt: skip
_VERHOEFF_P = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415",
               "7046913258")  # fmt: skip


def _aadhaar(number: bytes) -> bool:
    """Indian Aadhaar: Verhoeff's check."""
    check = 0
    for index, digit in enumerate(reversed(number)):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[index % 8][digit - 48])])
    return check == 0


def _codice_fiscale(text: bytes) -> bool:
    """Italian tax code: a letter by mod 26 over tables for odd and even places."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    total = 0
    for index, char in enumerate(text[:15].upper()):
        value = char - 48 if char < 65 else char - 65
        total += value if index % 2 else odd[value]
    return total % 26 == text[15:].upper()[0] - 65


def _always(text: bytes) -> bool:
    return True


_D = "[0-9]"
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("card", "payment card number",
             f"{_D}{{13,19}}|{_D}{{4}}[ -]{_D}{{4}}[ -]{_D}{{4}}[ -]{_D}{{1,7}}|{_D}{{4}}[ -]{_D}{{6}}[ -]{_D}{{4,5}}",
             _card, shown=4),
        Kind("iban", "bank account number (IBAN)",
             f"[A-Za-z]{{2}}{_D}{{2}}(?:[A-Za-z0-9]{{11,30}}|(?: [A-Za-z0-9]{{4}}){{2,7}}(?: [A-Za-z0-9]{{1,3}})?)",
             _iban, shown=4, size=_iban_size),
        Kind("email", "e-mail address",
             r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}", _always),
        Kind("phone", "telephone number (+ and country)", rf"\+[1-9]{_D}{{0,2}}(?:[ ./-]?\(?{_D}{{1,6}}\)?){{2,6}}",
             lambda text: 8 <= len(re.sub(rb"[^0-9]", b"", text)) <= 15),
        Kind("us-ssn", "US social security number", f"{_D}{{3}}-{_D}{{2}}-{_D}{{4}}", _ssn),
        Kind("kr-rrn", "Korean resident registration number", f"{_D}{{6}}-?[1-8]{_D}{{6}}", _rrn),
        Kind("br-cpf", "Brazilian CPF", rf"{_D}{{3}}\.{_D}{{3}}\.{_D}{{3}}-{_D}{{2}}|{_D}{{11}}", _cpf),
        Kind("es-dni", "Spanish DNI or NIE", f"[XYZxyz]?{_D}{{7,8}}-?[A-Za-z]", _dni),
        Kind("fr-nir", "French social security number",
             f"[12] ?{_D}{{2}} ?(?:0[1-9]|1[0-2]|[2-9]{_D}) ?(?:{_D}{{2}}|2[ABab]) ?{_D}{{3}} ?{_D}{{3}} ?{_D}{{2}}",
             _nir),
        Kind("pl-pesel", "Polish PESEL", f"{_D}{{11}}", _pesel),
        Kind("cn-id", "Chinese identity number", f"[1-9]{_D}{{5}}(?:19|20){_D}{{9}}[0-9Xx]", _cn_id),
        Kind("in-aadhaar", "Indian Aadhaar number", f"[2-9]{_D}{{3}} ?{_D}{{4}} ?{_D}{{4}}", _aadhaar),
        Kind("it-cf", "Italian tax code",
             f"[A-Za-z]{{6}}{_D}{{2}}[A-Ea-eHLMPRSThlmprst]{_D}{{2}}[A-Za-z]{_D}{{3}}[A-Za-z]",
             _codice_fiscale),
    )
}  # fmt: skip
"""Kinds by name."""

_SEPARATORS = b" -./()+"


class Finder:
    """Finds identifiers of some kinds."""

    def __init__(self, kinds: Iterable[str]) -> None:
        """Raises KeyError for a kind that there is not."""
        self.kinds = [KINDS[name] for name in kinds]
        self._any: Any = compile_pattern("|".join(f"(?:{kind.pattern})" for kind in self.kinds))
        self._each = [(kind, compile_pattern(kind.pattern)) for kind in self.kinds]

    def find(self, text: bytes) -> list[Match]:
        """Return the identifiers in a text, in their order; those that overlap an earlier one are left out."""
        if self._any.search(text) is None:
            return []
        found = sorted(match for kind, pattern in self._each for match in _of_kind(text, kind, pattern))
        kept: list[Match] = []
        for start, end, kind in found:
            if not kept or start >= kept[-1].end:
                kept.append(Match(start, end, kind))
        return kept

    def mask(self, text: bytes) -> bytes:
        """Return a text of the same length with its identifiers starred."""
        pieces: list[bytes] = []
        at = 0
        for start, end, kind in self.find(text):
            pieces += (text[at:start], starred(text[start:end], kind))
            at = end
        return b"".join((*pieces, text[at:]))


def _of_kind(text: bytes, kind: Kind, pattern: Any) -> Iterator[Match]:
    position = 0
    while (found := pattern.search(text, position)) is not None:
        start, end = found.span()
        if kind.size is not None:
            end = start + kind.size(found[0])
        if _is_whole(text, start, end) and kind.valid(_plain(text[start:end], kind)):
            yield Match(start, end, kind)
            position = end
        elif (broken := _BREAK.search(text, start)) is not None:
            position = broken.end()  # what follows its first word may still be one: 2024 4111 1111 1111 1111
        else:
            return


def _is_whole(text: bytes, start: int, end: int) -> bool:
    return not ((start and text[start - 1] in _WORD) or (end < len(text) and text[end] in _WORD))


def _plain(found: bytes, kind: Kind) -> bytes:
    return found if kind.name == "email" else found.translate(None, _SEPARATORS)


def starred(text: bytes, kind: Kind) -> bytes:
    """Return an identifier with asterisks in place of its letters and digits, but for the last ones that may show."""
    places = [index for index, char in enumerate(text) if char in _WORD]
    stars = bytearray(text)
    for index in places[: len(places) - kind.shown]:
        stars[index] = 0x2A
    return bytes(stars)
