"""What a rule reads and writes of TX: the facts that folding and the prefilter rest on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bascule.waf.seclang.macros import Macro
from bascule.waf.seclang.model import Link, Rule, Target
from bascule.waf.seclang.variables import MATCHED, TX

CAPTURES = frozenset(b"%d" % n for n in range(10))


@dataclass(frozen=True, slots=True)
class Names:
    """A set of TX names: some exactly, some by prefix (a name with a macro in it) or by a text inside, or all.

    A name that a macro completes is taken not to hold, by chance, the text another rule looks for inside names.
    """

    exact: frozenset[bytes] = frozenset()
    prefixes: tuple[bytes, ...] = ()
    everything: bool = False
    inside: tuple[bytes, ...] = ()

    def union(self, other: Names) -> Names:
        return Names(
            self.exact | other.exact,
            tuple(dict.fromkeys(self.prefixes + other.prefixes)),
            self.everything or other.everything,
            tuple(dict.fromkeys(self.inside + other.inside)),
        )

    def without(self, other: Names) -> Names:
        """The names less those of `other` (prefixes and texts only where they are the same)."""
        prefixes = tuple(p for p in self.prefixes if not any(p.startswith(q) for q in other.prefixes))
        inside = tuple(t for t in self.inside if not any(t in q for q in other.prefixes))
        return Names(self.exact - other.exact, prefixes, self.everything, inside)

    def meets(self, other: Names) -> bool:
        """Whether some name may be in both."""
        if self.empty or other.empty:
            return False
        if self.everything or other.everything or self.exact & other.exact:
            return True
        if any(name.startswith(prefix) for name in self.exact for prefix in other.prefixes):
            return True
        if any(name.startswith(prefix) for name in other.exact for prefix in self.prefixes):
            return True
        if any(a.startswith(b) or b.startswith(a) for a in self.prefixes for b in other.prefixes):
            return True
        return _inside(self, other) or _inside(other, self)

    @property
    def listed(self) -> bool:
        """Whether every name is known exactly."""
        return not (self.prefixes or self.inside or self.everything)

    @property
    def empty(self) -> bool:
        return not (self.exact or self.prefixes or self.everything or self.inside)


def _inside(one: Names, other: Names) -> bool:
    return any(text in name for text in one.inside for name in (*other.exact, *other.prefixes))


NOTHING = Names()
EVERYTHING = Names(everything=True)


def _macro_reads(macro: Macro | None) -> tuple[Names, bool]:
    """(TX names read, whether it reads anything but TX and the rule at hand)."""
    names, foreign = NOTHING, False
    for variable, key in macro.references if macro else ():
        if variable == "TX":
            names = names.union(Names(frozenset({key.lower().encode("latin-1")})) if key else EVERYTHING)
        elif variable not in ("MATCHED_VAR", "MATCHED_VAR_NAME", "MATCHED_VARS", "MATCHED_VARS_NAMES", "RULE"):
            foreign = True
    return names, foreign


def _target_reads(target: Target) -> Names:
    if target.name is not None:
        return Names(frozenset({target.name}))
    if target.pattern is None:
        return EVERYTHING
    text = target.source.partition(":")[2].strip("/").lower()
    found = re.match(r"(\^?)([\w-]*)([*?{+|]?)", text)
    literal = found[2][: -1 if found[3] in ("*", "?", "{") else None] if found and found[3] != "|" else ""
    if not found or not literal or "|" in text:
        return EVERYTHING
    encoded = (literal.encode("latin-1"),)
    return Names(prefixes=encoded) if found[1] else Names(inside=encoded)


def key_names(key: Macro) -> Names:
    """The TX names a setvar key with macros may stand for."""
    if key.literal is not None:
        return Names(frozenset({key.literal.lower()}))
    first = key.parts[0]
    return Names(prefixes=(first.lower() if isinstance(first, bytes) else b"",))


@dataclass(frozen=True, slots=True)
class Effects:
    """`tx_only`: the rule depends on and changes nothing but TX (and skipping, logging, intervening)."""

    reads: Names
    log_reads: Names
    writes: Names
    tx_only: bool
    skips: bool


def link_reads(link: Link) -> tuple[Names, bool]:
    """TX names a link's condition and setvars read, and whether it reads anything else of the transaction."""
    names, foreign = NOTHING, False
    for target in link.targets:
        if target.variable.source == TX:
            names = names.union(_target_reads(target))
        elif target.variable.source != MATCHED:
            foreign = True
    for macro in (link.argument, *(m for s in link.actions.setvars for m in (s.key, s.value))):
        read, other = _macro_reads(macro)
        names, foreign = names.union(read), foreign or other
    for setvar in link.actions.setvars:
        if setvar.collection != "TX":
            foreign = True
        elif setvar.how in "+-":
            names = names.union(key_names(setvar.key))
    return names, foreign


def link_writes(link: Link) -> Names:
    """TX names a link's setvars and captures may write."""
    names = Names(CAPTURES) if link.actions.capture else NOTHING
    for setvar in link.actions.setvars:
        if setvar.collection == "TX":
            names = names.union(key_names(setvar.key))
    return names


def effects(rule: Rule) -> Effects:
    """Return what `rule` reads and writes."""
    reads = writes = log_reads = NOTHING
    tx_only = True
    for link in rule.links:
        names, foreign = link_reads(link)
        reads, writes = reads.union(names), writes.union(link_writes(link))
        tx_only = tx_only and not foreign and not link.actions.runtime
        for text in (link.actions.message, link.actions.logdata, *link.actions.tags):
            names, _ = _macro_reads(text)
            log_reads = log_reads.union(names)
    head = rule.head.actions
    skips = bool(head.skip or any(link.actions.skip_after for link in rule.links)) or head.disruptive == "allow"
    return Effects(reads, log_reads, writes, tx_only, skips)


def reads_from_others(rule: Rule) -> Names:
    """Return the TX names a rule reads that it has not captured itself in an earlier link."""
    names, captured = NOTHING, False
    for link in rule.links:
        read, _ = link_reads(link)
        captured = captured or link.actions.capture
        names = names.union(Names(read.exact - CAPTURES, read.prefixes, read.everything) if captured else read)
    return names
