"""Do once at load what would come out the same for every transaction.

Set-up rules (CRS 901), paranoia-level gates and score sums depend on TX alone. Walking the phases in
order, a TX-only rule is *determined* when no name it reads can have been written, before it, by a rule
that depends on the request; a determined rule is carried out here and dropped, and what it skips is dropped
with it. What remains TX-only but undetermined (the sums of scores) is *fixed*: it is run when some
request-dependent rule has written to TX. Until then the transaction is *pristine*: its TX at each place of the
phase is known from the walk, and the fixed rules need not run at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bascule.waf.seclang.effects import EVERYTHING, NOTHING, Effects, Names, effects, link_reads
from bascule.waf.seclang.evaluate import BoundLink, BoundRule, evaluate, matches_any
from bascule.waf.seclang.macros import Macro
from bascule.waf.seclang.model import Actions, Link, Marker, Rule, RuleSet
from bascule.waf.seclang.syntax import WafLoadError

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

IDLE_CONTROLS = ("forcerequestbodyvariable", "debugloglevel", "auditlogparts")
"""`ctl` options that change nothing here."""

MISSING = 1 << 60
"""Where a skipAfter goes whose marker does not follow: beyond the end of the phase."""


@dataclass(slots=True)
class FoldedPhase:
    """One phase after folding. Indices are places in the phase's list of rules and markers."""

    entries: list[Rule | Marker]
    dynamic: list[int] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)
    assigned: dict[int, dict[bytes, bytes | None]] = field(default_factory=dict)
    changes: list[tuple[int, dict[bytes, bytes]]] = field(default_factory=list)
    dead: list[tuple[int, int]] = field(default_factory=list)
    pristine: bool = True
    markers: dict[str, list[int]] = field(default_factory=dict)

    def marker_after(self, name: str, index: int) -> int:
        """The place of the first marker called `name` beyond `index`."""
        return next((place for place in self.markers.get(name, ()) if place > index), MISSING)


@dataclass(slots=True)
class Folded:
    """All phases after folding, and the TX every transaction starts with."""

    phases: dict[int, FoldedPhase]
    template: dict[bytes, bytes]
    facts: dict[int, Effects]
    dropped: dict[int, str]
    touched: Names


def fold(rules: RuleSet, scratch: Transaction) -> Folded:
    """Fold a rule set. `scratch` is a transaction without a request, used to evaluate TX-only rules."""
    facts = {id(r): effects(r) for phase in rules.phases.values() for r in phase if isinstance(r, Rule)}
    folder = _Folder(scratch, facts)
    phases = {number: folder.phase(number, rules.phases[number]) for number in range(1, 6)}
    return Folded(phases, folder.template, facts, folder.dropped, folder.touched)


def unfolded(rules: RuleSet) -> Folded:
    """Every rule as it stands: the plain engine, against which folding and prefilter are tested."""
    phases = {}
    for number, entries in rules.phases.items():
        phases[number] = phase = FoldedPhase(entries, changes=[(-1, {})], pristine=False)
        for index, entry in enumerate(entries):
            if isinstance(entry, Marker):
                phase.markers.setdefault(entry.name, []).append(index)
            else:
                phase.dynamic.append(index)
    return Folded(phases, {}, {}, {}, EVERYTHING)


def unprepared(folded: Folded) -> tuple[list[WafLoadError], list[WafLoadError]]:
    """Of rules whose operator lacks something from the configuration: those a request can reach, and the others."""
    live: list[WafLoadError] = []
    dead: list[WafLoadError] = []
    for phase in folded.phases.values():
        places = {*phase.dynamic, *phase.fixed}
        for index, entry in enumerate(phase.entries):
            for link in entry.links if isinstance(entry, Rule) else ():
                if link.missing:
                    (live if index in places else dead).append(WafLoadError(link.file, link.line, link.missing))
    return live, dead


class _Folder:
    def __init__(self, scratch: Transaction, facts: dict[int, Effects]) -> None:
        self.scratch, self.facts = scratch, facts
        self.template: dict[bytes, bytes] = {}
        self.state: dict[bytes, bytes] = {}
        self.touched = NOTHING
        self.seen = NOTHING
        self.dropped: dict[int, str] = {}

    def phase(self, number: int, entries: list[Rule | Marker]) -> FoldedPhase:
        folded = FoldedPhase(entries)
        for index, entry in enumerate(entries):
            if isinstance(entry, Marker):
                folded.markers.setdefault(entry.name, []).append(index)
        self.scratch.phase = number
        folded.changes.append((-1, dict(self.state)))
        removed_until = pristine_until = uncertain_until = -1
        for index, entry in enumerate(entries):
            if isinstance(entry, Marker):
                continue
            if index < removed_until:
                self.dropped[entry.rule_id] = "always skipped"
                continue
            fact = self.facts[id(entry)]
            uncertain = index < uncertain_until
            reason = "has no effect" if _idle(entry) else "can never match" if self._never(entry) else ""
            if reason:
                self.dropped[entry.rule_id] = reason
                continue
            determined = fact.tx_only and not fact.reads.meets(self.touched)
            if uncertain and determined:
                end = self._gate_end(folded, entry, fact, index)
                if end is not None and not any(isinstance(e, Rule) for e in entries[uncertain_until:end]):
                    self.dropped[entry.rule_id] = "decided at load"
                    removed_until = max(removed_until, end)
                    continue
                determined = False
            if not fact.tx_only:
                folded.dynamic.append(index)
                self.touched, self.seen = self.touched.union(fact.writes), self._saw(fact)
                if fact.skips:
                    uncertain_until = max(uncertain_until, self._skip_end(folded, entry, index))
                continue
            if determined and self._foldable(entry, fact):
                target = self._carry_out(folded, entry, index, fact)
                removed_until = max(removed_until, target)
                continue
            folded.fixed.append(index)
            self.touched, self.seen = self.touched.union(fact.writes), self._saw(fact)
            if fact.skips:
                uncertain_until = max(uncertain_until, self._skip_end(folded, entry, index))
            if index >= pristine_until and folded.pristine:
                pristine_until = self._pristine(folded, entry, index, pristine_until)
        return folded

    def _saw(self, fact: Effects) -> Names:
        return self.seen.union(fact.reads).union(fact.log_reads).union(fact.writes)

    def _never(self, rule: Rule) -> bool:
        """Whether the first link asks only for TX that cannot change any more, and does not match."""
        head = rule.head
        condition = Link(head.targets, "", head.argument, False, Actions(), "", 0)
        reads, foreign = link_reads(condition)
        if foreign or reads.meets(self.touched) or head.unconditional:
            return False
        self.scratch.enter(self.state)
        return not matches_any(self.scratch, BoundLink(head))

    def _gate_end(self, folded: FoldedPhase, rule: Rule, fact: Effects, index: int) -> int | None:
        """Where a silent rule that always matches and does nothing but skip leads to; else None.

        Inside a range that some other rule may jump over, such a gate can still be decided: what it skips is
        skipped either way, if it leads past no rule that the jump does not.
        """
        if not fact.writes.empty or not self._foldable(rule, fact) or self.scratch.skip_after is None:
            return None
        return folded.marker_after(self.scratch.skip_after, index)

    def _skip_end(self, folded: FoldedPhase, rule: Rule, index: int) -> int:
        if rule.head.actions.disruptive == "allow":
            return MISSING
        names = [link.actions.skip_after for link in rule.links if link.actions.skip_after]
        ends = [folded.marker_after(name, index) for name in names]
        if rule.head.actions.skip:
            ends.append(index + 1 + rule.head.actions.skip)
        return max(ends)

    def _foldable(self, rule: Rule, fact: Effects) -> bool:
        """Only silent rules are carried out at load; what logs or intervenes must do so every time."""
        self.scratch.enter(self.state)
        matched = evaluate(self.scratch, BoundRule(rule))
        silent = not self.scratch.fired and self.scratch.would is None and self.scratch.allow_scope is None
        written = matched or not self.scratch.tx_shared
        if written and fact.writes.meets(self.touched) and (not matched or not fact.writes.listed):
            return False  # which of the names that a request may have changed it sets back is not known
        return not matched or (silent and not rule.head.actions.skip)

    def _carry_out(self, folded: FoldedPhase, rule: Rule, index: int, fact: Effects) -> int:
        """Take over the result `_foldable` has just computed. Return where it skips to."""
        scratch = self.scratch
        self.dropped[rule.rule_id] = "decided at load"
        before, after = self.state, scratch.tx
        names = before.keys() | after.keys() | (fact.writes.exact if scratch.matched_rules else frozenset())
        changed = {
            name: after.get(name)
            for name in names
            if before.get(name) != after.get(name) or (scratch.matched_rules and self._resets(name, fact))
        }
        if changed:
            self.state = dict(after)
            if not self.seen.meets(fact.writes) and rule.phase == 1:
                kept = {**self.template, **changed}
                self.template = {name: value for name, value in kept.items() if value is not None}
            else:
                folded.assigned[index] = changed
            folded.changes.append((index, dict(self.state)))
        return folded.marker_after(scratch.skip_after, index) if scratch.skip_after else -1

    def _resets(self, name: bytes, fact: Effects) -> bool:
        """Whether a name that a request may have changed is set back, as 949059 does between two sums of scores."""
        this = Names(frozenset({name}))
        return this.meets(fact.writes) and this.meets(self.touched)

    def _pristine(self, folded: FoldedPhase, rule: Rule, index: int, until: int) -> int:
        """Follow a fixed rule on the TX that holds as long as no request-dependent rule matched."""
        self.scratch.enter(self.state)
        evaluate(self.scratch, BoundRule(rule))
        scratch = self.scratch
        if scratch.fired or scratch.would is not None or scratch.skip or scratch.allow_scope is not None:
            folded.pristine = False
        if not scratch.tx_shared:
            self.state = dict(scratch.tx)
            folded.changes.append((index, dict(self.state)))
        if scratch.skip_after is not None:
            until = folded.marker_after(scratch.skip_after, index)
            folded.dead.append((index + 1, until))
        return until


def _idle(rule: Rule) -> bool:
    """Whether nothing follows from a match: CRS's 901340 only forces REQUEST_BODY, which is there anyway."""
    if rule.log or rule.audit_log or rule.head.actions.disruptive not in (None, "pass"):
        return False
    for link in rule.links:
        actions = link.actions
        if hasattr(link.operator, "lookup"):  # @geoLookup fills GEO
            return False
        if actions.setvars or actions.capture or actions.skip or actions.skip_after or actions.severity is not None:
            return False
        if actions.sanitise or any(a.name != "ctl" or a.argument.name not in IDLE_CONTROLS for a in actions.runtime):
            return False
    return True


def constant_argument(argument: Macro, folded: Folded, state: dict[bytes, bytes]) -> bytes | None:
    """The text of a macro argument if every reference is to a TX name that cannot change after set-up."""
    parts: list[bytes] = []
    for part in argument.parts:
        if isinstance(part, bytes):
            parts.append(part)
            continue
        variable, key = part
        name = (key or "").lower().encode("latin-1")
        if variable != "TX" or not key or Names(frozenset({name})).meets(folded.touched) or name not in state:
            return None
        parts.append(state[name])
    return b"".join(parts)
