"""One group of gates that are opened by text: all its expressions in one database, all its chains in one automaton."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import re2

from bascule.waf.matcher.automaton import OTHER_SEAM, Automaton, Chain, TooManyFormsError, make_chain, mark, simple
from bascule.waf.matcher.database import open_database
from bascule.waf.matcher.linear import linear_options
from bascule.waf.matcher.patterns import CASELESS, SEAM, Expression, safe_caseless
from bascule.waf.matcher.triggers import ALWAYS, BASE64, CASE_FOLDING

Steps = tuple[tuple[str, Callable[[bytes], bytes]], ...]


UNUSUAL = ALWAYS | BASE64
"""Steps that change nearly any text (Base64 decoding above all): what they make is scanned by itself, for the rules
that have them, lest the noise nominate others."""


MAX_LEAST = 64

MANY = 6
"""From so many texts on it pays to look at all of them together first."""

MAX_CLEAN = 16_384
MAX_CLEAN_TEXT = 24
"""Short values come again: so many that open no gate are not scanned again."""

MAX_NAME = 128
MANY_NEW = 24
"""Bytes of a name worth remembering; of so many new ones at once; the others are scanned together."""


class ScannerBuilder:
    """Collects expressions with the gate each opens and the transformations before it."""

    def __init__(self) -> None:
        self.expressions: list[Expression] = []
        self._bits: list[int] = []
        self._chains: set[Chain] = set()
        self._places: dict[Expression, int] = {}
        self._unusual: ScannerBuilder | None = None
        self._least = MAX_LEAST

    def add(self, expressions: list[Expression], steps: Steps, bit: int) -> Chain:
        """Let each of `expressions`, matched after `steps`, open the gate `bit`. Returns the chain for its texts."""
        folds = any(name in CASE_FOLDING for name, _ in steps)
        free = folds and all(safe_caseless(expression.text) for expression in expressions)
        chain = make_chain(steps, exact_case=folds and not free)
        if any(step.needs & UNUSUAL for step in chain):
            self._unusual = self._unusual or ScannerBuilder()
            self._unusual.add_made([_caseless(e) if free else e for e in expressions], chain, bit)
            chain = ()
        self.add_made([_caseless(e) if free else e for e in expressions], chain, bit)
        return chain

    def add_made(self, expressions: list[Expression], chain: Chain, bit: int) -> None:
        """Add expressions with a chain that is ready for the scan."""
        self._chains.add(chain)
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
        return Scanner(self.expressions, self._bits, Automaton(self._chains, self._least), cache_dir, unusual)


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
        self._main, self._bits = _hyperscan([p for p in pairs if not p[0].seam and not p[0].linear], cache_dir)
        self._other, self._other_bits = _hyperscan([p for p in pairs if p[0].seam and not p[0].linear], cache_dir)
        self._linear, self._linear_bits = _linear([p for p in pairs if p[0].linear and not p[0].seam])
        self._linear_other, self._linear_other_bits = _linear([p for p in pairs if p[0].linear and p[0].seam])
        self._automaton = automaton
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
        unusual = None if self._unusual is None else self._unusual._automaton
        noise: dict[bytes, None] = {}
        try:
            for automaton, own in parts:
                texts += own
                if len(own) >= MANY and simple(own):
                    forms |= automaton.simple_forms(own)
                    if unusual is not None:
                        noise |= unusual.simple_forms(own)
                    continue
                marked = mark(own)
                forms |= automaton.forms(marked)
                if unusual is not None:
                    noise |= unusual.forms(marked)
        except TooManyFormsError:
            return self.everything
        mask = self._unusual._scan(list(noise)) if noise and self._unusual is not None else 0
        return mask | self._scan([*texts, *forms] if forms else texts)

    def _scan(self, texts: list[bytes]) -> int:
        mask = 0
        joined = SEAM.join(texts)
        if self._main is not None:
            hits: list[int] = []
            self._main(joined, match_event_handler=_collect, context=hits)
            for hit in hits:
                mask |= self._bits[hit]
        if self._linear is not None:
            for hit in self._linear(joined) or ():
                mask |= self._linear_bits[hit]
        if self._other is not None or self._linear_other is not None:
            mask |= self._scan_other(OTHER_SEAM.join(texts))
        return mask

    def _scan_other(self, joined: bytes) -> int:
        """Scan for the expressions a line feed alone would satisfy."""
        mask = 0
        if self._other is not None:
            hits: list[int] = []
            self._other(joined, match_event_handler=_collect, context=hits)
            for hit in hits:
                mask |= self._other_bits[hit]
        if self._linear_other is not None:
            for hit in self._linear_other(joined) or ():
                mask |= self._linear_other_bits[hit]
        return mask


Pair = tuple[Expression, int]


def _hyperscan(pairs: list[Pair], cache_dir: Path | None) -> tuple[Callable[..., None] | None, list[int]]:
    database = open_database([expression for expression, _ in pairs], cache_dir)
    return (None if database is None else database.scan), [bit for _, bit in pairs]


def _linear(pairs: list[Pair]) -> tuple[Callable[[bytes], list[int] | None] | None, list[int]]:
    """A set that RE2 scans for in one pass."""
    if not pairs:
        return None, []
    found = re2.Set.SearchSet(linear_options())
    for expression, _ in pairs:
        found.Add(expression.text)
    found.Compile()
    return found.Match, [bit for _, bit in pairs]


def _collect(identifier: int, start: int, end: int, flags: int, hits: list[int]) -> None:
    hits.append(identifier)
