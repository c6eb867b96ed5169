"""All the forms a text takes under many transformation chains, each step carried out once.

A state is the set of what remains to be done by the chains that have come to the same text. Steps that
cannot change the text are passed over; the chains' common beginnings share their work.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Iterable
from typing import NamedTuple

from bascule.waf.matcher.triggers import ACTIVE, ALWAYS, BASE64, CASE_FOLDING, CASE_NEUTRAL, PLAIN, SPACE, features


class Step(NamedTuple):
    """One transformation, and the features of which a text must have one for it to matter."""

    name: str
    function: Callable[[bytes], bytes]
    needs: int


Chain = tuple[Step, ...]
State = frozenset[Chain]
Move = tuple[Callable[[bytes], bytes], State, bool]
"""A step to take, the state it leads to, and whether anything is left to do there."""

OTHER_SEAM = b"\x01"
"""Joins texts where a line feed would not do; no transformation looks at it."""

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


Marked = tuple[bytes, int]
"""A text with its features."""


def mark(texts: list[bytes]) -> list[Marked]:
    """Return the texts with their features."""
    marked: list[Marked] = []
    for text in texts:
        residue = text.translate(None, PLAIN)
        if residue:
            marked.append((text, features(text, residue)))
        else:
            marked.append((text, ALWAYS if len(text) & 3 else _EVEN))
    return marked


_EVEN = ALWAYS | BASE64
_GAP = b"CgoK"
_NEITHER = PLAIN + b" ./-" + OTHER_SEAM
_SIDE_BY_SIDE = ((b"/", (b" /", b"//", b"/.", b"./")), (b".", (b"..",)), (b"-", (b"--",)), (b" ", (b"  ",)))


def simple(texts: list[bytes]) -> bool:
    """Whether no text has a feature but spaces and, perhaps, being Base64. One look at all of them together."""
    joined = OTHER_SEAM.join(texts)
    if joined.translate(None, _NEITHER) or joined.count(OTHER_SEAM) >= len(texts):
        return False
    return not any(first in joined and any(pair in joined for pair in pairs) for first, pairs in _SIDE_BY_SIDE)


class Automaton:
    """The transformation chains of one group of rules.

    No text shorter than `floor` matters once it is Base64-decoded.
    """

    def __init__(self, chains: Iterable[Chain], floor: int = 0) -> None:
        self._floor = floor
        self._start: State = frozenset(chains)
        self._moves: dict[tuple[State, int], tuple[Move, ...]] = {}
        self.relevant = 0
        for chain in self._start:
            for step in chain:
                self.relevant |= step.needs

    def forms(self, texts: list[Marked]) -> dict[bytes, None]:
        """Return every form of every text beside the texts themselves.

        Raises:
            TooManyFormsError: one text has more than MAX_FORMS forms.
        """
        into: dict[bytes, None] = {}
        spaced: list[bytes] = []
        relevant, start, floor = self.relevant, self._start, (self._floor * 4 + 2) // 3
        for text, found in texts:
            present = found & relevant
            if present == SPACE and OTHER_SEAM not in text:
                spaced.append(text)
            elif present and (present != BASE64 or len(text) >= floor):
                self._follow(text, start, present, into, set())
        if spaced:
            self._without_spaces(spaced, floor, into)
        return into

    def simple_forms(self, texts: list[bytes]) -> dict[bytes, None]:
        """As `forms` for texts that are `simple`: their only features are that they have spaces, or may be Base64.

        Raises:
            TooManyFormsError: as `forms`.
        """
        into: dict[bytes, None] = {}
        floor = (self._floor * 4 + 2) // 3
        if self.relevant & ALWAYS:
            return self.forms(mark(texts))
        if self.relevant & SPACE:
            spaced = [text for text in texts if b" " in text]
            if spaced:
                self._without_spaces(spaced, floor, into)
        if self.relevant & BASE64:
            self._decoded([text for text in texts if len(text) >= floor], self._start, into)
        return into

    def _without_spaces(self, texts: list[bytes], floor: int, into: dict[bytes, None]) -> None:
        """The forms of texts whose only feature is that they have spaces: `removeWhitespace` for all in one go.

        No other step answers to a space, it works byte by byte, and what it leaves can only be Base64.
        """
        joined = OTHER_SEAM.join(texts)
        for function, following, more in self._moves_of(self._start, SPACE):
            parts = function(joined).split(OTHER_SEAM)
            into.update(dict.fromkeys(parts))
            if more and self.relevant & BASE64:
                self._decoded([part for part in parts if len(part) >= floor], following, into)

    def _decoded(self, texts: list[bytes], state: State, into: dict[bytes, None]) -> None:
        """The forms of texts that may be Base64 and have no other feature but spaces.

        Texts of letters and digits alone are decoded together, with a group between them that means three line
        feeds; those with other marks, or with blanks last, one by one.
        """
        plain = [text for text in texts if not len(text) & 3 and text.isalnum()]
        for text in texts:
            if (not len(text) & 3 and not text.isalnum() and b" " not in text) or text[-1:] == b" ":
                self._follow(text, state, BASE64, into, set())
        if not plain:
            return
        whole = a2b_base64(_GAP.join(plain))
        parts = whole.split(b"\n\n\n")
        moves = self._moves_of(state, BASE64)
        if len(parts) != len(plain) or len(moves) != 1:
            for text in plain:
                self._follow(text, state, BASE64, into, set())
            return
        into.update(dict.fromkeys(parts))
        _, following, more = moves[0]
        if more:
            for part, found in mark(parts):
                present = found & self.relevant
                if present:
                    self._follow(part, following, present, into, set())

    def _follow(
        self, text: bytes, state: State, present: int, into: dict[bytes, None], seen: set[tuple[bytes, State]]
    ) -> None:
        for function, following, more in self._moves_of(state, present):
            result = function(text)
            if result not in into:
                into[result] = None
            if not more or (result, following) in seen:
                continue
            seen.add((result, following))
            if len(seen) > MAX_FORMS:
                raise TooManyFormsError
            residue = result.translate(None, PLAIN)
            if residue:
                present = features(result, residue) & self.relevant
            else:
                present = (ALWAYS if len(result) & 3 else ALWAYS | BASE64) & self.relevant
            if present:
                self._follow(result, following, present, into, seen)

    def _moves_of(self, state: State, present: int) -> tuple[Move, ...]:
        found = self._moves.get((state, present))
        if found is None:
            grouped: dict[Callable[[bytes], bytes], set[Chain]] = {}
            for chain in state:
                for position, step in enumerate(chain):
                    if step.needs & present:
                        grouped.setdefault(step.function, set()).add(chain[position + 1 :])
                        break
            found = tuple((function, frozenset(rest), any(rest)) for function, rest in grouped.items())
            if len(self._moves) >= MAX_MOVES:
                self._moves.clear()
            self._moves[state, present] = found
        return found
