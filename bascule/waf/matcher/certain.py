"""Whether a pattern is found in every text of a kind, worked out once: then no text of that kind has to be tried.

CRS's 920100 holds each request line against a long pattern, which every usual line matches. The texts are those that
begin and end in a given way, with any number of given bytes between. An automaton is followed through all of them at
once: states that sets of its positions make up, of which there are few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bascule.waf.seclang.operators import OperatorError
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.operators.tree import Alt, Assert, Capture, Node, Repeat, Seq, Set

MAX_POSITIONS = 4096
"""Of an automaton, with its repetitions written out; beyond that nothing is known."""
MAX_STATES = 512
"""Of positions at once; likewise."""

States = frozenset[int]


class _UnknownError(Exception):
    """There is something in the pattern that is not followed, or too much."""


@dataclass(slots=True)
class _Automaton:
    """What leads on from each position: without a byte (if a condition holds), or with one of a set."""

    free: list[list[tuple[int, str]]] = field(default_factory=list)
    taken: list[tuple[int, int] | None] = field(default_factory=list)

    def position(self) -> int:
        if len(self.free) >= MAX_POSITIONS:
            raise _UnknownError
        self.free.append([])
        self.taken.append(None)
        return len(self.free) - 1

    def add(self, node: Node, start: int) -> int:
        """Add an expression from a position on; return where it ends."""
        match node:
            case Set(bits):
                end = self.position()
                step = self.position()
                self.free[start].append((step, ""))
                self.taken[step] = (bits, end)
                return end
            case Assert("^" | "A" | "$" | "z" as kind):
                end = self.position()
                self.free[start].append((end, "start" if kind in "^A" else "end"))
                return end
            case Capture(inner):
                return self.add(inner, start)
            case Seq(items):
                for item in items:
                    start = self.add(item, start)
                return start
            case Alt(branches):
                end = self.position()
                for branch in branches:
                    self.free[self.add(branch, start)].append((end, ""))
                return end
            case Repeat(inner, least, most):
                return self._repeat(inner, least, most, start)
        raise _UnknownError

    def _repeat(self, inner: Node, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self.add(inner, start)
        if most is None:
            loop = self.position()
            self.free[start].append((loop, ""))
            self.free[self.add(inner, loop)].append((loop, ""))
            return loop
        end = self.position()
        self.free[start].append((end, ""))
        for _ in range(most - least):
            start = self.add(inner, start)
            self.free[start].append((end, ""))
        return end

    def closure(self, positions: set[int], conditions: frozenset[str]) -> States:
        """All positions that are reached without a byte where conditions hold."""
        found, left = set(positions), list(positions)
        while left:
            for following, condition in self.free[left.pop()]:
                if following not in found and (not condition or condition in conditions):
                    found.add(following)
                    left.append(following)
        return frozenset(found)

    def after(self, states: States, byte: int) -> set[int]:
        return {taken[1] for at in states if (taken := self.taken[at]) is not None and taken[0] >> byte & 1}


def is_found_in_all(pattern: bytes, beginning: bytes, between: bytes, end: bytes) -> bool:
    """Whether a pattern in SecLang's dialect is found in each text of a `beginning`, bytes of `between`, and an `end`.

    None of them may hold a line feed, so that the ends of the text are those of its only line. False: it may not be.
    """
    if not beginning or not end or b"\n" in beginning + between + end:
        return False
    automaton = _Automaton()
    try:
        first = automaton.position()
        last = automaton.add(parse(pattern), first)
        return _follow(automaton, first, last, beginning, between, end)
    except (OperatorError, _UnknownError):
        return False


def _follow(automaton: _Automaton, first: int, last: int, beginning: bytes, between: bytes, end: bytes) -> bool:
    """Follow all texts; a set of positions with `last` has found it, whatever comes."""
    nowhere: frozenset[str] = frozenset()

    def step(states: States, byte: int, conditions: frozenset[str] = nowhere) -> States:
        if last in states:
            return states
        return automaton.closure(automaton.after(states, byte) | {first}, conditions)

    states = automaton.closure({first}, frozenset(("start",)))
    for byte in beginning:
        states = step(states, byte)
    reached = _all_between(step, states, between)
    for byte in end[:-1]:
        reached = {step(states, byte) for states in reached}
    return all(last in step(states, end[-1], frozenset(("end",))) for states in reached)


def _all_between(step: Callable[[States, int], States], states: States, between: bytes) -> set[States]:
    """All that any number of the bytes `between` leads to."""
    reached, left = {states}, [states]
    while left:
        here = left.pop()
        for byte in between:
            following = step(here, byte)
            if following not in reached:
                if len(reached) >= MAX_STATES:
                    raise _UnknownError
                reached.add(following)
                left.append(following)
    return reached
