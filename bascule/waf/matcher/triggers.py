"""Which bytes a transformation needs in order to change a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

PERCENT, PLUS, BACKSLASH, AMPERSAND, HIGH, NUL, BLANK, SPACE, SPACES, SHELL, PATH, COMMENT, NEWLINE, BASE64 = (
    1 << n for n in range(14)
)

_BYTES: dict[int, bytes] = {
    PERCENT: b"%",
    PLUS: b"+",
    BACKSLASH: b"\\",
    HIGH: bytes(range(0x80, 0x100)),
    NUL: b"\0",
    BLANK: b"\t\v\f\r\xa0\xc2\x85",
    SHELL: b"\"'^,;",
}
_SEQUENCES: tuple[tuple[int, bytes], ...] = (
    (AMPERSAND, b"&"),
    (SPACE, b" "),
    (SPACES, b"  "),
    (SPACES, b" /"),
    (SPACES, b" ("),
    (PATH, b"//"),
    (PATH, b"/."),
    (PATH, b"./"),
    (PATH, b".."),
    (COMMENT, b"/*"),
    (COMMENT, b"*/"),
    (COMMENT, b"--"),
    (COMMENT, b"#"),
    (NEWLINE, b"\n"),
)
_ENTITY: Final = re.compile(rb"&(?:#|[qQ][uU][oO][tT]|[aA][mM][pP]|[lL][tT]|[gG][tT]|[nN][bB][sS][pP])").search
"""Queries are full of ampersands; only these begin an entity ModSecurity knows."""


def has_entity(text: bytes) -> bool:
    """Whether there is what HTML entity decoding may change."""
    return _ENTITY(text) is not None


ENTITIES = (b"&#", b"&quot", b"&amp", b"&lt", b"&gt", b"&nbsp")

LONE_DOT: Final = b"."
"""A path that means nothing: the only one that normalising changes without two marks side by side."""

ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:=?&+,; %@~"
"""Of what ordinary texts consist: paths, queries, cookies, words. What is in none of them makes rules simple."""

ALWAYS: Final = 1 << 14
"""Set in the features of every text."""

ACTIVE: dict[str, int] = {
    "none": 0,
    "lowercase": 0,
    "base64decode": BASE64 | NUL,
    "urldecode": PERCENT | PLUS,
    "urldecodeuni": PERCENT | PLUS,
    "jsdecode": BACKSLASH,
    "cssdecode": BACKSLASH,
    "escapeseqdecode": BACKSLASH,
    "htmlentitydecode": AMPERSAND,
    "utf8tounicode": HIGH | NUL,
    "removenulls": NUL,
    "replacenulls": NUL,
    "removewhitespace": BLANK | SPACE | NEWLINE,
    "compresswhitespace": BLANK | SPACES | NEWLINE,
    "cmdline": BLANK | SPACES | NEWLINE | SHELL | BACKSLASH,
    "normalizepath": PATH,
    "normalisepath": PATH,
    "normalizepathwin": PATH | BACKSLASH,
    "normalisepathwin": PATH | BACKSLASH,
    "replacecomments": COMMENT,
    "removecomments": COMMENT,
    "removecommentschar": COMMENT,
}
"""Name -> the features of which a text must have one to be changed; others are always carried out (`ALWAYS`).

`lowercase` is listed as never active: see `CASE_NEUTRAL` and point 4 of the package's argument.
"""

QUIET = frozenset(name for name, needs in ACTIVE.items() if not needs & BASE64 and name not in ("lowercase", "cmdline"))
"""Transformations that leave a text of PLAIN bytes as it is."""

CASE_FOLDING = frozenset({"lowercase", "cmdline"})
"""Steps after which a text has no upper-case ASCII letters."""

CASE_NEUTRAL = frozenset(
    {
        "none", "lowercase", "urldecode", "urldecodeuni", "removenulls", "replacenulls", "removewhitespace",
        "compresswhitespace", "cmdline", "normalizepath", "normalisepath", "normalizepathwin", "normalisepathwin",
        "replacecomments", "removecomments", "removecommentschar", "utf8tounicode", "htmlentitydecode",
    }
)  # fmt: skip
"""Transformations whose result, case aside, does not depend on the case of the text."""

PERCENT_CODE: Final = b"%"[0]
"""A number is found in bytes in a tenth of the time that `b"%" in text` takes, which raises and drops an exception."""

_KEPT = set(b"".join(_BYTES.values()) + b"".join(sequence for _, sequence in _SEQUENCES))
PLAIN: Final = bytes(sorted(set(range(256)) - _KEPT))
"""Bytes that are part of no feature. A text of these alone has none (BASE64 aside)."""

_BASE64_MARKS = b"+/\r\n "
"""Kept bytes a Base64 text may hold; one with another kept byte (before a NUL) is not decoded."""

MAX_KNOWN = 8_192
MAX_RESIDUE = 24
_KNOWN: dict[bytes, tuple[int, tuple[tuple[int, bytes], ...]]] = {}


def features(text: bytes, residue: bytes) -> int:
    """Return the features of `text` as a bit set; `residue` is what is left of it without PLAIN."""
    known = _KNOWN.get(residue)
    found, sequences = known if known is not None else _analyse(residue)
    for bit, sequence in sequences:
        if sequence in text and (bit != AMPERSAND or _ENTITY(text) is not None):
            found |= bit
    if text == LONE_DOT:
        found |= PATH
    if not found & BASE64 or found & (NEWLINE | NUL):
        return found
    # Blanks may stand before a line end or last (mbedtls_base64_decode); without them the length tells.
    possible = text[-1:] == b" " if found & SPACE else not len(text) & 3
    return found if possible else found & ~BASE64


def possible(members: frozenset[int], relevant: int) -> tuple[int, tuple[tuple[int, bytes], ...]]:
    """Which of the `relevant` features texts with these bytes have for sure, and the sequences that show others.

    BASE64 and ALWAYS count as sure.
    """
    sure = relevant & (BASE64 | ALWAYS)
    for bit, known in _BYTES.items():
        if relevant & bit and not members.isdisjoint(known):
            sure |= bit
    return sure, tuple(
        (bit, sequence) for bit, sequence in _SEQUENCES if relevant & bit and members.issuperset(sequence)
    )


def shown(text: bytes, sure: int, sequences: tuple[tuple[int, bytes], ...]) -> int:
    """The features that are sure, and those whose sequences `text` has."""
    for bit, sequence in sequences:
        if sequence in text and (bit != AMPERSAND or _ENTITY(text) is not None):
            sure |= bit
    return sure


def _analyse(residue: bytes) -> tuple[int, tuple[tuple[int, bytes], ...]]:
    """The features that the kept bytes of a text show by themselves, and the sequences still to be looked for.

    What stands side by side in the text stands side by side in the residue, but not the other way round.
    """
    found = ALWAYS
    for bit, members in _BYTES.items():
        if len(residue) != len(residue.translate(None, members)):
            found |= bit
    if found & NUL or not residue.translate(None, _BASE64_MARKS):
        found |= BASE64
    sequences = tuple((bit, sequence) for bit, sequence in _SEQUENCES if sequence in residue)
    if len(residue) <= MAX_RESIDUE:
        if len(_KNOWN) >= MAX_KNOWN:
            _KNOWN.clear()
        _KNOWN[residue] = found, sequences
    return found, sequences


def clues(needs: Iterable[int]) -> tuple[tuple[int, bytes], ...]:
    """What shows in an ordinary text that it has any of these features: byte sequences, each with its bit."""
    relevant = 0
    for need in needs:
        relevant |= need
    single = [(bit, bytes([byte])) for bit, members in _BYTES.items() for byte in members]
    return tuple(
        (bit, sequence)
        for bit, sequence in (*single, *_SEQUENCES)
        if bit & relevant and not sequence.translate(None, ALPHABET)
    )


def unchanged_bytes(names: Iterable[str]) -> bytes:
    """Bytes of which a text may consist to be left as it is by all these steps; none if that depends on more."""
    active = b""
    for name in names:
        needs = ACTIVE.get(name, ALWAYS)
        if name in CASE_FOLDING or needs & ~sum(_BYTES):
            return b""
        active += b"".join(members for bit, members in _BYTES.items() if needs & bit)
    return bytes(sorted(set(range(256)) - set(active)))
