"""What is noted of a value: its kind, its length and its alphabet; never the value itself."""

from __future__ import annotations

import re
from typing import NamedTuple

INTEGER, DECIMAL, BOOLEAN, UUID, DATE, EMAIL, TEXT, EMPTY = (
    "integer", "decimal", "boolean", "uuid", "date", "email", "text", "empty",
)  # fmt: skip
LONGEST_KIND = 64
"""Bytes of the longest value that can be anything but text."""
MAX_BITS = 31
"""Lengths are told apart up to 2 GiB; no body that is inspected is as long."""

_INTEGER = re.compile(rb"-?\d{1,19}")
_DECIMAL = re.compile(rb"-?\d{1,19}\.\d{1,19}")
_UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DATE = re.compile(rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_EMAIL = re.compile(rb"[A-Za-z0-9._%+-]{1,48}@[A-Za-z0-9-]{1,32}(?:\.[A-Za-z0-9-]{1,16}){1,4}")
_PATTERNS = ((DECIMAL, _DECIMAL), (UUID, _UUID), (DATE, _DATE), (EMAIL, _EMAIL))

WORDY = 7
"""Sorts below this number are what words and numbers are made of."""
_SORTS = {
    "digits": b"0123456789",
    "small letters": b"abcdefghijklmnopqrstuvwxyz",
    "capital letters": b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "blanks": b" ",
    "letters beyond ASCII": bytes(range(128, 256)),
    "- or _": b"-_",
    "full stops": b".",
    "line ends or tabs": b"\t\r\n",
    "control characters": bytes({*range(32), 127} - {9, 10, 13}),
    **{chr(byte): bytes((byte,)) for byte in b"!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"},
}
CONTROL = list(_SORTS).index("control characters")
NAMES = tuple(_SORTS)
"""What the sorts of characters are called, by their number: marks are a sort each."""
MEMBERS = tuple(_SORTS.values())
"""The bytes of each sort."""
INERT = sum(1 << number for number, name in enumerate(NAMES) if number < WORDY or name in ",:@!?+")
"""The sorts that no language attackers write can do without others of."""
PROSE = sum(1 << number for number, name in enumerate(NAMES) if name in "\"'()/&;#%" or INERT >> number & 1)
"""The sorts that texts of people have sooner or later."""
CHOSEN = sum(1 << number for number, name in enumerate(NAMES) if "letters" in name or name in ("digits", "- or _"))
"""The sorts that programs write what one can choose from in."""
CODE = sum(1 << number for number, name in enumerate(NAMES) if name in "\"'()/;={}[]" or name == "line ends or tabs")
"""The sorts that programs, queries and configurations have together, and people's words do not."""
PRINTED = sum(1 << number for number in range(len(NAMES)) if number != CONTROL)
"""All sorts but control characters."""
BLANKS = 1 << NAMES.index("blanks")
_CLASSES = bytes(next(n for n, sort in enumerate(MEMBERS) if byte in sort) for byte in range(256))


class Traits(NamedTuple):
    """`bits` is the number of bits of the length; `alphabet` has a bit for each sort of characters."""

    kind: str
    bits: int
    alphabet: int


def traits_of(value: bytes) -> Traits:
    """Return the traits of a value."""
    alphabet = 0
    for number in set(value.translate(_CLASSES)):
        alphabet |= 1 << number
    return Traits(kind_of(value), min(len(value).bit_length(), MAX_BITS), alphabet)


def kind_of(value: bytes) -> str:
    """Return the narrowest kind that a value is of."""
    if not value:
        return EMPTY
    if len(value) > LONGEST_KIND:
        return TEXT
    if value.isalpha():
        return BOOLEAN if value.lower() in (b"true", b"false", b"on", b"off", b"yes", b"no") else TEXT
    if _INTEGER.fullmatch(value) is not None:
        return INTEGER
    return next((kind for kind, pattern in _PATTERNS if pattern.fullmatch(value) is not None), TEXT)
