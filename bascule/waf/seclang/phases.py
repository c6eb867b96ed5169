"""Running a phase: which rules, in what order, on which TX.

Only *candidates* (rules the matcher nominated, and those it cannot judge) are evaluated while the transaction
is pristine (see `folding.py`); the first write to TX, skip or removal ends that, and from there on the fixed
rules run in their places between the candidates, exactly as a plain walk over all rules would.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from bascule.waf.seclang.evaluate import BoundRule, evaluate
from bascule.waf.seclang.folding import MISSING, Folded, FoldedPhase
from bascule.waf.seclang.model import Rule
from bascule.waf.seclang.quiet import disturbs, is_lazy, only_skips_to

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

MAX_REMEMBERED = 4_096
"""How many different nominations keep their list of candidates."""


class PhaseProgram:
    """One phase made ready to run."""

    def __init__(self, folded: FoldedPhase, needs: dict[int, int], fixed: list[Rule]) -> None:
        self.folded = folded
        self.starts_pristine = folded.pristine
        self.rules: dict[int, BoundRule] = {
            index: BoundRule(rule) for index in (*folded.dynamic, *folded.fixed)
            if isinstance(rule := folded.entries[index], Rule)
        }  # fmt: skip
        self.needs = [(index, needs.get(id(self.rules[index].rule), 0)) for index in folded.dynamic]
        self.relevant = 0
        for _, need in self.needs:
            self.relevant |= need
        self.places = [place for place, _ in folded.changes]
        self.states = [state for _, state in folded.changes]
        self.final = self.states[-1]
        self.always = sorted({*folded.fixed, *folded.assigned})
        self.dead = folded.dead
        self.disturbing = {index for index in folded.dynamic if disturbs(self.rules[index].rule, fixed)}
        self.lazy = {index for index in folded.dynamic if is_lazy(self.rules[index].rule, index in self.disturbing)}
        self._jumps = self._silent_jumps()
        self.known: dict[int, tuple[int, ...]] = {}
        """Candidates by the gates that are relevant to this phase."""
        self._merged: dict[tuple[int, ...], list[int]] = {}

    def candidates(self, mask: int) -> tuple[int, ...]:
        """The dynamic rules whose every gate is open in `mask`, in order."""
        key = mask & self.relevant
        found = self.known.get(key)
        if found is None:
            found = self._without_idle_jumps([index for index, need in self.needs if need & key == need])
            if len(self.known) >= MAX_REMEMBERED:
                self.known.clear()
            self.known[key] = found
        return found

    def _silent_jumps(self) -> dict[int, int]:
        """Rules that do nothing but skip others, none of which are fixed: their places, and where they skip to."""
        busy = [*self.always, *self.places]
        found: dict[int, int] = {}
        for index in self.folded.dynamic:
            marker = only_skips_to(self.rules[index].rule)
            end = self.folded.marker_after(marker, index) if marker is not None else index
            if end > index and not any(index < place < end for place in busy):
                found[index] = end
        return found

    def _without_idle_jumps(self, candidates: list[int]) -> tuple[int, ...]:
        """Leave out rules that would only skip what is no candidate.

        CRS's 951100 matches nearly every response, to spare it rules that are not nominated anyway.
        """
        kept: list[int] = []
        nearest = MISSING
        for index in reversed(candidates):
            if self._jumps.get(index, MISSING + 1) > nearest:
                kept.append(index)
                nearest = index
        return tuple(reversed(kept))

    def merged(self, candidates: tuple[int, ...]) -> list[int]:
        """Candidates and fixed rules together, in order."""
        found = self._merged.get(candidates)
        if found is None:
            found = sorted({*self.always, *candidates})
            if len(self._merged) >= MAX_REMEMBERED:
                self._merged.clear()
            self._merged[candidates] = found
        return found

    def state_before(self, index: int) -> dict[bytes, bytes]:
        """The pristine TX just before the rule at `index`."""
        return self.states[bisect_left(self.places, index) - 1]

    def is_dead(self, index: int) -> bool:
        return any(start <= index < end for start, end in self.dead)


class Program:
    """All phases of a rule set, shared by every transaction."""

    def __init__(self, folded: Folded, needs: dict[int, int]) -> None:
        self.template = folded.template
        self.folded = folded
        fixed = [
            rule for phase in folded.phases.values() for index in phase.fixed
            if isinstance(rule := phase.entries[index], Rule)
        ]  # fmt: skip
        self.phases = {number: PhaseProgram(phase, needs, fixed) for number, phase in folded.phases.items()}
        self._may_rest = all(phase.starts_pristine for phase in self.phases.values())
        self._idle: dict[int, bool] = {}

    def is_idle(self, mask: int) -> bool:
        """Whether a nomination leaves every phase with nothing to evaluate but lazy rules."""
        found = self._idle.get(mask)
        if found is None:
            phases = self.phases.values()
            found = self._may_rest and all(phase.lazy.issuperset(phase.candidates(mask)) for phase in phases)
            if len(self._idle) >= MAX_REMEMBERED:
                self._idle.clear()
            self._idle[mask] = found
        return found

    def passes(self, t: Transaction, phase: int) -> bool:
        """Get through a phase in which nothing is nominated but lazy rules, as nearly all requests do.

        Lazy rules are left for later.
        """
        program = self.phases[phase]
        if not t.pristine or not program.starts_pristine:
            return False
        candidates = program.known.get(t.mask & program.relevant)
        if candidates is None:
            candidates = program.candidates(t.mask)
        if candidates:
            if not program.lazy.issuperset(candidates):
                return False
            t.pending += ((program, candidates),)
        t.tx, t.tx_shared = program.final, True
        return True

    def run(self, t: Transaction, phase: int) -> None:
        """Run one phase of a transaction to its end, to a verdict, or to an `allow`."""
        if t.allow_scope is not None and self._allowed(t, phase):
            return
        program = self.phases[phase]
        candidates = program.candidates(t.mask)
        if not t.pristine:
            self._walk(t, program, program.merged(candidates), 0)
        elif not program.folded.pristine:
            self._catch_up(t)
            t.pristine = False
            self._walk(t, program, program.merged(candidates), 0)
        else:
            self._from(t, program, candidates, 0)

    def go_on(self, t: Transaction) -> None:
        """Go on with a phase that was left because its turn was over (`Transaction.rest`)."""
        if t.rest is None:
            return
        (program, rules, index), t.rest = t.rest, None
        if t.pristine:
            self._from(t, program, tuple(rules), index)
        else:
            self._walk(t, program, list(rules), index)

    def _from(self, t: Transaction, program: PhaseProgram, candidates: tuple[int, ...], start: int) -> None:
        """Evaluate candidates from `start` on, and leave TX as the phase leaves it where none of them touched it."""
        if candidates:
            self._pristine(t, program, candidates, start)
        if t.pristine and t.rest is None:
            t.tx, t.tx_shared = program.final, True

    @staticmethod
    def _allowed(t: Transaction, phase: int) -> bool:
        """Whether an earlier `allow` still holds in `phase`."""
        if t.allow_scope == "phase" or (t.allow_scope == "request" and phase > 2):
            t.allow_scope = None
        return t.allow_scope is not None and phase != 5

    @staticmethod
    def _catch_up(t: Transaction) -> None:
        """Evaluate the lazy rules that were left, before anything else is."""
        pending, t.pending = t.pending, ()
        for program, candidates in pending:
            for index in candidates:
                if not program.is_dead(index):
                    t.tx, t.tx_shared = program.state_before(index), True
                    evaluate(t, program.rules[index])

    def _pristine(self, t: Transaction, program: PhaseProgram, candidates: tuple[int, ...], start: int) -> None:
        """Evaluate candidates on the TX of their places; leave for `_walk` as soon as one changes it."""
        self._catch_up(t)
        for index in candidates:
            if index < start or (program.dead and program.is_dead(index)):
                continue
            if t.over_budget():
                t.rest = None if t.exhausted else (program, candidates, index)
                return
            t.tx, t.tx_shared = program.state_before(index), True
            matched = evaluate(t, program.rules[index])
            if matched and (t.allow_scope is not None or (t.verdict is not None and t.phase != 5)):
                t.pristine = False
                return
            if not t.tx_shared or (matched and index in program.disturbing):
                t.pristine = False
                merged = program.merged(candidates)
                resume = _resume(t, program, index) if matched else index + 1
                self._walk(t, program, merged, resume)
                return

    def _walk(self, t: Transaction, program: PhaseProgram, order: list[int], resume: int) -> None:
        rules, assigned = program.rules, program.folded.assigned
        for index in order[bisect_left(order, resume) :]:
            if index < resume:
                continue
            changes = assigned.get(index)
            if changes is not None:
                for name, value in changes.items():
                    if value is None:
                        t.remove_member("TX", name)
                    else:
                        t.set_member("TX", name, value)
                continue
            if t.over_budget():
                t.rest = None if t.exhausted else (program, order, index)
                return
            if evaluate(t, rules[index]):
                if t.allow_scope is not None or (t.verdict is not None and t.phase != 5):
                    return
                if t.skip or t.skip_after is not None:
                    resume = _resume(t, program, index)


def _resume(t: Transaction, program: PhaseProgram, index: int) -> int:
    """Where to go on after a match at `index` that may have skipped; clears the request to skip."""
    resume = index + 1
    if t.skip_after is not None:
        resume = program.folded.marker_after(t.skip_after, index)
        t.skip_after = None
    elif t.skip:
        left = t.skip
        entries = program.folded.entries
        while left and resume < len(entries):
            left -= isinstance(entries[resume], Rule)
            resume += 1
        t.skip = 0
    return min(resume, MISSING)
