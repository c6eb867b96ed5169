"""SQL's tokens, and the comparisons of constants among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_TOKENS = 400
"""An injected condition stands near the place of injection; what is longer is a document, not a condition."""

_TOKEN = re.compile(
    rb"""(?P<comment>--[^\n]*+|\#[^\n]*+|/\*(?:(?!\*/).)*+(?:\*/)?)
    |(?P<string>'(?:[^'\\]|\\.|'')*+'?|"(?:[^"\\]|\\.|"")*+"?)
    |(?P<number>0x[0-9a-f]++|0b[01]++\b|\d++(?:\.\d*+)?(?:e[+-]?\d++)?|\.\d++)
    |(?P<compare><=>|<>|!=|>=|<=|=|<|>|(?:not\s+)?(?:like|rlike|regexp|ilike|glob|in|is)\b)
    |(?P<between>(?:not\s+)?between\b)
    |(?P<logic>\|\||&&|(?:or|and|xor|where|having|when|not|if)\b)
    |(?P<call>[a-z_][\w.]*+\s*\(\s*(?:null|\d*+)\s*\))
    |(?P<word>[`\[]?[a-z_@\x80-\xff][\w@$.\x80-\xff]*+[`\]]?)
    |(?P<open>\()|(?P<close>\))|(?P<other>[^\s])""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)

_QUOTED_WORD = re.compile(rb"[a-z]+['\"](?:[\s,.;:?!)]|\Z)", re.IGNORECASE)
_MARKS = re.compile(rb"(?<![\w'\"])(['\"])[a-z]{1,20}\1(?=[\s,.:?!]|\Z)", re.IGNORECASE)
"""Words that are marked so, between blanks."""
_WORDS = re.compile(rb"[\w\s,.:?!\x80-\xff]*+")
_IN_NAMES = frozenset((b"-", b"+", b"*", b"/", b"%"))
"""Operators that stand in paths, names and searches, too."""
_TRUE_WORDS = frozenset((b"true", b"null", b"false"))


def is_quoted_word(text: bytes, at: int) -> bool:
    """Tell whether a quote opens what another closes behind one word, as people mark words: 'like', "or"."""
    return _QUOTED_WORD.match(text, at + 1) is not None


def marks_words(text: bytes) -> bool:
    """Tell whether a text is words, some of them single ones in quotes, as in: press 'n' or 'y'."""
    rest, marks = _MARKS.subn(b"", text)
    return marks > 0 and _WORDS.fullmatch(rest) is not None


def is_marked(read: list[tuple[str, bytes]]) -> bool:
    """Tell whether tokens behind a closed quote, the last an open string, are what people put in quotes.

    A path or a search with wild cards (`'/usr/bin/'`, `'%smith%'`), a name (`rock'-n-'roll`), or marks in a sentence (`'+' or '-'`).
    """
    if any(kind == "string" and text[1:2].isspace() and text[-2:-1].isspace() for kind, text in read):
        return True
    words = [text for kind, text in read[:-1] if kind == "word"]
    return (
        len(words) > 0
        and all(kind == "word" or text in _IN_NAMES for kind, text in read[:-1])
        and len(words) < len(read) - 1
    )


class Token(NamedTuple):
    kind: str
    text: bytes


def tokens(text: bytes) -> Iterator[Token]:
    """Yield the first MAX_TOKENS tokens, comments and brackets left out: neither changes what is compared."""
    for count, found in enumerate(_TOKEN.finditer(text)):
        if count >= MAX_TOKENS:
            return
        kind = found.lastgroup or "other"
        if kind not in ("comment", "open", "close"):
            yield Token(kind, found[0])


def comparisons(text: bytes) -> tuple[bool, bool]:
    """Return (equal, any): whether constants that are equal, and whether any two constants, are compared.

    The value may end inside quotes, whose closing one the attacked statement supplies. What is compared must
    follow a logical operator, or be the start of a value that has left its quotes.
    """
    equal = some = False
    for context in _contexts(text):
        found = list(tokens(context))
        for place, token in enumerate(found):
            if token.kind not in ("compare", "between") or not 0 < place < len(found) - 1:
                continue
            before = found[place - 2] if place > 1 else None
            if not (before.kind == "logic" if before else context is not text):
                continue
            left, right = _constant(found[place - 1]), _constant(found[place + 1])
            if token.kind == "between" and (place + 3 >= len(found) or _constant(found[place + 3]) is None):
                continue
            if left is None or right is None:
                continue
            some = some or token.text not in (b"<", b">") or before is not None
            equal = equal or _holds(token.text.lower(), left, right)
    return equal, some


def _holds(compare: bytes, left: bytes, right: bytes) -> bool:
    """Tell whether a comparison of constants is true whatever the data are: equal ones are, or numbers that differ do."""
    if compare in (b"<>", b"!=") or compare[:3] == b"not":
        return left != right and left[:1].isdigit() and right[:1].isdigit()
    return left == right and compare not in (b"<", b">")


def _contexts(text: bytes) -> list[bytes]:
    """The value as it stands, and from its first quotes on, where what is before them was inside a string."""
    found = [text]
    for quote in (b"'", b'"'):
        at = text.find(quote)
        if at >= 0 and not is_quoted_word(text, at):
            found.append(quote + text[:at] + text[at:])
    return found


def _constant(token: Token) -> bytes | None:
    """What a constant stands for: a literal, a server's variable, a call with nothing but a literal in it."""
    if token.kind == "string":
        return token.text.strip(b"'\"").strip().lower()
    text = token.text.lower()
    if token.kind == "number":
        return _value(text)
    if text in _TRUE_WORDS or text[:2] == b"@@":
        return text
    if token.kind == "call":
        return b"null" if b"null" in text else text
    return None


def _value(number: bytes) -> bytes:
    """Return a number as all spellings of it are: 1e1, 10.0 and 0xa are one."""
    try:
        return b"%d" % int(number, 0) if number[1:2] in (b"x", b"b") else b"%.12g" % float(number[:64])
    except (ValueError, OverflowError):
        return number


class Reader:
    """Reads one text token by token, each a kind and what stands there; the last is an end, or what is none of SQL's."""

    def __init__(self, token: re.Pattern[bytes], text: bytes, at: int, most: int) -> None:
        """Begin at a place; `most`: tokens that are read."""
        self._tokens: list[tuple[str, bytes]] = []
        self._at = 0
        self._depth = 0
        while len(self._tokens) < most and (match := token.match(text, at)) is not None:
            at = match.end()
            kind = match.lastgroup
            if kind is not None:
                self._tokens.append(("string" if kind == "tag" else kind, match[kind].lower()))
            if kind == "end":
                return
        self._tokens.append(("other", b""))

    def _skip(self) -> bool:
        """Go to the bracket that closes a query, or to the end."""
        depth = 1
        while depth and self._kind() not in ("end", "other"):
            depth += {b"(": 1, b")": -1}.get(self._text(), 0)
            self._at += 1
        return self._kind() != "other"

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _text(self) -> bytes:
        return self._tokens[self._at][1]
