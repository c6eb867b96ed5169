"""SQL tokens: libinjection's tokeniser over bytes.

One deliberate scheme for all SQL dialects: it needs no grammar, only to split as a database would.
Start at `Tokenizer.next`. What a token is stands in vocabulary.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bascule.waf.pace import rest

from .vocabulary import KEYWORDS, MAX_TEXT, Token

_WHITE = frozenset(b" \t\n\v\f\r\xa0\0")
_WORD = re.compile(rb"""[^ \[\]{}<>:\\?=@!#~+\-*/&|^%(),';\t\n\v\f\r"\xa0\0]*""")
_WORD_MARK = re.compile(rb"[.`]")
_VARIABLE = re.compile(rb"""[^ <>:\\?=@!#~+\-*/&|^%(),';\t\n\v\f\r'`"\0]*""")
# libinjection searches digits with strchr(), which finds the NUL of its own list too.
_HEX = re.compile(rb"[0-9A-Fa-f\0]*")
_BINARY = re.compile(rb"[01\0]*")
_MONEY = re.compile(rb"[0-9.,\0]*")
_LETTERS = re.compile(rb"[A-Za-z\0]*")
_NUMBER = re.compile(rb"[0-9]*(?:\.[0-9]*)?")
_EXPONENT = re.compile(rb"[eE][+-]?([0-9]*)")
_BRACKETS = {ord("("): b")", ord("["): b"]", ord("{"): b"}", ord("<"): b">"}


class Tokenizer:
    """Splits one text in one dialect. `quote`: pretend that the text begins inside this quote."""

    __slots__ = ("dashes", "hashes", "mysql", "position", "quote", "text", "tokens")

    def __init__(self, text: bytes, quote: bytes = b"", *, mysql: bool = False) -> None:
        self.text = text
        self.quote = quote
        self.mysql = mysql
        self.position = 0
        self.tokens = 0
        self.dashes = 0  # comments of the form --x
        self.hashes = 0  # #, a comment in MySQL only

    def next(self) -> Token | None:
        """Return the next token, or None at the end."""
        if not self.text:
            return None
        if self.position == 0 and self.quote:
            self.tokens += 1
            return self.string(0, self.quote, 0)
        length = len(self.text)
        while self.position < length:
            rest()
            token = _PARSERS[self.text[self.position]](self, self.position)
            if token is not None:
                self.tokens += 1
                return token
        return None

    def take(self, kind: str, start: int, end: int) -> Token:
        """Make a token of text[start:end] and go on after it."""
        self.position = end
        return Token(kind, self.text[start:end])

    def string(self, start: int, delimiter: bytes, offset: int) -> Token:
        """Read up to the delimiter that is neither escaped nor doubled; `offset` skips what opens."""
        text, begin = self.text, start + offset
        opening = delimiter.decode() if offset else ""
        at = text.find(delimiter, begin)
        while at >= 0:
            rest()
            if self._backslashes(at, begin) & 1:
                at = text.find(delimiter, at + 1)
            elif text[at + 1 : at + 2] == delimiter:
                at = text.find(delimiter, at + 2)
            else:
                self.position = at + 1
                return Token("s", text[begin:at], opening, delimiter.decode())
        self.position = len(text)
        return Token("s", text[begin:], opening)

    def _backslashes(self, at: int, begin: int) -> int:
        end = at
        while at > begin and self.text[at - 1] == 92:
            at -= 1
        return end - at


def _white(t: Tokenizer, at: int) -> None:
    t.position = at + 1


def _operator1(t: Tokenizer, at: int) -> Token:
    return t.take("o", at, at + 1)


def _other(t: Tokenizer, at: int) -> Token:
    return t.take("?", at, at + 1)


def _char(t: Tokenizer, at: int) -> Token:
    return t.take(chr(t.text[at]), at, at + 1)


def _line_comment(t: Tokenizer, at: int) -> Token:
    end = t.text.find(b"\n", at)
    if end < 0:
        return t.take("c", at, len(t.text))
    token = t.take("c", at, end)
    t.position = end + 1
    return token


def _hash(t: Tokenizer, at: int) -> Token:
    t.hashes += 1
    return _line_comment(t, at) if t.mysql else _operator1(t, at)


def _dash(t: Tokenizer, at: int) -> Token:
    """`--` begins a comment before white space or the end, and outside MySQL always."""
    text = t.text
    if text[at + 1 : at + 2] != b"-":
        return _operator1(t, at)
    if at + 2 == len(text) or text[at + 2] in _WHITE:
        return _line_comment(t, at)
    if t.mysql:
        return _operator1(t, at)
    t.dashes += 1
    return _line_comment(t, at)


def _slash(t: Tokenizer, at: int) -> Token:
    """A comment; evil if nested (PostgreSQL nests, others do not) or conditional (MySQL)."""
    text = t.text
    if text[at + 1 : at + 2] != b"*":
        return _operator1(t, at)
    end = text.find(b"*/", at + 2)
    if end >= 0 and text.find(b"/*", at + 2, end + 1) >= 0:
        return t.take("X", at, end + 2)
    kind = "X" if text[at + 2 : at + 3] == b"!" else "c"
    return t.take(kind, at, len(text) if end < 0 else end + 2)


def _backslash(t: Tokenizer, at: int) -> Token:
    if t.text[at + 1 : at + 2] == b"N":  # MySQL's NULL
        return t.take("1", at, at + 2)
    return t.take("\\", at, at + 1)


def _operator2(t: Tokenizer, at: int) -> Token:
    text = t.text
    if at + 1 >= len(text):
        return _operator1(t, at)
    if text.startswith(b"<=>", at):
        return t.take("o", at, at + 3)
    kind = KEYWORDS.get(text[at : at + 2].upper())
    if kind is not None:
        return t.take(kind, at, at + 2)
    return t.take(":" if text[at] == 58 else "o", at, at + 1)


def _string(t: Tokenizer, at: int) -> Token:
    return t.string(at, t.text[at : at + 1], 1)


def _estring(t: Tokenizer, at: int) -> Token:
    if at + 2 >= len(t.text) or t.text[at + 1] != 39:
        return _word(t, at)
    return t.string(at, b"'", 2)


def _ustring(t: Tokenizer, at: int) -> Token:
    if not t.text.startswith(b"&'", at + 1):
        return _word(t, at)
    token = t.string(at + 2, b"'", 1)
    token.opening = "u"
    if token.closing:
        token.closing = "u"
    return token


def _qstring(t: Tokenizer, at: int, offset: int = 0) -> Token:
    """Oracle's q'[...]': any printable delimiter, brackets paired."""
    text, mark = t.text, at + offset
    if text[mark : mark + 1] not in (b"q", b"Q") or mark + 2 >= len(text) or text[mark + 1] != 39:
        return _word(t, at)
    opening = text[mark + 2]
    if opening < 33 or opening > 127:
        return _word(t, at)
    begin = mark + 3
    end = text.find(_BRACKETS.get(opening, bytes([opening])) + b"'", begin)
    if end < 0:
        t.position = len(text)
        return Token("s", text[begin:], "q")
    t.position = end + 2
    return Token("s", text[begin:end], "q", "q")


def _nqstring(t: Tokenizer, at: int) -> Token:
    if at + 2 < len(t.text) and t.text[at + 1] == 39:
        return _estring(t, at)
    return _qstring(t, at, 1)


def _digit_string(digits: re.Pattern[bytes]) -> Callable[[Tokenizer, int], Token]:
    """Return the parser of b'01' or x'1F', a number."""

    def parse(t: Tokenizer, at: int) -> Token:
        if at + 2 >= len(t.text) or t.text[at + 1] != 39:
            return _word(t, at)
        found = digits.match(t.text, at + 2)
        assert found is not None
        if t.text[found.end() : found.end() + 1] != b"'":
            return _word(t, at)
        return t.take("1", at, found.end() + 1)

    return parse


def _bracket_word(t: Tokenizer, at: int) -> Token:
    end = t.text.find(b"]", at)
    return t.take("n", at, len(t.text) if end < 0 else end + 1)


def _word(t: Tokenizer, at: int) -> Token:
    """A word; what stands before a `.` or backquote in it is looked up by itself first."""
    found = _WORD.match(t.text, at)
    assert found is not None
    word = found[0]
    kept = word[:MAX_TEXT]
    for mark in _WORD_MARK.finditer(kept):
        kind = KEYWORDS.get(kept[: mark.start()].upper())
        if kind is not None and kind != "n":
            return t.take(kind, at, at + mark.start())
    kind = KEYWORDS.get(word.upper(), "n") if len(word) <= MAX_TEXT else "n"
    return t.take(kind, at, found.end())


def _tick(t: Tokenizer, at: int) -> Token:
    """MySQL's backquotes: a bare word, or a function."""
    token = t.string(at, b"`", 1)
    token.kind = "f" if KEYWORDS.get(token.text.upper()) == "f" else "n"
    return token


def _variable(t: Tokenizer, at: int) -> Token:
    start = at + 1
    count = 1
    if t.text[start : start + 1] == b"@":
        start, count = start + 1, 2
    mark = t.text[start : start + 1]
    if mark == b"`":
        token = _tick(t, start)
    elif mark in (b"'", b'"'):
        token = _string(t, start)
    else:
        found = _VARIABLE.match(t.text, start)
        assert found is not None
        token = t.take("v", start, found.end())
    token.kind = "v"
    token.count = count
    return token


def _money(t: Tokenizer, at: int) -> Token:
    """$1,000.00, or PostgreSQL's $$string$$ and $tag$string$tag$."""
    text = t.text
    found = _MONEY.match(text, at + 1)
    assert found is not None
    amount = found[0]
    if at + 1 == len(text):
        return t.take("n", at, at + 1)
    if amount:
        return _word(t, at) if amount == b"." else t.take("1", at, found.end())
    tag = _LETTERS.match(text, at + 1)
    assert tag is not None
    if text[tag.end() : tag.end() + 1] != b"$":
        return t.take("n", at, at + 1)
    begin = tag.end() + 1
    mark = text[at:begin]
    end = text.find(mark, begin)
    if end < 0:
        t.position = len(text)
        return Token("s", text[begin:], "$")
    t.position = end + len(mark)
    return Token("s", text[begin:end], "$", "$")


def _number(t: Tokenizer, at: int) -> Token | None:
    """A number. One with an empty exponent (1.e) is no token at all: MySQL skips it like white space."""
    text = t.text
    prefix = text[at : at + 2].lower()
    if prefix in (b"0x", b"0b"):
        digits = (_HEX if prefix == b"0x" else _BINARY).match(text, at + 2)
        assert digits is not None
        return t.take("1" if digits[0] else "n", at, digits.end())
    found = _NUMBER.match(text, at)
    assert found is not None
    end = found.end()
    if found[0] == b".":
        return t.take(".", at, end)
    skipped = False
    exponent = _EXPONENT.match(text, end)
    if exponent is not None:
        end = exponent.end()
        skipped = not exponent[1]
    if text[end : end + 1] in (b"d", b"D", b"f", b"F"):  # Oracle's suffix, also before UNION
        following = text[end + 1 : end + 2]
        if not following or following[0] in _WHITE or following in (b";", b"u", b"U"):
            end += 1
    if skipped:
        t.position = end
        return None
    return t.take("1", at, end)


_Parser = Callable[[Tokenizer, int], Token | None]


def _table() -> list[_Parser]:
    table: list[_Parser] = [_word] * 256
    for members, parser in (
        (bytes(range(33)) + b"\x7f\xa0", _white),
        (b"!&*:<=>|", _operator2),
        (b"%+^~", _operator1),
        (b"(),;{}", _char),
        (b"?]", _other),
        (b"\"'", _string),
        (b".0123456789", _number),
        (b"#", _hash),
        (b"$", _money),
        (b"-", _dash),
        (b"/", _slash),
        (b"@", _variable),
        (b"[", _bracket_word),
        (b"\\", _backslash),
        (b"`", _tick),
        (b"bB", _digit_string(_BINARY)),
        (b"xX", _digit_string(_HEX)),
        (b"eE", _estring),
        (b"nN", _nqstring),
        (b"qQ", _qstring),
        (b"uU", _ustring),
    ):
        for char in members:
            table[char] = parser
    return table


_PARSERS: Final = _table()
