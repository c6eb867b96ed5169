"""Choose for every request-dependent rule the gates that must open before it is evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bascule.waf.matcher.glance import stays_in_field
from bascule.waf.matcher.ordinary import OrdinaryBuilder
from bascule.waf.matcher.patterns import BASE, CASELESS, Expression, Patterns, has_anchor, literal
from bascule.waf.matcher.scanner import Gathered, ScannerBuilder, chain_of
from bascule.waf.matcher.sqli import Guarded
from bascule.waf.seclang import variables as v
from bascule.waf.seclang.effects import NOTHING, Names, link_reads, link_writes, reads_from_others
from bascule.waf.seclang.evaluate import IMPURE, BoundLink, BoundRule, matches
from bascule.waf.seclang.folding import Folded, constant_argument
from bascule.waf.seclang.model import Actions, Link, Rule, Target
from bascule.waf.seclang.operators.detect import DetectSqli
from bascule.waf.seclang.quiet import disturbs, is_lazy

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

FACTS = frozenset({"REQUEST_METHOD", "REQUEST_PROTOCOL", "REQBODY_PROCESSOR"})
PEERS = frozenset({"REMOTE_ADDR", "REMOTE_HOST", "SERVER_ADDR", "SERVER_PORT"})
"""Scalars with few different values: their links are evaluated once for each combination."""

WITHOUT_BODY: dict[str, bytes] = {
    "REQBODY_ERROR": b"0",
    "REQBODY_PROCESSOR_ERROR": b"0",
    "INBOUND_DATA_ERROR": b"0",
    **dict.fromkeys(("REQUEST_BODY_LENGTH", "FILES_COMBINED_SIZE", *v.MULTIPART_FLAGS), b""),
}
"""What these variables say of a request that has no body."""

XPATHS = frozenset({"/*", "//@*", "//*"})
"""The XPath targets whose values are scanned; any other target on XML opens its gate for every XML body."""


VOLATILE = frozenset({b"cookie", b"referer", b"authorization", b"if-none-match", b"if-modified-since"})
"""Headers whose values seldom come again: scanned with the rest of the request instead of remembered."""

PATH = frozenset({"REQUEST_FILENAME", "REQUEST_BASENAME", "PATH_INFO"})
"""Scanned with the parsed values, for most rules that look at them look at those too."""


def selector_text(target: Target) -> bytes:
    """The regular expression of a target's selector."""
    return target.source.partition(":")[2].strip("'")[1:-1].encode("latin-1")


@dataclass(slots=True)
class ExactGate:
    """A link that is evaluated when the value it looks at is first seen; and with it, perhaps, its whole rule."""

    rule: Rule
    link: BoundLink
    whole: BoundRule | None
    bit: int
    targets: list[Target]
    scanned: bool = False
    gathered: Gathered | None = None
    weak: list[Expression] = field(default_factory=list)
    """Expressions on the file name that most other texts would match: not scanned for in ordinary ones."""

    @property
    def by_name(self) -> bool:
        """Whether it looks at header names alone."""
        return all(target.variable.source == v.HEADER_NAME for target in self.targets)

    def covers(self, name: bytes) -> bool:
        """Whether it looks at the header called `name`."""
        return any(target.selects(name) for target in self.targets)


@dataclass(slots=True)
class Plan:
    """The gates of a rule set, by what opens them."""

    ordinary_values: OrdinaryBuilder
    ordinary_raw: OrdinaryBuilder
    ordinary_line: OrdinaryBuilder
    """What is in `values` and `raw`, for ordinary texts that vary (`ordinary.py`)."""
    ordinary_body: OrdinaryBuilder
    """What is in `body_text`, for forms of ordinary texts: but for what their names and values are scanned for."""
    needs: dict[int, int] = field(default_factory=dict)
    links: dict[int, BoundLink] = field(default_factory=dict)
    """What is behind the gates that one link opens."""
    values: ScannerBuilder = field(default_factory=ScannerBuilder)
    raw: ScannerBuilder = field(default_factory=ScannerBuilder)
    body_text: ScannerBuilder = field(default_factory=ScannerBuilder)
    response: ScannerBuilder = field(default_factory=ScannerBuilder)
    headers: list[ExactGate] = field(default_factory=list)
    paths: list[ExactGate] = field(default_factory=list)
    header_names: list[ExactGate] = field(default_factory=list)
    facts: list[ExactGate] = field(default_factory=list)
    peers: list[ExactGate] = field(default_factory=list)
    uri: list[tuple[str, ExactGate]] = field(default_factory=list)
    response_headers: list[ExactGate] = field(default_factory=list)
    uri_bits: dict[str, int] = field(default_factory=dict)
    uri_chains: dict[str, list[Gathered]] = field(default_factory=dict)
    query_anchored: bool = False
    part: int = 0
    body: list[ExactGate] = field(default_factory=list)
    xml: int = 0
    gates: dict[int, list[str]] = field(default_factory=dict)
    states: dict[int, dict[bytes, bytes]] = field(default_factory=dict)


def _says_little(link: Link) -> bool:
    """Whether a link only asks of a Referer what nearly all are like: to scan for that would be in vain."""
    targets = [target for target in link.targets if not target.exclude]
    referer = all(t.variable.source == v.HEADER and t.name == b"referer" and not t.count for t in targets)
    pure = link.operator is not None and link.operator_name not in IMPURE
    return bool(targets) and referer and pure and matches(BoundLink(link), b"https://www.example.com/shop/")


def empty_plan(patterns: Patterns) -> Plan:
    """Return a plan without gates."""
    values, line, body = (OrdinaryBuilder(patterns) for _ in range(3))
    return Plan(values, OrdinaryBuilder(patterns, plus=True), line, body)


class Planner:
    """Builds a Plan. `scratch` evaluates single links on assumed values."""

    def __init__(self, folded: Folded, scratch: Transaction, patterns: Patterns) -> None:
        self.folded, self.scratch, self.patterns = folded, scratch, patterns
        self.plan = empty_plan(patterns)
        self._next = 1
        rules = [(phase.entries[i], self._state(phase, i)) for _, phase in folded.phases.items() for i in phase.dynamic]
        self.rules = [(rule, state) for rule, state in rules if isinstance(rule, Rule)]
        self._others = [
            entry for phase in folded.phases.values() for i in (*phase.dynamic, *phase.fixed)
            if isinstance(entry := phase.entries[i], Rule)
        ]  # fmt: skip
        self._fixed = [
            entry for phase in folded.phases.values() for i in phase.fixed
            if isinstance(entry := phase.entries[i], Rule)
        ]  # fmt: skip

    @staticmethod
    def _state(phase: object, index: int) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for place, state in phase.changes:  # type: ignore[attr-defined]
            if place < index:
                found = state
        return found

    def build(self) -> Plan:
        for phase in self.folded.phases.values():
            for index in (*phase.dynamic, *phase.fixed):
                self._bind(phase.entries[index], self._state(phase, index))
        for rule, state in self.rules:
            if rule.phase == 5:
                continue
            if is_lazy(rule, disturbs(rule, self._fixed)):
                continue  # evaluated if anything else is
            self.plan.states[id(rule)] = state
            self.plan.needs[id(rule)] = self._needs(rule, state)
        return self.plan

    def _bind(self, rule: object, state: dict[bytes, bytes]) -> None:
        """Compile operators whose macros can only ever expand to one text."""
        assert isinstance(rule, Rule)
        for link in rule.links:
            if link.operator is None and link.bind is not None:
                argument = constant_argument(link.argument, self.folded, state)
                if argument is not None:
                    link.operator = link.bind(argument)
            if isinstance(link.operator, DetectSqli):
                link.operator = Guarded(link.operator)

    def _bit(self) -> int:
        bit = self._next
        self._next <<= 1
        return bit

    def _needs(self, rule: Rule, state: dict[bytes, bytes]) -> int:
        kind = self._local(rule)
        if kind is not None:
            bit = self._bit()
            first = rule.links[0]
            expressions = self.patterns.necessary(first, self._argument(first, state))
            whole = BoundRule(rule) if len(rule.links) > 1 else None
            gate = ExactGate(rule, BoundLink(first), whole, bit, [t for t in first.targets if not t.exclude])
            if kind == "headers":
                self._header_gate(gate, first, expressions)
            else:
                gate.scanned = expressions is not None
                each = first.actions.multi_match
                self.plan.values.add(expressions or [], chain_of(first), bit, each)
                gate.weak = self._weak(expressions or [], first)
                strong = [expression for expression in expressions or [] if expression not in gate.weak]
                self.plan.ordinary_values.add(strong, chain_of(first), bit, each)
                self.plan.paths.append(gate)
            self.plan.gates[rule.rule_id] = [f"{kind}, the whole rule"]
            return bit
        links = rule.links if not self._partly_visible(rule) else rule.links[:1]
        need = 0
        for link in sorted(links, key=_says_little):
            if not need or not _says_little(link):
                need |= self._gate(rule, link, state)
        return need

    def _weak(self, expressions: list[Expression], link: Link) -> list[Expression]:
        """Those that are no phrases, and of which something is left for ordinary texts."""
        steps, each = link.actions.transformations, link.actions.multi_match
        return [e for e in expressions if not e.phrase and self.patterns.ordinary(e, steps, each) != []]

    def _argument(self, link: Link, state: dict[bytes, bytes]) -> bytes | None:
        literal = link.argument.literal
        return literal if literal is not None else constant_argument(link.argument, self.folded, state)

    # -- one link --------------------------------------------------------------------------------

    def _gate(self, rule: Rule, link: Link, state: dict[bytes, bytes]) -> int:
        """Register a gate for one link. Returns its bit, or 0 if the link cannot be judged beforehand."""
        targets = [target for target in link.targets if not target.exclude]
        argument = self._argument(link, state)
        if not targets or argument is None or link.operator is None or link.operator_name in IMPURE:
            return 0
        expressions = self.patterns.necessary(link, argument)
        kinds = [self._kind(link, target, expressions) for target in targets]
        if any(kind is None for kind in kinds):
            return 0
        bit = self._bit()
        plan = self.plan
        exact = ExactGate(rule, BoundLink(link), None, bit, [])
        plan.links[bit] = exact.link
        for target, kind in zip(targets, kinds, strict=True):
            self._register(exact, link, target, kind or "", expressions)
        if exact.targets:
            self._header_gate(exact, link, expressions)
        if "request body" in kinds and expressions is not None:
            alone = [e for e in expressions if "values" not in kinds or not stays_in_field(e.text)]
            left = self.patterns.for_ordinary(link, alone)
            plan.ordinary_body.add(left, chain_of(link), bit, link.actions.multi_match)
        plan.gates.setdefault(rule.rule_id, []).append(" | ".join(sorted({kind or "" for kind in kinds})))
        return bit | self._named(rule, targets)

    def _named(self, rule: Rule, targets: list[Target]) -> int:
        """A further gate for links that look at arguments or cookies of certain names: such a name must occur."""
        expressions: list[Expression] = []
        for target in targets:
            if target.variable.source != v.VALUE or target.count or target.xpath is not None:
                return 0
            if target.name:
                expressions.append(Expression(b"^" + literal(target.name), BASE | CASELESS))
                continue
            found = self.patterns.regex(selector_text(target), BASE | CASELESS) if target.pattern is not None else None
            if found is None:
                return 0
            expressions.extend(found)
        bit = self._bit()
        self.plan.values.add(expressions, (), bit)
        self.plan.ordinary_values.add(expressions, (), bit)
        self.plan.gates[rule.rule_id].append("names")
        return bit

    def _kind(self, link: Link, target: Target, expressions: list[Expression] | None) -> str | None:
        """How a target's gate is opened, or None if it has none."""
        variable, source = target.variable, target.variable.source
        if target.count:
            if source in (v.HEADER, v.HEADER_NAME):
                return "header names"
            return "multipart" if source == v.PART and not matches(BoundLink(link), b"0") else None
        if variable.name in FACTS:
            return "facts"
        if variable.name in PEERS:
            return "peers"
        if variable.name in WITHOUT_BODY:
            default = WITHOUT_BODY[variable.name]
            return None if matches(BoundLink(link), default) else "body"
        if source in (v.HEADER, v.HEADER_NAME):
            return "headers"
        if source == v.URI:
            if expressions is None:
                return "uri exactly"
            return "values" if variable.name in PATH else "uri"
        if source == v.PART:
            return "multipart"
        if source == v.VALUE and target.xpath is not None and target.xpath not in XPATHS:
            return "xml"
        scanned = {v.VALUE: "values", v.BODY: "request body", v.RESPONSE_BODY: "response body"}.get(source)
        if scanned is not None:
            return scanned if expressions is not None else None
        return "response headers" if variable.name == "RESPONSE_HEADERS" else None

    def _register(
        self, exact: ExactGate, link: Link, target: Target, kind: str, expressions: list[Expression] | None
    ) -> None:
        plan, bit = self.plan, exact.bit
        chain = chain_of(link)
        match kind:
            case "header names":
                plan.header_names.append(exact)
            case "facts":
                plan.facts.append(exact)
            case "peers":
                plan.peers.append(exact)
            case "body":
                plan.body.append(exact)
            case "multipart":
                plan.part |= bit
            case "xml":
                plan.xml |= bit
            case "headers":
                exact.targets.append(target)
            case "uri exactly":
                plan.uri.append((target.variable.name, exact))
            case "response headers":
                exact.scanned = False
                plan.response_headers.append(ExactGate(exact.rule, exact.link, None, bit, [target]))
            case _:
                assert expressions is not None
                builders = {"values": plan.values, "request body": plan.body_text, "response body": plan.response}
                builder = builders.get(kind, plan.raw)
                made = builder.add(expressions, chain, bit, link.actions.multi_match)
                name = target.variable.name
                if builder is plan.values or builder is plan.raw:
                    raw = plan.ordinary_line if name == "REQUEST_LINE" else plan.ordinary_raw
                    place = raw if kind == "uri" else plan.ordinary_values
                    left = self.patterns.for_ordinary(link, expressions)
                    if place is plan.ordinary_line and link.operator_name == "streq":
                        # A line has its protocol at its end; CRS's 905100 asks for one that has none.
                        left = left if b" HTTP/" in (link.argument.literal or b" HTTP/") else []
                    place.add(left, chain, bit, link.actions.multi_match)
                if kind == "uri":
                    plan.uri_bits[name] = plan.uri_bits.get(name, 0) | bit
                    plan.uri_chains.setdefault(name, []).append(made)
                    if name == "QUERY_STRING" and any(has_anchor(expression) for expression in expressions):
                        plan.query_anchored = True

    def _header_gate(self, gate: ExactGate, link: Link, expressions: list[Expression] | None) -> None:
        """Headers: scanned where the operator has expressions, evaluated otherwise."""
        if expressions is not None:
            gate.scanned = True
            each = link.actions.multi_match
            gate.gathered = self.plan.raw.add(expressions, chain_of(link), gate.bit, each)
            if any(map(gate.covers, VOLATILE)):
                left = self.patterns.for_ordinary(link, expressions)
                self.plan.ordinary_raw.add(left, chain_of(link), gate.bit, each)
        self.plan.headers.append(gate)

    # -- what a chain's links do to TX on the way ------------------------------------------------

    def _partly_visible(self, rule: Rule) -> bool:
        """Whether a link before the last writes TX names that another rule reads."""
        writes = NOTHING
        for link in rule.links[:-1]:
            writes = writes.union(link_writes(link))
        if writes.empty:
            return False
        reads = self._reads
        return any(names.meets(writes) for other, names in zip(self._others, reads, strict=True) if other is not rule)

    @cached_property
    def _reads(self) -> list[Names]:
        return [reads_from_others(rule) for rule in self._others]

    def _local(self, rule: Rule) -> str | None:
        """Whether the rule is a function of one header, or of the file name, and of TX that never changes.

        Returns "headers", "path" or None. With two links, the second reads only what the first wrote. Two
        headers of one name cannot make up a match together then: each TX name the second link sees
        comes from one of them.
        """
        first = rule.links[0]
        targets = [target for target in first.targets if not target.exclude]
        if targets and all(t.variable.source in (v.HEADER, v.HEADER_NAME) and not t.count for t in targets):
            kind = "headers"
        elif targets and all(t.variable.name in PATH for t in targets):
            kind = "path"
        else:
            return None
        return kind if self._is_local(rule, first) else None

    def _is_local(self, rule: Rule, first: Link) -> bool:
        if rule.phase > 2 or first.operator is None or first.operator_name in IMPURE:
            return False
        if len(rule.links) == 1:
            return True
        reads, foreign = link_reads(Link([], "", first.argument, False, first.actions, "", 0))
        own = link_writes(first)
        if len(rule.links) > 2 or foreign or any(setvar.how != "=" for setvar in first.actions.setvars):
            return False
        second = rule.links[1]
        if any(t.variable.source not in (v.TX, v.MATCHED) or t.count for t in second.targets):
            return False
        condition, other = link_reads(Link(second.targets, "", second.argument, False, Actions(), "", 0))
        left = condition.union(reads).without(own)
        return not other and not left.meets(self.folded.touched) and not self._partly_visible(rule)


def build_plan(folded: Folded, scratch: Transaction, patterns: Patterns) -> Plan:
    """Return the gates for every dynamic rule of `folded`."""
    return Planner(folded, scratch, patterns).build()
