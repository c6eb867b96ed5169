"""All the forms a text takes under many transformation chains, each step carried out once.

A state is the set of what remains to be done by the chains that have come to the same text. Steps that
cannot change the text are passed over; the chains' common beginnings share their work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from bascule.waf.matcher.triggers import ACTIVE, ALWAYS, BASE64, CASE_FOLDING, CASE_NEUTRAL, PLAIN, features


class Step(NamedTuple):
    """One transformation, and the features of which a text must have one for it to matter."""

    name: str
    function: Callable[[bytes], bytes]
    needs: int


Chain = tuple[Step, ...]
State = frozenset[Chain]

MAX_FORMS = 256
"""Most forms of one text that are followed; beyond it the rules concerned are all nominated."""

MAX_MOVES = 65_536


class TooManyFormsError(Exception):
    """The text unfolds into more forms than are scanned."""


def make_chain(steps: Iterable[tuple[str, Callable[[bytes], bytes]]], exact_case: bool) -> Chain:
    """Return a chain for the scan: without `none`, and with lower-casing only where it matters.

    With `exact_case` (the expression is not safe to be compiled caseless) it always does; else only if a
    step that depends on case comes later and may itself matter.
    """
    chain: list[Step] = []
    for name, function in reversed(list(steps)):
        needs = ACTIVE.get(name, ALWAYS)
        if name in CASE_FOLDING:
            if exact_case:
                needs = ALWAYS
            elif any(step.name not in CASE_NEUTRAL for step in chain):
                for step in chain:
                    needs |= step.needs
        if needs:
            chain.append(Step(name, function, needs))
    return tuple(reversed(chain))


class Automaton:
    """The transformation chains of one group of rules."""

    def __init__(self, chains: Iterable[Chain]) -> None:
        self._start: State = frozenset(chains)
        self._moves: dict[tuple[State, int], tuple[tuple[Callable[[bytes], bytes], State], ...]] = {}
        self.relevant = 0
        for chain in self._start:
            for step in chain:
                self.relevant |= step.needs
        self._every = bool(self.relevant & ALWAYS)

    def forms(self, texts: list[bytes]) -> dict[bytes, None]:
        """Return every form of every text beside the texts themselves.

        Raises:
            TooManyFormsError: one text has more than MAX_FORMS forms.
        """
        into: dict[bytes, None] = {}
        relevant, base64 = self.relevant, self.relevant & BASE64
        for text in texts:
            if self._every or text.translate(None, PLAIN) or (base64 and not len(text) & 3):
                present = features(text) & relevant
                if present:
                    self._follow(text, self._start, present, into, set())
        return into

    def _follow(
        self, text: bytes, state: State, present: int, into: dict[bytes, None], seen: set[tuple[bytes, State]]
    ) -> None:
        for function, following in self._moves_of(state, present):
            result = function(text)
            if (result, following) in seen:
                continue
            seen.add((result, following))
            if len(seen) > MAX_FORMS:
                raise TooManyFormsError
            into[result] = None
            self._follow(result, following, features(result) & self.relevant, into, seen)

    def _moves_of(self, state: State, present: int) -> tuple[tuple[Callable[[bytes], bytes], State], ...]:
        found = self._moves.get((state, present))
        if found is None:
            grouped: dict[Callable[[bytes], bytes], set[Chain]] = {}
            for chain in state:
                for position, step in enumerate(chain):
                    if step.needs & present:
                        grouped.setdefault(step.function, set()).add(chain[position + 1 :])
                        break
            found = tuple((function, frozenset(rest)) for function, rest in grouped.items())
            if len(self._moves) >= MAX_MOVES:
                self._moves.clear()
            self._moves[state, present] = found
        return found
