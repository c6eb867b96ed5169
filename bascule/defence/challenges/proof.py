"""Proof of work: what costs a browser about half a second, and is checked in microseconds (Back, "Hashcash", 2002).

A ticket poses `PUZZLES` small puzzles rather than a large one: the time of a large one would scatter so much that one
client in a hundred waited nearly five times as long as the others; the sum of many small ones is steady. The puzzle
of number *i* is solved by a number *n* for which SHA-256("TICKET.i.n") begins with so many zero bits.
"""

from __future__ import annotations

from hashlib import sha256

PUZZLES = 16
BITS = {"light": 9, "normal": 11, "heavy": 13}
"""Bits of a puzzle: 8,192, 32,768 and 131,072 hashes are expected in all."""
_DIGITS = 9
"""Digits of a number; more would only make us hash more."""


def solves(ticket: bytes, bits: int, answer: bytes) -> bool:
    """Whether `answer`, numbers with dots between them, solves all puzzles of a ticket."""
    numbers = answer.split(b".")
    return len(numbers) == PUZZLES and all(
        number.isdigit() and len(number) <= _DIGITS and _begins_with_zeros(ticket, puzzle, number, bits)
        for puzzle, number in enumerate(numbers)
    )


def _begins_with_zeros(ticket: bytes, puzzle: int, number: bytes, bits: int) -> bool:
    digest = sha256(b"%b.%d.%b" % (ticket, puzzle, number)).digest()
    return not int.from_bytes(digest[:4], "big") >> (32 - bits)
