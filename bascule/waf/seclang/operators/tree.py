"""The tree of a pattern, over sets of bytes.

Matching is over bytes, as ModSecurity compiles its patterns: PCRE2 without UTF, in the C locale (pcre2pattern(3)).
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = (1 << 256) - 1


def byte_set(members: bytes) -> int:
    """Return the set of these bytes as a number with 256 bits."""
    bits = 0
    for char in members:
        bits |= 1 << char
    return bits


def span(first: int, last: int) -> int:
    return (1 << (last + 1)) - (1 << first)


UPPER, LOWER = span(ord("A"), ord("Z")), span(ord("a"), ord("z"))
DIGIT, WORD = span(ord("0"), ord("9")), span(ord("0"), ord("9")) | UPPER | LOWER | 1 << ord("_")
SPACE = span(9, 13) | 1 << 32
HSPACE, VSPACE = byte_set(b"\t \xa0"), byte_set(b"\n\v\f\r\x85")
NEWLINE = 1 << ord("\n")
GRAPH = span(0x21, 0x7E)
SHORTHAND = {"d": DIGIT, "w": WORD, "s": SPACE, "h": HSPACE, "v": VSPACE}
SHORTHAND |= {name.upper(): ALL & ~bits for name, bits in SHORTHAND.items()} | {"N": ALL & ~NEWLINE}
CONTROL = {"a": 7, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9}
POSIX = {
    "alnum": DIGIT | UPPER | LOWER,
    "alpha": UPPER | LOWER,
    "ascii": span(0, 127),
    "blank": byte_set(b"\t "),
    "cntrl": span(0, 31) | 1 << 127,
    "digit": DIGIT,
    "graph": GRAPH,
    "lower": LOWER,
    "print": GRAPH | 1 << 32,
    "punct": GRAPH & ~(DIGIT | UPPER | LOWER),
    "space": SPACE,
    "upper": UPPER,
    "word": WORD,
    "xdigit": DIGIT | byte_set(b"abcdefABCDEF"),
}


def fold(bits: int) -> int:
    """Return the set with both cases of its letters."""
    return bits | (bits & UPPER) << 32 | (bits & LOWER) >> 32


@dataclass(frozen=True, slots=True)
class Set:
    """One byte out of a set."""

    bits: int


@dataclass(frozen=True, slots=True)
class Assert:
    """A simple assertion: one of `^ $` (at lines), `A` (start), `z` (end), `b`, `B`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alt:
    """The first branch that lets the whole match."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Capture:
    """A numbered group."""

    node: Node


@dataclass(frozen=True, slots=True)
class Repeat:
    """Between `least` and `most` times (None: without end)."""

    node: Node
    least: int
    most: int | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Atomic:
    """An atomic group or possessive repetition: never matched in a second way."""

    node: Node


@dataclass(frozen=True, slots=True)
class Look:
    """A look-around assertion."""

    node: Node
    ahead: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class BackReference:
    """What a group matched, once more. No linear-time engine has it; `relaxed` stands any text in for it."""


Node = Set | Assert | Seq | Alt | Capture | Repeat | Atomic | Look | BackReference
