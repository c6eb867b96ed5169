"""For an operator, the regular expressions one of which matches every text the operator accepts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import hyperscan
import msgspec
import re2

from bascule.waf.libinjection import xss
from bascule.waf.matcher import sqli
from bascule.waf.matcher.alphabet import alternatives, is_caseless, pieces_of, restrict, spell, with_plus
from bascule.waf.matcher.automaton import OTHER_SEAM
from bascule.waf.matcher.linear import linear_options
from bascule.waf.matcher.marks import Clauses, clauses_of, clauses_of_literal
from bascule.waf.matcher.triggers import ALPHABET, CASE_FOLDING
from bascule.waf.seclang.model import Link
from bascule.waf.seclang.operators import OperatorError
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.operators.pm import Phrases, spelled
from bascule.waf.seclang.operators.translated import translated
from bascule.waf.seclang.operators.tree import Alt, Atomic, Capture, Node, Repeat, Seq, Set, byte_set

BASE = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH
CASELESS = hyperscan.HS_FLAG_CASELESS
PREFILTER = hyperscan.HS_FLAG_PREFILTER

MAX_LITERAL = 64
"""Bytes of a literal that are scanned for; a longer one is known by its beginning."""

SEAM = b"\n"
"""What joins texts; OTHER_SEAM does for expressions that a line feed alone would satisfy."""


MAX_HYPERSCAN = 1_500
"""Bytes of the largest pattern Hyperscan gets. CRS's largest ones (932230, 932370) each cost it 10 to 25 µs for 700
bytes, as an automaton without literals to look for; RE2's set of all of them takes 3 µs."""


class Expression(NamedTuple):
    """An expression with its Hyperscan flags.

    `seam`: texts are to be joined with the other seam, for a line feed alone satisfies it; `linear`: RE2 scans for it;
    `least`: no shorter text can match (0: unknown); `clauses`: see `marks.py`; `phrase`: what it asks for, if it is
    that and nothing else.
    """

    text: bytes
    flags: int
    seam: bool = False
    linear: bool = False
    least: int = 0
    clauses: Clauses = ()
    phrase: bytes = b""


Answer = list[tuple[str, int, bool, bool, int, list[str]]] | None
"""What `Patterns` keeps of a pattern: its expressions, or None if it cannot be scanned for."""


def literal(text: bytes) -> bytes:
    """Return an expression that matches exactly `text` (or its beginning)."""
    return spelled(text[:MAX_LITERAL])


Brief = tuple[bytes, int]
"""An expression for ordinary texts, and its Hyperscan flags."""
Left = list[tuple[str, int]] | None
"""What is left of an expression for ordinary texts: one of these must match; None: nothing is known."""


class Known(msgspec.Struct):
    """What was found for single patterns."""

    answers: dict[str, Answer] = {}
    ordinary: dict[str, Left] = {}
    linear: dict[str, tuple[str, bool, bool]] = {}
    """Patterns as RE2 takes them (`LinearPattern`)."""

    def __len__(self) -> int:
        return len(self.answers) + len(self.ordinary) + len(self.linear)


class Patterns:
    """Finds necessary expressions. Keeps what was found for each pattern, so that it need not be tried out again."""

    def __init__(self, known: Known | None = None) -> None:
        self.known = known if known is not None else Known()

    def necessary(self, link: Link, argument: bytes | None) -> list[Expression] | None:
        """Return the expressions for a link's operator, or None if nothing can be said.

        `argument` is the operator's argument with macros resolved, None if it varies.
        """
        name = link.operator_name
        if link.negated or argument is None:
            return None
        if name in ("rx", "rxglobal"):
            return self.regex(argument)
        if isinstance(link.operator, Phrases):
            return [
                Expression(literal(phrase), BASE | CASELESS, clauses=clauses_of_literal(phrase), phrase=phrase)
                for phrase in dict.fromkeys(link.operator.phrases)
            ]
        if name in ("contains", "strmatch", "containsword"):
            return _literal(b"", argument, b"")
        if name == "streq":
            return _literal(b"^", argument, b"$" if len(argument) <= MAX_LITERAL else b"")
        if name == "beginswith":
            return _literal(b"^", argument, b"")
        if name == "endswith":
            return _literal(b"", argument[-MAX_LITERAL:], b"$")
        if name == "validatebyterange":
            return _outside(link)
        if name == "detectsqli":
            return [Expression(sqli.necessary(), BASE, seam=True, linear=True)]
        simple = _NEEDS.get(name)
        return None if simple is None else [Expression(text, BASE, clauses=clauses_of(text)) for text in simple]

    def regex(self, pattern: bytes, flags: int = BASE) -> list[Expression] | None:
        """Return the pattern as Hyperscan can take it: as it is, in pieces, or as something that matches more."""
        answers = self.known.answers
        key = f"{flags}:{pattern.decode('latin-1')}"
        if key not in answers:
            found = _ask(pattern, flags)
            answers[key] = None
            if found is not None:
                text = found.text.decode("latin-1")
                clauses = [f"{clause:x}" for clause in clauses_of(pattern)]
                answers[key] = [(text, found.flags, found.seam, found.linear, least_length(pattern), clauses)]
        known = answers[key]
        if known is None:
            return None
        return [
            Expression(
                text.encode("latin-1"), bits, seam, linear, least, tuple([int(clause, 16) for clause in clauses])
            )
            for text, bits, seam, linear, least, clauses in known
        ]

    @staticmethod
    def for_ordinary(link: Link, expressions: list[Expression]) -> list[Expression]:
        """Return the expressions for ordinary texts, where an operator has others than `necessary` says."""
        others = {"detectsqli": sqli.ordinary(), "detectxss": xss.NECESSARY}.get(link.operator_name)
        return expressions if others is None else [Expression(text, BASE) for text in others]

    def ordinary(
        self, expression: Expression, steps: Sequence[str], each: bool = False, plus: bool = False
    ) -> list[Brief] | None:
        """Return what is left of an expression after `steps` (or after `each`) for ordinary texts, as `Left` has it.

        With `plus`, it also takes a plus for a blank.
        """
        alphabet = _ALPHABET if each or not steps else _ALPHABET & ~_LEFT_OUT.get(steps[-1], 0)
        caseless = bool(expression.flags & CASELESS)
        lowered = not CASE_FOLDING.isdisjoint(steps)
        if expression.phrase:
            return _phrase(expression.phrase, alphabet, caseless or lowered, plus)
        known = self.known.ordinary
        key = f"{caseless:d}{lowered:d}{plus:d}{alphabet:x}:{expression.text.decode('latin-1')}"
        if key not in known:
            known[key] = _left_of(expression.text, alphabet, caseless, lowered, plus)
        found = known[key]
        return None if found is None else [(text.encode(), flags) for text, flags in found]


_ALPHABET = byte_set(ALPHABET)
_LEFT_OUT = {"cmdline": byte_set(b",;"), "removewhitespace": byte_set(b" ")}
"""Bytes of the alphabet that are not there after a step."""


def _phrase(phrase: bytes, alphabet: int, caseless: bool, plus: bool) -> list[Brief]:
    """A phrase that must be there as it is, if it can be."""
    if byte_set(phrase) & ~alphabet:
        return []
    text = literal(phrase)
    return [(text.replace(literal(b" "), b"[ +]") if plus else text, BASE | CASELESS if caseless else BASE)]


def _left_of(pattern: bytes, alphabet: int, caseless: bool, lowered: bool, plus: bool) -> Left:
    try:
        tree = restrict(parse(pattern), alphabet, caseless, lowered)
    except OperatorError:
        return None
    if tree is None:
        return []
    return _spelled(alternatives(with_plus(tree) if plus else tree, alphabet))


def _spelled(nodes: Sequence[Node]) -> list[tuple[str, int]] | None:
    """The expressions as Hyperscan takes them, or None if it does not."""
    found: list[tuple[str, int]] = []
    for node in nodes:
        caseless = is_caseless(node)
        text, flags = spell(node, caseless), BASE | CASELESS if caseless else BASE
        if _compile(text.encode(), flags) is not None:
            found.append((text, flags))
            continue
        pieces = pieces_of(node)
        further = _spelled(pieces) if pieces else None
        if further is None and _compile(text.encode(), flags | PREFILTER) is not None:
            further = [(text, flags | PREFILTER)]
        if further is None:
            return None
        found += further
    return found


_NEEDS: dict[str, tuple[bytes, ...]] = {
    "validateutf8encoding": (rb"[\x80-\xff]",),
    "validateurlencoding": (rb"%",),
    "detectxss": (rb"[<=]",),
    "nomatch": (),
}


def _literal(before: bytes, text: bytes, after: bytes) -> list[Expression] | None:
    expression = Expression(before + literal(text) + after, BASE, clauses=clauses_of_literal(text))
    return [expression] if text and SEAM not in text else None


def _outside(link: Link) -> list[Expression] | None:
    """Bytes a @validateByteRange does not allow. Line feeds join texts, so a range must allow them to be scanned."""
    outside = [byte for byte in range(256) if link.operator.evaluate(bytes([byte])) is not None]
    if 10 in outside:
        return None
    text = b"[" + b"".join(b"\\x%02x" % byte for byte in outside) + b"]"
    return [Expression(text, BASE, clauses=clauses_of(text))] if outside else []


def _ask(pattern: bytes, flags: int) -> Expression | None:
    if len(pattern) <= MAX_HYPERSCAN:
        database = _compile(pattern, flags)
        if database is not None:
            return _usable(Expression(pattern, flags, _matches(database, SEAM)), _matches(database, OTHER_SEAM))
        if _compile(pattern, flags | hyperscan.HS_FLAG_ALLOWEMPTY) is not None:
            return None  # it matches the empty text, and so says nothing
    linear = _linear(pattern, flags)
    if linear is not None:
        return linear
    database = _compile(pattern, flags | PREFILTER)
    if database is None:
        return None
    return _usable(Expression(pattern, flags | PREFILTER, _matches(database, SEAM)), _matches(database, OTHER_SEAM))


def _linear(pattern: bytes, flags: int) -> Expression | None:
    """The pattern for RE2, as the operator itself has it."""
    try:
        linear = translated(pattern)
        text = (b"(?i)" if flags & CASELESS else b"") + linear.text
        compiled = re2.compile(text, linear_options())
    except (re2.error, OperatorError):
        return None
    if linear.shifted or compiled.search(b"") is not None:
        return None
    if not _WORD_EDGE.search(
        text
    ):  # the other seam may stand for the edge of a text, there is no edge of a word beside
        text = text.replace(b"(?m:^)", b"(?:(?m:^)|\\x01)").replace(b"(?m:$)", b"(?:(?m:$)|\\x01)")
        return Expression(text, flags, seam=True, linear=True) if compiled.search(OTHER_SEAM) is None else None
    seam, other = compiled.search(SEAM) is not None, compiled.search(OTHER_SEAM) is not None
    # White space is part of the shell's grammar: without anchors the other seam nominates less.
    return _usable(Expression(text, flags, seam or not (other or _ANCHOR.search(text)), linear=True), other)


def least_length(pattern: bytes) -> int:
    """The length of the shortest text a pattern can match; 0 if it cannot be read."""
    try:
        return _least(parse(pattern))
    except OperatorError:
        return 0


def _least(node: Node) -> int:
    match node:
        case Set():
            return 1
        case Seq(items):
            return sum(map(_least, items))
        case Alt(branches):
            return min(map(_least, branches), default=0)
        case Repeat(inner, least):
            return least * _least(inner)
        case Capture(inner) | Atomic(inner):
            return _least(inner)
    return 0


_WORD_EDGE = re.compile(rb"\\[bB]")


def _usable(expression: Expression, other_seam: bool) -> Expression | None:
    """An expression that both seams satisfy, or that a line feed does and that has anchors, cannot be scanned for."""
    if expression.seam and (other_seam or _ANCHOR.search(expression.text)):
        return None
    return expression


def has_anchor(expression: Expression) -> bool:
    """Whether an expression asks for the edge of a line or text (perhaps: a class may hold such characters)."""
    return _ANCHOR.search(expression.text) is not None


_ANCHOR = re.compile(rb"(?<![\\\[])[\^$]|\\[AzZG]")


def _matches(database: hyperscan.Database, text: bytes) -> bool:
    found: list[int] = []
    database.scan(text, match_event_handler=lambda i, start, end, flags, hits: hits.append(i), context=found)
    return bool(found)


def _compile(pattern: bytes, flags: int) -> hyperscan.Database | None:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=[pattern], ids=[0], elements=1, flags=[flags])
    except hyperscan.error:
        return None
    return database


_BRACED = re.compile(rb"\\x\{([0-9A-Fa-f]{2})\}")
_CLASS = re.compile(rb"\[\^(?:\\.|\[:\w+:\]|[^\]\\])(?:\\.|\[:\w+:\]|[^\]\\])*\]", re.DOTALL)


def safe_caseless(pattern: bytes) -> bool:
    """Whether what a pattern matches in lower-cased text, it matches caselessly in the text itself.

    Only a negated class that shuts out an upper-case letter but not its lower-case form can fail this.
    """
    for match in _CLASS.finditer(pattern):
        if b"[:" in match[0]:
            return False
        try:
            members = re.compile(_BRACED.sub(rb"\\x\1", match[0]))
        except re.error:
            return False
        if any(members.match(bytes([c + 32])) and not members.match(bytes([c])) for c in range(65, 91)):
            return False
    return True
