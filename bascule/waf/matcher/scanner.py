"""One group of gates that are opened by text: all its expressions in one database, all its chains in one automaton."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import re2

from bascule.waf.matcher.automaton import Automaton, Chain, TooManyFormsError, make_chain
from bascule.waf.matcher.database import open_database
from bascule.waf.matcher.patterns import CASELESS, OTHER_SEAM, SEAM, Expression, linear_options, safe_caseless
from bascule.waf.matcher.triggers import BASE64, CASE_FOLDING, features

Steps = tuple[tuple[str, Callable[[bytes], bytes]], ...]


class ScannerBuilder:
    """Collects expressions with the gate each opens and the transformations before it."""

    def __init__(self) -> None:
        self.expressions: list[Expression] = []
        self._bits: list[int] = []
        self._chains: set[Chain] = set()
        self._places: dict[Expression, int] = {}

    def add(self, expressions: list[Expression], steps: Steps, bit: int) -> None:
        """Let each of `expressions`, matched after `steps`, open the gate `bit`."""
        folds = any(name in CASE_FOLDING for name, _ in steps)
        free = folds and all(safe_caseless(expression.text) for expression in expressions)
        self._chains.add(make_chain(steps, exact_case=folds and not free))
        for expression in expressions:
            wanted = _caseless(expression) if free else expression
            place = self._places.get(wanted)
            if place is None:
                self._places[wanted] = len(self.expressions)
                self.expressions.append(wanted)
                self._bits.append(bit)
            else:
                self._bits[place] |= bit

    def build(self, cache_dir: Path | None) -> Scanner:
        return Scanner(self.expressions, self._bits, Automaton(self._chains), cache_dir)


def _caseless(expression: Expression) -> Expression:
    if expression.linear:
        return expression._replace(text=b"(?i)" + expression.text.removeprefix(b"(?i)"))
    return expression._replace(flags=expression.flags | CASELESS)


class Scanner:
    """Scans texts in every form the group's chains give them."""

    def __init__(
        self, expressions: list[Expression], bits: list[int], automaton: Automaton, cache_dir: Path | None
    ) -> None:
        pairs = list(zip(expressions, bits, strict=True))
        self._main, self._bits = _hyperscan([p for p in pairs if not p[0].seam and not p[0].linear], cache_dir)
        self._other, self._other_bits = _hyperscan([p for p in pairs if p[0].seam and not p[0].linear], cache_dir)
        self._linear, self._linear_bits = _linear([p for p in pairs if p[0].linear and not p[0].seam])
        self._linear_other, self._linear_other_bits = _linear([p for p in pairs if p[0].linear and p[0].seam])
        self._automaton = automaton
        self.expressions = expressions
        self.everything = 0
        for bit in bits:
            self.everything |= bit

    def scan(self, texts: list[bytes]) -> int:
        """Return the gates that `texts`, in any of their forms, open."""
        joined = SEAM.join(texts)
        automaton = self._automaton
        if (
            automaton.unconditional
            or features(joined, joined=True) & automaton.relevant
            or (automaton.relevant & BASE64 and not all([len(text) & 3 for text in texts]))
            or joined.count(SEAM) >= len(texts)
        ):
            forms = dict.fromkeys(texts)
            try:
                for text in tuple(forms):
                    automaton.forms(text, forms)
            except TooManyFormsError:
                return self.everything
            if len(forms) > len(texts):
                joined = SEAM.join(forms)
                texts = list(forms)
        mask = 0
        hits: list[int] = []
        if self._main is not None:
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
