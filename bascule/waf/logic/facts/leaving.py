"""Whether a text ends a string or a comment of the script that it is put into, and calls or sets something there.

A page that writes what it is sent between the quotes of its script runs what follows the quote that ends them, but only if
all of it compiles: `'-print(1)-'` does, `the boys' (and girls') rooms` does not. So the text is read as a compiler would from
its first quote on, to the quote that the page puts behind it or to a comment that hides that one.
"""

from __future__ import annotations

import re

MAX_READ = 4096
"""Bytes behind the quote that are read: up to there, a comment may hide all the rest."""
MAX_DEPTH = 64
"""Brackets in one another."""
_TOKEN = re.compile(
    rb"(?:[ \t\f\v]|\xc2\xa0)++|(?P<line>(?:[\r\n]|\xe2\x80[\xa8\xa9])++)|(?P<comment>//|<!--|-->)|(?P<note>/\*)"
    rb"|(?P<string>'(?:[^'\\\r\n]|\\.)*+'|\"(?:[^\"\\\r\n]|\\.)*+\")|(?P<word>(?:[A-Za-z_$\x80-\xff]|\\u(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\}))(?:[\w$\x80-\xff]|\\u(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\}))*+)"
    rb"|(?P<number>\.?\d(?:[\w.]|(?<=[eE])[+-](?=\d))*+)|(?P<operator>=>|\?\.(?!\d)|\.\.\.|\+\+|--|[=!]==?|\*\*=?|<<=?|>>>?=?|[<>]=?|&&=?|\|\|=?|\?\?=?|[-+*%&|^]=?|[=!~?:,.])"
    rb"|(?P<mark>[\[\](){};`/])",
    re.DOTALL,
)
_PATTERN = re.compile(rb"/(?:[^/\\\[\r\n]|\\[^\r\n]|\[(?:[^\]\\\r\n]|\\[^\r\n])*+\])++/[a-z]*+")
_TEMPLATE = re.compile(rb"(?:[^`\\$]++|\\.|\$(?!\{))*+(?P<end>`|\$\{)", re.DOTALL)
_BETWEEN = frozenset((b"in", b"instanceof"))
_BEFORE = frozenset(
    b"typeof void new delete await yield throw return case var let const else do try finally async".split()
)
"""Words in front of an operand or a statement."""
_HEADS = frozenset(b"if for while with switch catch".split())
_BEGINS = frozenset(b"function class get set static break continue default extends of".split())
_EITHER_SIGN = frozenset((b"+", b"-", b"++", b"--"))
_PREFIX = frozenset((b"!", b"~", b"...")) | _EITHER_SIGN
_SETS = frozenset((b"=", b"+=", b"||=", b"??=", b"&&="))
_CLOSED_BY = {b")": b"(", b"]": b"[", b"}": b"{"}
_GOES_ELSEWHERE = frozenset((b"location", b"onerror", b"name"))
_ENDS = tuple(
    (quote, re.compile(rb"(?:[^\\" + quote + rb"]|\\.)*+" + quote, re.DOTALL)) for quote in (b"'", b'"', b"`")
)
"""Each quote, and a string as far as the first that no backslash escapes."""
_OWN = re.compile(rb"['\"`]|://")
"""Behind a quote, `${` is of the text's own string, as where somebody shows code; in an address, of who fills those in."""


def leaves_string(text: bytes) -> bool:
    """Tell whether a text, put between quotes of a script or behind the opening of its comment, ends those, or has an
    expression in a template, and calls a function there or sets what a browser acts on.
    """
    if b"(" not in text and b"`" not in text and b"=" not in text:
        return False
    line = text.find(b"\n")
    for quote, ends in _ENDS:
        at = text.find(quote)
        if at < 0 or (0 <= line < at and quote != b"`"):
            continue
        if _Reader(text, at + 1, quote).acts():
            return True
        # a page that puts a backslash before quotes is left at the first, another at the first without one of its own
        if text[:at].endswith(b"\\") and (end := ends.match(text)) and _Reader(text, end.end(), quote).acts():
            return True
    at = text.find(b"*/")
    if at >= 0 and b"/*" not in text[: at + 1] and not 0 <= line < at and _Reader(text, at + 2, None).acts():
        return True
    at = text.find(b"${")
    return at >= 0 and not _OWN.search(text, 0, at) and _Reader(text, at + 2, b"`", [b"`"]).acts()


class _Reader:
    """Reads a text as a script from a place on. `ended` tells whether an operand has ended; None: an operand or an
    operator may follow, as behind a block.
    """

    def __init__(self, text: bytes, at: int, quote: bytes | None, within: list[bytes] | None = None) -> None:
        """Begin at a place. `quote`: what the page puts behind the text, None if that is no quote; `within`: brackets
        open there."""
        self.text = text[at : at + MAX_READ]
        self.may_end = quote is not None and len(text) <= at + MAX_READ
        if self.may_end and quote:
            self.text += quote
        self.open: list[bytes] = within or []
        self.ended: bool | None = False if within else True if quote else None
        self.asked = 0
        """Question marks whose colon is still to come."""
        self.closed = 0
        """Brackets closed that the page opened."""
        self.acted = False
        self.callee = False
        """What ended may be called: it is no string and no number."""
        self.word = b""
        self.member = False
        """Behind a dot."""
        self.of_object = False
        """Behind the name of a member."""
        self.over_line = False
        """An operand ended on the line before: a bracket goes on with it, a name does not."""

    def acts(self) -> bool:
        """Whether it is compiled to its end and acts."""
        text, at = self.text, 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                return False
            at = token.end()
            kind = token.lastgroup
            if kind is None:
                continue
            if kind == "comment":
                return self._complete()
            if kind == "note":
                at = text.find(b"*/", at) + 2
                if at < 2:
                    return self._complete()
            elif kind == "line":
                if self.ended:
                    self.ended, self.over_line = None, True
            elif kind == "mark" and token[0] in b"`/":
                step = self._template(at) if token[0] == b"`" else self._slash(at)
                if step < 0:
                    return False
                at = step
            elif token[0] == b"}" and self.open and self.open[-1] == b"`":
                if self.ended is False:
                    return False
                self.open.pop()
                at = self._rest_of_template(at)
                if at < 0:
                    return False
            elif not self._take(kind, token[0]):
                return False
        return self.may_end and self.ended is not False and self._complete()

    def _complete(self) -> bool:
        """Whether what is open now may be what the page goes on in."""
        return self.acted and len(self.open) <= self.closed

    def _take(self, kind: str, token: bytes) -> bool:
        word, self.word = self.word, b""
        member, self.member = self.member, False
        of_object, self.of_object = self.of_object, False
        over_line, self.over_line = self.over_line, False
        if kind == "word":
            return self._word(token, member)
        if kind in ("string", "number"):
            fits = self.ended is not True and not member
            self.ended, self.callee = True, False
            return fits
        if kind == "operator":
            return self._operator(token, of_object or word in _GOES_ELSEWHERE)
        return (not member or token in b"([") and self._bracket(token, word, member or over_line)

    def _word(self, word: bytes, member: bool) -> bool:
        self.word, self.callee = word, True
        if member:
            self.of_object = self.ended = True
            return True
        if word in _BETWEEN:
            fits, self.ended = self.ended is not False, False
            return fits
        if self.ended is True:
            return False
        self.ended = None if word in _BEGINS else word not in _BEFORE and word not in _HEADS
        return True

    def _operator(self, sign: bytes, acts_when_set: bool) -> bool:
        if self.ended is False and sign not in _PREFIX:
            return False
        if sign in (b".", b"?."):
            self.member = True
        elif sign == b"?":
            self.asked += 1
        elif sign == b":" and self.asked:
            self.asked -= 1
        elif sign == b":" and self.open and self.open[-1] != b"{":
            return False
        if sign in _SETS and acts_when_set:
            self.acted = True
        if sign in (b"++", b"--") and self.ended:
            return True
        self.ended = False
        return True

    def _bracket(self, mark: bytes, word: bytes, operand: bool) -> bool:
        if mark == b";":
            self.ended = None
            return not self.open or self.open[-1] in (b"{", b"h(")
        if mark in _CLOSED_BY:
            if not self.open:
                self.closed += 1
            else:
                was = self.open.pop()
                if was[-1:] != _CLOSED_BY[mark]:
                    return False
                if len(was) > 1:
                    self.ended = None
                    return True
            self.ended, self.callee = None if mark == b"}" else True, True
            return True
        if len(self.open) >= MAX_DEPTH:
            return False
        head = word in _HEADS or word in _BEGINS
        if mark == b"(" and (self.ended or operand) and self.callee and not head:
            self.acted = True
        if mark == b"{" and self.ended is True and word not in _BEGINS and word not in _BEFORE:
            self.ended = None  # the body of a function or a class, if it is one
        self.open.append(b"h(" if head and mark == b"(" else mark)
        self.ended = None if mark == b"{" else False
        return True

    def _template(self, at: int) -> int:
        """Read a template, from within; -1 if it has no end."""
        if self.ended is True and self.callee:
            self.acted = True  # a function is called with it
        self.word, self.member = b"", False
        return self._rest_of_template(at)

    def _rest_of_template(self, at: int) -> int:
        found = _TEMPLATE.match(self.text, at)
        if found is None or len(self.open) >= MAX_DEPTH:
            return -1
        self.ended, self.callee = found["end"] == b"`", False
        if not self.ended:
            self.open.append(b"`")
        return found.end()

    def _slash(self, at: int) -> int:
        """Read a division or a pattern; -1 if it is neither."""
        self.word, self.member = b"", False
        if self.ended is True:
            self.ended = False
            return at
        found = _PATTERN.match(self.text, at - 1)
        if found is None:
            return -1
        self.ended, self.callee = True, False
        return found.end()
