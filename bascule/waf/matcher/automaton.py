"""All the forms a text takes under many transformation chains, each step carried out once.

A state is the set of what remains to be done by the chains that have come to the same text. Steps that
cannot change the text are passed over; the chains' common beginnings share their work.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from bascule.waf.matcher.marks import Clauses, as_set, decoded_by, hold, weakest
from bascule.waf.matcher.triggers import (
    ACTIVE,
    ALWAYS,
    BASE64,
    CASE_FOLDING,
    CASE_NEUTRAL,
    LONE_DOT,
    PATH,
    PLAIN,
    SPACE,
    features,
    possible,
    shown,
)
from bascule.waf.pace import rest
from bascule.waf.seclang.operators.tree import ALL
from bascule.waf.seclang.transformations.binary import base64_decode


class Step(NamedTuple):
    """One transformation, and the features of which a text must have one for it to matter."""

    name: str
    function: Callable[[bytes], bytes]
    needs: int


Chain = tuple[Step, ...]
State = frozenset[Chain]
Move = tuple[Callable[[bytes], bytes], State, bool]
"""A step to take, the state it leads to, and whether anything is left to do there."""

OTHER_SEAM: Final = b"\x01"
"""Joins texts where a line feed would not do; no transformation looks at it."""

MAX_FORMS: Final = 256
"""Most forms of one text that are followed; beyond it the rules concerned are all nominated."""

MAX_MOVES = 65_536
MAX_STARTS = 4_096


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
_GAP, _BETWEEN = b"CgoK", b"\n\n\n"


class Start(NamedTuple):
    """Where to begin with texts of certain bytes: the chains that may matter to them, and the features these ask for.

    Features are `sure`, or shown by `sequences` (see `triggers.possible`).
    """

    state: State
    sure: int
    sequences: tuple[tuple[int, bytes], ...]


class Automaton:
    """The transformation chains of one group of rules.

    No text shorter than `floor` matters once it is Base64-decoded. `asked` gives for a chain the clauses of the
    expressions behind it (`marks.py`): a chain is followed only if those of one of them may hold.
    """

    def __init__(
        self, chains: Iterable[Chain], floor: int = 0, asked: Mapping[Chain, Iterable[Clauses]] | None = None
    ) -> None:
        self._floor = (floor * 4 + 2) // 3
        self._moves: dict[tuple[State, int], tuple[Move, ...]] = {}
        self._starts: dict[frozenset[int], Start] = {}
        asked = asked or {}
        self._chains = [
            (chain, decoded_by(step.needs for step in chain), weakest(asked.get(chain, ((),))))
            for chain in frozenset(chains) if chain
        ]  # fmt: skip
        self._all: State = frozenset(chain for chain, _, _ in self._chains)
        needs = _needs(self._all)
        self._shortest = (
            0 if needs & ALWAYS or any(not _needs(frozenset([c])) & BASE64 for c, _, _ in self._chains) else self._floor
        )
        """Where every chain decodes Base64, shorter texts need not be looked at."""

    @property
    def outline(self) -> tuple[int, list[Chain]]:
        """The length from which on Base64 matters, and the chains."""
        return self._floor, [chain for chain, _, _ in self._chains]

    def _start_for(self, members: frozenset[int]) -> Start:
        found = self._starts.get(members)
        if found is None:
            present = as_set(members)
            state = frozenset(
                chain for chain, decodes, asked in self._chains
                if decodes & present or decodes == ALL or any(hold(clauses, present) for clauses in asked)
            )  # fmt: skip
            found = Start(state, *possible(members, _needs(state)))
            if len(self._starts) >= MAX_STARTS:
                self._starts.clear()
            self._starts[members] = found
        return found

    def forms(self, texts: list[bytes], joined: bytes, members: frozenset[int]) -> dict[bytes, None]:
        """Return every form of every text beside the texts themselves.

        `joined` is the texts with OTHER_SEAM between them, `members` its `bytes_of`.

        Raises:
            TooManyFormsError: one text has more than MAX_FORMS forms.
        """
        state, sure, sequences = self._start_for(members)
        present = shown(joined, sure, sequences) if sequences else sure
        if LONE_DOT in texts:
            present |= PATH & _needs(state)
        into: dict[bytes, None] = {}
        if not present:
            return into
        if self._shortest:
            texts = [text for text in texts if len(text) >= self._shortest]
        only_spaces = not present & ~(SPACE | BASE64) and (not present & BASE64 or members.isdisjoint(b"\n\r\0"))
        if only_spaces and joined.count(OTHER_SEAM) < max(len(texts), 1):
            self._simple(texts, state, present, into)
            return into
        spaced: list[bytes] = []
        for text, found in mark(texts):
            rest()
            here = found & present
            if here == SPACE and OTHER_SEAM not in text:
                spaced.append(text)
            elif here and (here != BASE64 or len(text) >= self._floor):
                self._follow(text, state, here, into, set())
        if spaced:
            self._without_spaces(spaced, state, into)
        return into

    def forms_of(self, text: bytes, present: int) -> dict[bytes, None]:
        """Return every form of one text beside itself; it has the features `present`, and no step asks for others.

        Raises:
            TooManyFormsError: it has more than MAX_FORMS forms.
        """
        into: dict[bytes, None] = {}
        self._follow(text, self._all, present, into, set())
        return into

    def _simple(self, texts: list[bytes], state: State, present: int, into: dict[bytes, None]) -> None:
        """The forms of texts whose only features are that they have spaces, or may be Base64."""
        if present & SPACE:
            spaced = [text for text in texts if b" " in text]
            if spaced:
                self._without_spaces(spaced, state, into)
        if present & BASE64:
            self._decoded([text for text in texts if len(text) >= self._floor], state, into)

    def _without_spaces(self, texts: list[bytes], state: State, into: dict[bytes, None]) -> None:
        """The forms of texts whose only feature is that they have spaces: `removeWhitespace` for all in one go.

        No other step answers to a space, and it works byte by byte. What it leaves is mostly Base64 at best.
        """
        joined = OTHER_SEAM.join(texts)
        for function, following, more in self.moves(state, SPACE):
            parts = function(joined).split(OTHER_SEAM)
            into.update(dict.fromkeys(parts))
            if not more:
                continue
            needs, encoded = _needs(following), []
            for part, found in mark(parts):
                if found & needs & ~BASE64:
                    self._follow(part, following, found, into, set())
                elif found & needs and len(part) >= self._floor:
                    encoded.append(part)
            if encoded:
                self._decoded(encoded, following, into)

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
        moves = self.moves(state, BASE64)
        whole = a2b_base64(_GAP.join(plain))
        parts = whole.split(_BETWEEN)
        alike = len(moves) == 1 and moves[0][0] is base64_decode
        if not alike or len(parts) != len(plain) or _BETWEEN + b"\n" in whole:
            for text in plain:
                self._follow(text, state, BASE64, into, set())
            return
        into.update(dict.fromkeys(parts))
        _, following, more = moves[0]
        if more:
            for part, found in mark(parts):
                self._follow(part, following, found, into, set())

    def _follow(
        self, text: bytes, state: State, present: int, into: dict[bytes, None], seen: set[tuple[bytes, State]]
    ) -> None:
        for function, following, more in self.moves(state, present):
            result = function(text)
            rest()
            if result not in into:
                into[result] = None
            if not more or (result, following) in seen:
                continue
            seen.add((result, following))
            if len(seen) > MAX_FORMS:
                raise TooManyFormsError
            residue = result.translate(None, PLAIN)
            here = features(result, residue) if residue else ALWAYS if len(result) & 3 else ALWAYS | BASE64
            if here & _needs(following):
                self._follow(result, following, here, into, seen)

    def moves(self, state: State, present: int) -> tuple[Move, ...]:
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


@lru_cache(MAX_STARTS)
def _needs(chains: frozenset[Chain]) -> int:
    """The features that any of the chains answers to."""
    found = 0
    for chain in chains:
        for step in chain:
            found |= step.needs
    return found
