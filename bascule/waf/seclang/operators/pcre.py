"""Reads the PCRE dialect of SecLang rules into a tree over sets of bytes.

Matching is over bytes, as ModSecurity compiles its patterns: PCRE2 without UTF, DOTALL and MULTILINE,
the C locale (pcre2pattern(3)). Case is folded here, so the tree (`tree.py`) knows only byte sets. Recursion,
conditions and control verbs are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from .base import OperatorError
from .tree import (
    ALL,
    CONTROL,
    NEWLINE,
    POSIX,
    SHORTHAND,
    Alt,
    Assert,
    Atomic,
    BackReference,
    Capture,
    Look,
    Node,
    Repeat,
    Seq,
    Set,
    fold,
    span,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Flags:
    icase: bool = False
    dotall: bool = True
    multiline: bool = True
    extended: bool = False
    ungreedy: bool = False


_FLAG_NAMES = {"i": "icase", "s": "dotall", "m": "multiline", "x": "extended", "U": "ungreedy"}


def parse(pattern: bytes) -> Node:
    """Read a pattern. Raises OperatorError, naming the offset and the construct."""
    parser = _Parser(pattern.decode("latin-1"))
    node, _ = parser.alternation(_Flags(), 0)
    if parser.at < len(parser.text):
        parser.fail("an unmatched )", "escape it as \\)")
    return node


_MAX_DEPTH = 200  # PCRE2's own limit on nested parentheses is 250


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, what: str, remedy: str) -> NoReturn:
        raise OperatorError(f"@rx: {what} at offset {self.at} of the pattern; {remedy}")

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def accept(self, text: str) -> bool:
        if not self.peek(text):
            return False
        self.at += len(text)
        return True

    def alternation(self, flags: _Flags, depth: int) -> tuple[Node, _Flags]:
        """Read until `)` or the end. A flag set inside a branch holds for those after it."""
        if depth > _MAX_DEPTH:
            self.fail("parentheses nested too deep", "simplify the pattern")
        branches: list[Node] = []
        while True:
            items: list[Node] = []
            while self.at < len(self.text) and self.text[self.at] not in "|)":
                flags = self.item(flags, items, depth)
            branches.append(items[0] if len(items) == 1 else Seq(tuple(items)))
            if not self.accept("|"):
                return (branches[0] if len(branches) == 1 else Alt(tuple(branches))), flags

    def item(self, flags: _Flags, items: list[Node], depth: int) -> _Flags:
        char = self.text[self.at]
        if flags.extended and (char.isspace() or char == "#"):
            end = self.text.find("\n", self.at) if char == "#" else self.at
            self.at = len(self.text) if end < 0 else end + 1
            return flags
        if self.accept("(?#"):
            self.at = self.text.find(")", self.at) + 1 or self.fail("an unclosed comment", "close it with )")
            return flags
        if self.accept("\\Q"):
            end = self.text.find("\\E", self.at)
            literal = self.text[self.at : end if end >= 0 else len(self.text)]
            self.at += len(literal) + (2 if end >= 0 else 0)
            items += [self.literal(ord(char), flags) for char in literal]
            if literal:
                items[-1] = self.quantified(items[-1], flags)
            return flags
        if self.accept("\\E"):
            return flags
        if char == "(":
            node, flags = self.group(flags, depth)
            if node is None:
                return flags
        else:
            node = self.atom(flags)
        items.append(self.quantified(node, flags))
        return flags

    def group(self, flags: _Flags, depth: int) -> tuple[Node | None, _Flags]:
        self.at += 1
        if self.peek("*"):
            self.fail("a control verb (*...)", "remove it: matching is bounded anyway")
        wrap: type[Capture] | type[Atomic] | None = Capture
        look: tuple[bool, bool] | None = None
        inner = flags
        if self.accept("?"):
            wrap = None
            for mark, ahead, negative in _LOOKS:
                if self.accept(mark):
                    look = (ahead, negative)
                    break
            else:
                if self.accept(">"):
                    wrap = Atomic
                elif (reference := _NAMED_REFERENCE.match(self.text, self.at)) is not None:
                    self.at = reference.end()
                    return BackReference(), flags
                elif self.named():
                    wrap = Capture
                elif not self.accept(":"):
                    inner = self.inline_flags(flags)
                    if self.accept(")"):
                        return None, inner
                    if not self.accept(":"):
                        self.fail(f"the unsupported group (?{self.text[self.at : self.at + 1]}", "rewrite it")
        node, _ = self.alternation(inner, depth + 1)
        if not self.accept(")"):
            self.fail("an unclosed (", "close it, or escape it as \\(")
        if look is not None:
            return Look(node, *look), flags
        return (node if wrap is None else wrap(node)), flags

    def named(self) -> bool:
        for opening, closing in (("P<", ">"), ("<", ">"), ("'", "'")):
            if self.accept(opening):
                self.at = self.text.find(closing, self.at) + 1 or self.fail("an unclosed group name", "close it")
                return True
        return False

    def inline_flags(self, flags: _Flags) -> _Flags:
        value = True
        while self.at < len(self.text) and self.text[self.at] in "imsxU-^":
            char = self.text[self.at]
            self.at += 1
            if char == "-":
                value = False
            elif char == "^":
                flags = _Flags(dotall=False, multiline=False)
            else:
                flags = replace(flags, **{_FLAG_NAMES[char]: value})
        return flags

    def quantified(self, node: Node, flags: _Flags) -> Node:
        while True:
            bounds = self.bounds()
            if bounds is None:
                return node
            if isinstance(node, Assert | Look):
                node = Seq((node,))
            lazy = self.accept("?")
            possessive = not lazy and self.accept("+")
            node = Repeat(node, *bounds, lazy=lazy != flags.ungreedy and not possessive)
            if possessive:
                return Atomic(node)

    def bounds(self) -> tuple[int, int | None] | None:
        for mark, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.accept(mark):
                return bounds
        end = self.text.find("}", self.at, self.at + 16)
        if not self.peek("{") or end < 0:
            return None
        least, comma, most = self.text[self.at + 1 : end].partition(",")
        if not least.isdigit() or (most and not most.isdigit()):
            return None
        self.at = end + 1
        low, high = int(least), (int(most) if most else None if comma else int(least))
        if low > 65535 or (high is not None and not low <= high <= 65535):
            self.fail("a repetition out of order or beyond 65535", "correct the numbers")
        return low, high

    def literal(self, code: int, flags: _Flags) -> Set:
        return Set(fold(1 << code) if flags.icase else 1 << code)

    def atom(self, flags: _Flags) -> Node:
        char = self.text[self.at]
        if char == "[" and not self.peek("[]]"):
            return self.char_class(flags)
        if char in "*+?":
            self.fail(f"{char} with nothing before it to repeat", f"escape it as \\{char}")
        self.at += 1
        if char == ".":
            return Set(ALL if flags.dotall else ALL & ~NEWLINE)
        if char == "^":
            return Assert("^" if flags.multiline else "A")
        if char == "$":
            return Assert("$") if flags.multiline else _BEFORE_LAST_NEWLINE
        if char == "[":
            self.at -= 1
            return self.char_class(flags)
        if char != "\\":
            return self.literal(ord(char), flags)
        name = self.text[self.at : self.at + 1]
        if name in ("A", "z", "b", "B"):
            self.at += 1
            return Assert(name)
        if name == "Z":
            self.at += 1
            return _BEFORE_LAST_NEWLINE
        reference = _REFERENCE.match(self.text, self.at)
        if reference is not None:
            self.at = reference.end()
            return BackReference()
        escaped = self.escape()
        return Set(escaped) if isinstance(escaped, _Bits) else self.literal(escaped, flags)

    def escape(self) -> int:
        """Read what follows a backslash: a code, or a set as `_Bits`."""
        name = self.text[self.at : self.at + 1]
        self.at += 1
        if name in SHORTHAND:
            return _Bits(SHORTHAND[name])
        if name in CONTROL:
            return CONTROL[name]
        if name == "x":
            return self.hexadecimal()
        if name == "o" and self.accept("{"):
            return self.braced(8)
        if name == "c" and self.at < len(self.text):
            self.at += 1
            return ord(self.text[self.at - 1].upper()) ^ 64
        if name in "01234567" and name:
            end = self.at
            while end < self.at + 2 and self.text[end : end + 1] in tuple("01234567"):
                end += 1
            digits, self.at = name + self.text[self.at : end], end
            return int(digits, 8) & 0xFF
        if name == "" or (name.isascii() and name.isalnum()):
            self.at -= 1
            self.fail(f"the unsupported escape \\{name}", "write the bytes as \\xHH, or the class in full")
        return ord(name)

    def hexadecimal(self) -> int:
        if self.accept("{"):
            return self.braced(16)
        end = self.at
        while end < self.at + 2 and self.text[end : end + 1] in _HEX_DIGITS:
            end += 1
        digits, self.at = self.text[self.at : end], end
        return int(digits or "0", 16)

    def braced(self, base: int) -> int:
        end = self.text.find("}", self.at)
        try:
            code = int(self.text[self.at : end], base)
        except ValueError:
            code = -1
        if end < 0 or not 0 <= code <= 255:
            self.fail("a character code that is no byte", "values are bytes: write UTF-8 as \\xHH\\xHH")
        self.at = end + 1
        return code

    def char_class(self, flags: _Flags) -> Set:
        start = self.at
        self.at += 1
        negative = self.accept("^")
        bits, first = 0, True
        while first or not self.peek("]"):
            first = False
            if self.at >= len(self.text):
                self.at = start
                self.fail("an unclosed [", "close it, or escape it as \\[")
            low = self.class_item()
            high = low
            if not isinstance(low, _Bits) and self.peek("-") and not self.peek("-]"):
                mark = self.at
                self.at += 1
                high = self.class_item()
                if isinstance(high, _Bits):  # as in [a-\d]: the - stands for itself
                    self.at, high = mark, low
                elif high < low:
                    self.fail("a range out of order", "swap its ends")
            bits |= low if isinstance(low, _Bits) else span(low, high)
        self.at += 1
        if flags.icase:
            bits = fold(bits)
        return Set(ALL & ~bits if negative else bits)

    def class_item(self) -> int:
        if self.peek("[:") and (end := self.text.find(":]", self.at)) >= 0:
            name = self.text[self.at + 2 : end]
            if name.lstrip("^") in POSIX:
                self.at = end + 2
                bits = POSIX[name.lstrip("^")]
                return _Bits(ALL & ~bits if name.startswith("^") else bits)
        char = self.text[self.at]
        self.at += 1
        if char != "\\":
            return ord(char)
        return 8 if self.accept("b") else self.escape()


class _Bits(int):
    """A set of bytes, told apart from the code of one."""


_REFERENCE = re.compile(r"[1-9][0-9]*|g-?[0-9]+|g\{[^}]*\}|k(?:<[^>]*>|\{[^}]*\}|'[^']*')")
"""What follows the backslash of a back-reference. PCRE reads some as octal codes; either is some text."""
_NAMED_REFERENCE = re.compile(r"P=\w+\)")
_LOOKS = (("=", True, False), ("!", True, True), ("<=", False, False), ("<!", False, True))
_HEX_DIGITS = tuple("0123456789abcdefABCDEF")
_BEFORE_LAST_NEWLINE = Look(Seq((Repeat(Set(NEWLINE), 0, 1), Assert("z"))), ahead=True, negative=False)
