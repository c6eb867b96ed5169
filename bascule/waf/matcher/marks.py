"""Bytes a match cannot do without: a text without them need not be transformed, nor scanned, for an expression's sake.

A *clause* is a set of bytes (a number with 256 bits, as in `pcre.py`) of which every text that an expression matches
has at least one; an expression has several, all of which must hold. Most traffic is words, numbers and a few
separators, and most expressions ask for a quote, a bracket, a semicolon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bascule.waf.matcher.triggers import ALWAYS, AMPERSAND, BACKSLASH, BASE64, HIGH, NUL, PERCENT
from bascule.waf.seclang.operators import OperatorError
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.operators.tree import ALL, Alt, Atomic, Capture, Node, Repeat, Seq, Set, byte_set

ALPHANUMERIC: Final = bytes(byte for byte in range(128) if chr(byte).isalnum())
"""Bytes that are in no clause: nearly every text has some."""
_ALPHANUMERIC = byte_set(ALPHANUMERIC)
_BLANKS = byte_set(b"\t\n\v\f\r \x85\xa0")
COMMON: Final = b" -._/:=+,&?"
"""What stands in harmless texts beside letters and digits."""
_COMMON = byte_set(COMMON)
LONG: Final = 256
_CMDLINE_LEAVES_OUT = byte_set(b"\\\"'^,;")
MAX_CLAUSES = 4

_DECODED = {PERCENT: b"%", BACKSLASH: b"\\", AMPERSAND: b"&", NUL: b"\0", HIGH: bytes(range(0x80, 0x100))}
"""Features that let a transformation make any byte, with the bytes that must be there for it. The others only delete
bytes, or replace them by a blank."""

Clauses = tuple[int, ...]
"""None at all if nothing is known."""


def clauses_of(pattern: bytes) -> Clauses:
    """Return the clauses of a regular expression in SecLang's dialect; none if it cannot be read."""
    try:
        return _clauses(parse(pattern))
    except OperatorError:
        return ()


def _clauses(node: Node) -> Clauses:
    match node:
        case Set(bits):
            return () if bits & _ALPHANUMERIC else (bits,)
        case Seq(items):
            found = dict.fromkeys(clause for item in items for clause in _clauses(item))
            return tuple(sorted(found, key=_commonness)[:MAX_CLAUSES])
        case Alt(branches):
            union = 0
            for branch in branches:
                clauses = _clauses(branch)
                if not clauses:
                    return ()
                union |= clauses[0]
            return (union,) if union else ()
        case Repeat(inner, least):
            return _clauses(inner) if least else ()
        case Capture(inner) | Atomic(inner):
            return _clauses(inner)
    return ()


def _commonness(clause: int) -> int:
    return 64 * (clause & _COMMON).bit_count() + clause.bit_count()


def clauses_of_literal(text: bytes) -> Clauses:
    """As `clauses_of`, for a text that must be there as it is, case aside."""
    found = {1 << byte for byte in text.translate(None, ALPHANUMERIC)}
    return tuple(sorted(found, key=_commonness)[:MAX_CLAUSES])


def before(clauses: Clauses, steps: Sequence[str], each: bool) -> Clauses:
    """What is asked of a text before `steps`, as long as it has nothing that they decode.

    With `each`, the expression may match after any of them (multiMatch), not only after the last.
    """
    if not steps:
        return clauses
    kept = [clause for clause in clauses if not clause & _BLANKS]
    if steps[-1] == "cmdline" and not each:
        kept = [clause & ~_CMDLINE_LEAVES_OUT for clause in kept]
    return tuple(kept)


def decoded_by(needs: Iterable[int]) -> int:
    """The bytes from which steps with these needs could make others."""
    found = 0
    for need in needs:
        if need & (ALWAYS | BASE64):
            return ALL
        for bit, members in _DECODED.items():
            if need & bit:
                found |= byte_set(members)
    return found


def hold(clauses: Clauses, present: int) -> bool:
    """Whether a text with the bytes `present` meets all clauses."""
    return all(clause & present for clause in clauses)


def weakest(asked: Iterable[Clauses]) -> tuple[Clauses, ...]:
    """Leave out of the clauses of many expressions those that ask for more than others do."""
    kept: list[Clauses] = []
    for clauses in sorted(set(asked), key=len):
        if not any(set(clauses).issuperset(other) for other in kept):
            kept.append(clauses)
    return tuple(kept)


def bytes_of(text: bytes) -> frozenset[int]:
    """The bytes of a text that clauses may ask for."""
    residue = text.translate(None, ALPHANUMERIC)
    if len(residue) < LONG:
        return frozenset(residue)
    return frozenset(residue.translate(None, COMMON)) | {byte for byte in COMMON if byte in residue}


def marks_of(asked: Iterable[Clauses]) -> set[int]:
    """Bytes of which a text has at least one where it meets the clauses of any of several expressions."""
    found = 0
    for clauses in asked:
        found |= clauses[0] if clauses else ALL
    return {byte for byte in range(256) if found >> byte & 1}


def as_set(members: Iterable[int]) -> int:
    """The same as a number."""
    bits = 0
    for member in members:
        bits |= 1 << member
    return bits
