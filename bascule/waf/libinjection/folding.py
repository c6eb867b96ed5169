"""Folding: SQL tokens become a fingerprint of at most five letters.

A transcription of libinjection's folding rules, which look at two, then three tokens at a time from
`left` on. `vector` holds the tokens that are not folded away. Faithful to the original even where `left` was
set back and a fold therefore drops the last tokens of the vector, not those it looked at.
"""

from __future__ import annotations

from typing import Final

from .tokens import Tokenizer
from .vocabulary import KEYWORDS, MAX_TEXT, Token

MAX_TOKENS: Final = 5

_MERGE_LEFT = frozenset("knoUfETt")
_MERGE_RIGHT = frozenset("knoUfETt&")
_LIKE_FUNCTIONS = frozenset(
    b"USER_ID USER_NAME DATABASE PASSWORD USER CURRENT_USER CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP"
    b" LOCALTIME LOCALTIMESTAMP".split()
)


class Folder:
    """Reads a tokeniser to its end or to five tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.vector: list[Token] = []
        self.left = 0
        self.more = True
        self.comment: Token | None = None

    def fold(self) -> list[Token]:
        """Return the tokens of the fingerprint."""
        if not self._skip_start():
            return []
        while True:
            if len(self.vector) >= MAX_TOKENS:
                self._shorten_five()
            if not self.more or self.left >= MAX_TOKENS:
                self.left = len(self.vector)
                break
            if not self._read(2):
                self.left = len(self.vector)
                continue
            folded = self._two()
            if folded is None:
                return self.vector[: self.left + 2]
            if folded:
                continue
            if not self._read(3):
                self.left = len(self.vector)
                continue
            if not self._three():
                self.left += 1
        tokens = self.vector[: self.left]
        if len(tokens) < MAX_TOKENS and self.comment is not None:
            tokens.append(self.comment)
        return tokens[:MAX_TOKENS]

    def _skip_start(self) -> bool:
        """Drop initial comments, parentheses, types and unary operators."""
        while (token := self.tokenizer.next()) is not None:
            if not (token.kind in "c(t" or token.is_unary()):
                self.vector.append(token)
                return True
        return False

    def _read(self, wanted: int) -> bool:
        """Have `wanted` tokens from `left` on, if there are; at most one more than five in all."""
        vector = self.vector
        while self.more and len(vector) <= MAX_TOKENS and len(vector) - self.left < wanted:
            token = self.tokenizer.next()
            if token is None:
                self.more = False
            elif token.kind == "c":
                self.comment = token
            else:
                self.comment = None
                vector.append(token)
        return len(vector) - self.left >= wanted

    def _shorten_five(self) -> None:
        vector = self.vector
        kinds = "".join([token.kind for token in vector[:5]])
        if kinds in ("1o(1)", "1,(1)", "no(n)", "no(1)", "1),(1", "n)o(n"):
            self.vector = [vector[0], vector[5]] if len(vector) > MAX_TOKENS else [vector[0]]
            self.left = 0

    def _two(self) -> bool | None:
        """Fold two tokens. True: begin anew; False: look at three; None: evil, stop here."""
        vector, left = self.vector, self.left
        one, two = vector[left], vector[left + 1]
        a, b = one.kind, two.kind
        if (a == "s" and b == "s") or (a == ";" and b == ";"):
            vector.pop()
            return True
        if a in "o&" and (two.is_unary() or b == "t"):
            return self._drop(1)
        if (a == "(" and two.is_unary()) or self._merge(one, two):
            vector.pop()
            self.left = max(left - 1, 0)
            return True
        if a == ";" and b == "f" and two.text[:2].upper() == b"IF":
            two.kind = "T"  # Transact-SQL: ; IF 1=1 ...
            return True
        word = one.text.upper()
        if a in "nv" and b == "(" and word in _LIKE_FUNCTIONS:
            one.kind = "f"
            return True
        if a == "k" and word in (b"IN", b"NOT IN"):
            one.kind = "o" if b == "(" else "n"
            return True
        if a == "o" and word in (b"LIKE", b"NOT LIKE"):
            if b == "(":
                one.kind = "f"
            return False
        return self._two_more(one, two)

    def _two_more(self, one: Token, two: Token) -> bool | None:
        left, a, b = self.left, one.kind, two.kind
        if a == "t" and b in "n1t(fvs":
            return self._replace(left)
        if a == "A" and b == "n":
            if b"_" in two.text:
                two.kind = "t"
                self.left = 0
            return False
        if a == "\\":
            if two.is_arithmetic():
                one.kind = "1"  # Transact-SQL reads \%1 as 0 % 1
                self.left = 0
                return True
            return self._replace(left)
        if (a == "(" and b == "(") or (a == ")" and b == ")"):
            return self._drop(1)
        if a == "{" and b == "n":
            if not two.text:  # MySQL: {``.``.id} is valid; too rare to parse
                two.kind = "X"
                return None
            return self._drop(2)  # ODBC: {foo expr} is expr
        return self._drop(1) if b == "}" else False

    def _drop(self, count: int) -> bool:
        """Drop the last tokens and begin anew."""
        del self.vector[-count:]
        self.left = 0
        return True

    def _replace(self, index: int) -> bool:
        """Let the token after it take the place of one, drop the last, and begin anew."""
        self.vector[index] = self.vector[index + 1].copy()
        return self._drop(1)

    def _merge(self, one: Token, two: Token) -> bool:
        """Join two words that are one keyword, like UNION ALL."""
        if one.kind not in _MERGE_LEFT or two.kind not in _MERGE_RIGHT:
            return False
        if len(one.text) + len(two.text) + 1 > MAX_TEXT:
            return False
        joined = one.text + b" " + two.text
        kind = KEYWORDS.get(joined.upper())
        if kind is None:
            return False
        one.kind, one.text = kind, joined
        return True

    def _three(self) -> bool:
        """Fold three tokens; tell whether to begin anew."""
        vector, left = self.vector, self.left
        one, two, three = vector[left : left + 3]
        a, b, c = one.kind, two.kind, three.kind
        if (
            (a == "1" and b == "o" and c == "1")
            or (a == "o" and b != "(" and c == "o")
            or (a == "&" and c == "&")
            or (a == "v" and b == "o" and c in "v1n")
            or (a in "n1" and b == "o" and c in "1n")
            or (a in "n1vs" and b == "o" and two.text == b"::" and c == "t")
            or (a in "n1sv" and b == "," and c in "1nsv")
            or (a == "n" and b == "." and c == "n")
        ):
            return self._drop(2)
        if two.is_unary():
            if (a in "EB," and c == "(") or (a in "kEB" and c in "1nvsf") or (a == "," and c == "f"):
                return self._replace(left + 1)
            if a == "," and c in "1nvs":
                return self._drop(3)  # ",-1" adds nothing to the operand before it
        if a == "E" and b == "." and c == "n":
            return self._replace(left + 1)
        if a == "f" and b == "(" and c != ")" and one.text.upper() == b"USER":
            one.kind = "n"  # USER() takes no argument
        return False
