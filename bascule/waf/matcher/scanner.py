"""One group of gates that are opened by text: all its expressions in one database, all its chains in one automaton."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from bascule.waf.matcher.automaton import MAX_STARTS, OTHER_SEAM, Automaton, Chain, Step, TooManyFormsError, make_chain
from bascule.waf.matcher.database import open_database
from bascule.waf.matcher.linear import linear_set
from bascule.waf.matcher.marks import Clauses, as_set, before, bytes_of, hold, marks_of, weakest
from bascule.waf.matcher.patterns import CASELESS, SEAM, Expression, safe_caseless
from bascule.waf.matcher.triggers import (
    ALWAYS,
    AMPERSAND,
    BACKSLASH,
    BASE64,
    CASE_FOLDING,
    NUL,
    PERCENT,
    PLUS,
    has_entity,
)
from bascule.waf.pace import PACE, rest
from bascule.waf.seclang.model import Link

Due = tuple[bool, bool, bool, bool]
_NOTHING: Final[frozenset[int]] = frozenset()
_ALL_DUE: Final = (True, True, True, True)
Gathered = tuple[Chain, set[Clauses]]
"""A chain, and what its expressions ask of a text."""
Steps = tuple[tuple[str, Callable[[bytes], bytes]], ...]


def chain_of(link: Link) -> Steps:
    """The link's transformations as named steps."""
    return tuple(zip(link.actions.transformations, link.functions, strict=True))


_FORM_STEPS = frozenset({"urldecode", "urldecodeuni", "htmlentitydecode"})

UNUSUAL = ALWAYS | BASE64
"""Steps that change nearly any text (Base64 decoding above all): what they make is scanned by itself, for the rules
that have them, lest the noise nominate others."""


MAX_LEAST = 64

MAX_CLEAN: Final = 16_384
MAX_CLEAN_TEXT: Final = 24
"""Short values come again: so many that open no gate are not scanned again."""

PORTION = 32_768
"""Bytes that are scanned in one go where work is divided: a millisecond or two."""

MAX_NAME = 128
MANY_NEW = 24
"""Bytes of a name worth remembering; of so many new ones at once; the others are scanned together."""


def gather(parts: Iterable[Gathered]) -> Automaton:
    """Return an automaton of some of a scanner's chains."""
    asked: dict[Chain, set[Clauses]] = {}
    for chain, clauses in parts:
        asked.setdefault(chain, set()).update(clauses)
    return Automaton(asked, 0, asked)


class ScannerBuilder:
    """Collects expressions with the gate each opens and the transformations before it."""

    def __init__(self) -> None:
        self.expressions: list[Expression] = []
        self._bits: list[int] = []
        self._asked: dict[Chain, set[Clauses]] = {}
        self._places: dict[Expression, int] = {}
        self._unusual: ScannerBuilder | None = None
        self._least = MAX_LEAST

    def add(self, expressions: list[Expression], steps: Steps, bit: int, each: bool = False) -> Gathered:
        """Let each of `expressions`, matched after `steps` (or after `each`), open the gate `bit`.

        Returns the chain for its texts, and what is asked of them.
        """
        folds = any(name in CASE_FOLDING for name, _ in steps)
        free = folds and all(safe_caseless(expression.text) for expression in expressions)
        chain = make_chain(steps, exact_case=folds and not free)
        if any(step.needs & UNUSUAL for step in chain):
            self._unusual = self._unusual or ScannerBuilder()
            self._unusual.add_made([_caseless(e) if free else e for e in expressions], chain, bit, set())
            chain = ()
        asked = {before(expression.clauses, [name for name, _ in steps], each) for expression in expressions}
        self.add_made([_caseless(e) if free else e for e in expressions], chain, bit, asked)
        return chain, asked

    def add_made(self, expressions: list[Expression], chain: Chain, bit: int, asked: set[Clauses]) -> None:
        """Add expressions with a chain that is ready for the scan."""
        self._asked.setdefault(chain, set()).update(asked)
        for expression in expressions:
            self._least = min(self._least, expression.least)
            place = self._places.get(expression)
            if place is None:
                self._places[expression] = len(self.expressions)
                self.expressions.append(expression)
                self._bits.append(bit)
            else:
                self._bits[place] |= bit

    def build(self, cache_dir: Path | None) -> Scanner:
        unusual = self._unusual.build(cache_dir) if self._unusual is not None else None
        automaton = Automaton(self._asked, self._least, self._asked)
        return Scanner(self.expressions, self._bits, automaton, cache_dir, unusual)


def _caseless(expression: Expression) -> Expression:
    if expression.linear:
        return expression._replace(text=b"(?i)" + expression.text.removeprefix(b"(?i)"))
    return expression._replace(flags=expression.flags | CASELESS)


class Scanner:
    """Scans texts in every form the group's chains give them."""

    def __init__(
        self,
        expressions: list[Expression],
        bits: list[int],
        automaton: Automaton,
        cache_dir: Path | None,
        unusual: Scanner | None = None,
    ) -> None:
        self._unusual = unusual
        self._clean: set[bytes] = set()
        self._names: dict[bytes, int] = {}
        pairs = list(zip(expressions, bits, strict=True))
        groups = [
            [p for p in pairs if p[0].linear == linear and p[0].seam == seam]
            for linear, seam in ((False, False), (True, False), (False, True), (True, True))
        ]
        self._main, self._bits = _hyperscan(groups[0], cache_dir)
        self._linear, self._linear_bits = _linear(groups[1])
        self._other, self._other_bits = _hyperscan(groups[2], cache_dir)
        self._linear_other, self._linear_other_bits = _linear(groups[3])
        self._asked = [weakest(expression.clauses for expression, _ in group) for group in groups]
        self._due: dict[frozenset[int], Due] = {}
        self._automaton = automaton
        self._signs = None if unusual is not None else signs_of(step for c in automaton.outline[1] for step in c)
        """A text that has none of these bytes is not changed by any step; None if that takes more."""
        self.only_decodes = self._signs is not None and all(
            len(chain) == 1 and step.name in _FORM_STEPS for chain in automaton.outline[1] for step in chain
        )
        """All that its chains do to a form without entities is to decode it."""
        self.expressions = expressions
        self._bits_of = bits
        self.everything = 0
        for bit in bits:
            self.everything |= bit

    def expressions_of(self, gates: int) -> list[Expression]:
        """The expressions that open any of `gates`."""
        return [e for e, bit in zip(self.expressions, self._bits_of, strict=True) if bit & gates]

    def scan(self, texts: list[bytes], always: list[bytes] | None = None, others: int = 0) -> int:
        """Return the gates that `texts` and those to be scanned `always`, in any of their forms, open.

        Short `texts` that open none, or only `others` (which are none of theirs), are remembered.
        """
        clean = self._clean
        fresh = [text for text in texts if text not in clean]
        if not fresh and not always:
            return 0
        mask = self.scan_parts([(self._automaton, [*always, *fresh] if always else fresh)])
        if not mask & ~others:
            if len(clean) >= MAX_CLEAN:
                clean.clear()
            clean.update([text for text in fresh if len(text) <= MAX_CLEAN_TEXT])
        return mask

    def scan_form(self, form: bytes, plain: bytes) -> int:
        """As `scan_text` for a form whose escapes are valid; `plain` is what URL-decoding makes of it."""
        if not self.only_decodes or has_entity(form):
            return self.scan_text(form)
        if form == plain:
            return self._scan_joined(form, form, _ALL_DUE)
        return self._scan_joined(form + SEAM + plain, form + OTHER_SEAM + plain, _ALL_DUE)

    def scan_text(self, text: bytes) -> int:
        """As `scan` for one text, of which nothing is remembered."""
        if self._signs is None:
            return self.scan_parts([(self._automaton, [text])])
        shown = 0
        for sign, feature in self._signs:
            if sign in text:
                shown |= feature
        if not shown:
            return self._scan_joined(text, text, _ALL_DUE)
        try:
            texts = [text, *self._automaton.forms_of(text, shown)]
        except TooManyFormsError:
            return self.everything
        return self._scan_joined(SEAM.join(texts), OTHER_SEAM.join(texts), _ALL_DUE)

    def unusual(self) -> tuple[int, list[Chain]]:
        """The chains with steps that change nearly any text, and the length from which on Base64 matters to them."""
        return (0, []) if self._unusual is None else self._unusual._automaton.outline

    @property
    def unusual_expressions(self) -> list[Expression]:
        """The expressions behind such steps."""
        return [] if self._unusual is None else self._unusual.expressions

    def unusual_marks(self) -> set[int]:
        """Bytes of which a text that such expressions match has one, before steps that delete bytes or make blanks."""
        asked = (before(expression.clauses, ("removewhitespace",), False) for expression in self.unusual_expressions)
        return marks_of(asked)

    def scan_unusual(self, texts: list[bytes]) -> int:
        """The gates that texts open in the forms which such steps give them."""
        if self._unusual is None:
            return 0
        joined = OTHER_SEAM.join(texts)
        try:
            noise = self._unusual._automaton.forms(texts, joined, bytes_of(joined))
        except TooManyFormsError:
            return self._unusual.everything
        return self._unusual._scan(list(noise), None) if noise else 0

    def scan_decoded(self, joined: bytes, between: bytes) -> int:
        """The gates that results of such steps open, which are joined with OTHER_SEAM, some times over."""
        return (
            0 if self._unusual is None else self._unusual._scan_joined(joined.replace(between, SEAM), joined, _ALL_DUE)
        )

    def scan_names(self, names: list[bytes], others: int = 0) -> int:
        """As `scan` for the names of arguments and cookies, which nearly always come again: each is judged once."""
        known = self._names
        mask = 0
        new: list[bytes] = []
        for name in names:
            found = known.get(name)
            if found is None:
                new.append(name)
            else:
                mask |= found
        if not new:
            return mask & ~others
        if len(new) > MANY_NEW:
            mask |= self.scan_parts([(self._automaton, new[MANY_NEW:])])
        for name in new[:MANY_NEW]:
            found = self.scan_parts([(self._automaton, [name])])
            mask |= found
            if len(name) <= MAX_NAME:
                if len(known) >= MAX_CLEAN:
                    known.clear()
                known[name] = found
        return mask & ~others

    def scan_parts(self, parts: list[tuple[Automaton, list[bytes]]]) -> int:
        """As `scan`, where each part has an automaton of its own: of the chains its kind of text meets."""
        texts: list[bytes] = []
        forms: dict[bytes, None] = {}
        noise: dict[bytes, None] = {}
        members: frozenset[int] = _NOTHING
        unusual = None if self._unusual is None else self._unusual._automaton
        try:
            for automaton, own in parts:
                texts += own
                joined = own[0] if len(own) == 1 else OTHER_SEAM.join(own)
                found = bytes_of(joined)
                members = members | found if members else found
                forms |= automaton.forms(own, joined, found)
                if unusual is not None:
                    noise |= unusual.forms(own, joined, found)
        except TooManyFormsError:
            return self.everything
        mask = self._scan([*texts, *forms], None) if forms else self._scan(texts, members)
        return mask | self._unusual._scan(list(noise), None) if noise and self._unusual is not None else mask

    def _scan(self, texts: list[bytes], members: frozenset[int] | None) -> int:
        """Scan texts as they are; `members` are their `bytes_of`, where they are known."""
        if PACE.leave is None or len(texts) < 2:
            return self._scan_texts(texts, members)
        mask = 0
        for portion in _portions(texts):
            mask |= self._scan_texts(portion, None)
            rest()
        return mask

    def _scan_texts(self, texts: list[bytes], members: frozenset[int] | None) -> int:
        if members is None:
            members = bytes_of(OTHER_SEAM.join(texts))
        due = self._due.get(members) or self._due_for(members)
        first = SEAM.join(texts) if due[0] or due[1] else b""
        return self._scan_joined(first, OTHER_SEAM.join(texts) if due[2] or due[3] else b"", due)

    def _scan_joined(self, joined: bytes, other_joined: bytes, due: Due) -> int:
        """Scan texts joined with either seam for those of the four groups of expressions that are due."""
        main, linear, other, linear_other = due
        mask = 0
        hits: list[int] = []
        if main and self._main is not None:
            self._main(joined, match_event_handler=collect, context=hits)
            for hit in hits:
                mask |= self._bits[hit]
        if linear and self._linear is not None:
            for hit in self._linear(joined):
                mask |= self._linear_bits[hit]
        if other and self._other is not None:
            hits = []
            self._other(other_joined, match_event_handler=collect, context=hits)
            for hit in hits:
                mask |= self._other_bits[hit]
        if linear_other and self._linear_other is not None:
            for hit in self._linear_other(other_joined):
                mask |= self._linear_other_bits[hit]
        return mask

    def _due_for(self, members: frozenset[int]) -> Due:
        """Which of the four groups of expressions may find something in texts of these bytes."""
        present = as_set(members)
        main, linear, other, linear_other = (any(hold(clauses, present) for clauses in each) for each in self._asked)
        due = (main, linear, other, linear_other)
        if len(self._due) >= MAX_STARTS:
            self._due.clear()
        self._due[members] = due
        return due


def signs_of(steps: Iterable[Step]) -> tuple[tuple[int, int], ...] | None:
    """Return bytes of which a text has one that any of the steps changes, each with its feature.

    None if that depends on other things.
    """
    needs = 0
    for step in steps:
        needs |= step.needs
    known = dict(zip((PERCENT, PLUS, BACKSLASH, AMPERSAND, NUL), b"%+\\&\0", strict=True))
    return None if needs & ~sum(known) else tuple((sign, bit) for bit, sign in known.items() if needs & bit)


def _portions(texts: list[bytes]) -> Iterator[list[bytes]]:
    """Part texts into lists of about `PORTION` bytes: no expression looks beyond its text."""
    portion: list[bytes] = []
    size = 0
    for text in texts:
        portion.append(text)
        size += len(text)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


Pair = tuple[Expression, int]


def _hyperscan(pairs: list[Pair], cache_dir: Path | None) -> tuple[Callable[..., None] | None, list[int]]:
    database = open_database([expression for expression, _ in pairs], cache_dir)
    return (None if database is None else database.scan), [bit for _, bit in pairs]


def _linear(pairs: list[Pair]) -> tuple[Callable[[bytes], list[int]] | None, list[int]]:
    """A set that RE2 scans for in one pass."""
    if not pairs:
        return None, []
    return linear_set(expression.text for expression, _ in pairs), [bit for _, bit in pairs]


def collect(identifier: int, start: int, end: int, flags: int, hits: list[int]) -> None:
    hits.append(identifier)
