"""What SQL tokens are: their kinds, the words that are keywords, and how much of a token is kept.

A kind is one character, of which fingerprints consist: `k` keyword, `U` union, `B` group by or order by, `E` expression
(select, insert ...), `t` type, `f` function, `n` bare word, `1` number, `v` variable, `s` string, `o` operator, `&`
logic, `c` comment, `A` collate, `T` Transact-SQL statement, `X` what databases do not parse alike, `?` unknown.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

MAX_TEXT: Final = 31  # bytes of a token that are kept


@cache
def data() -> dict[str, Any]:
    """Return libinjection's tables: keywords by name, fingerprints, names of events."""
    tables: dict[str, Any] = json.loads(files(__package__).joinpath("data.json").read_text(encoding="ascii"))
    return tables


KEYWORDS: Final[dict[bytes, str]] = {word.encode(): kind for word, kind in data()["keywords"].items()}


class Token:
    """A token: its kind, at most MAX_TEXT bytes of text, and for strings the marks around them."""

    __slots__ = ("closing", "count", "kind", "opening", "text")

    def __init__(self, kind: str, text: bytes, opening: str = "", closing: str = "") -> None:
        self.kind = kind
        self.text = text[:MAX_TEXT]
        self.opening = opening
        self.closing = closing
        self.count = 0  # of @ before a variable

    def copy(self) -> Token:
        """Return a token that can be changed by itself."""
        twin = Token(self.kind, self.text, self.opening, self.closing)
        twin.count = self.count
        return twin

    def is_unary(self) -> bool:
        """Tell whether this is an operator that may stand before an operand."""
        return self.kind == "o" and self.text.upper() in (b"+", b"-", b"!", b"~", b"!!", b"NOT")

    def is_arithmetic(self) -> bool:
        """Tell whether this is one of * / - + %."""
        return self.kind == "o" and self.text in (b"*", b"/", b"-", b"+", b"%")
