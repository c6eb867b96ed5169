"""The gates that header fields open: most fields come again, so each is judged once and remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from bascule.waf.matcher.automaton import Automaton
from bascule.waf.matcher.memo import MAX_KEY, Memo
from bascule.waf.matcher.plan import VOLATILE, ExactGate, Plan
from bascule.waf.matcher.scanner import Scanner, gather
from bascule.waf.seclang.evaluate import evaluate, matches_any
from bascule.waf.steady import Shape, Steady

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

Header = tuple[bytes, bytes]
Headers = list[Header]


class Looking(NamedTuple):
    """The gates that look at headers of one name.

    `bits` scanning may open; `gates` is all of them, `unscanned` those neither scanned nor judged by the
    name alone; `opened` are those the name alone opens.
    """

    bits: int
    gates: list[ExactGate]
    unscanned: list[ExactGate]
    opened: int
    automaton: Automaton


class RequestFields:
    """Judges the fields of requests. `scratch` makes transactions on which rules can be tried out."""

    def __init__(self, plan: Plan, scanner: Scanner, scratch: Callable[[], Transaction]) -> None:
        self._plan, self._scanner, self._scratch = plan, scanner, scratch
        self._judged: Memo[Header, int] = Memo()
        self._names: Memo[tuple[bytes, ...], int] = Memo()
        self._looking: Memo[bytes, Looking] = Memo()

    def steady(self, pairs: Headers) -> Steady:
        """Judge fields that will come again."""
        mask, wanted = 0, 0
        raw: list[tuple[Automaton, list[bytes]]] = []
        for field in pairs:
            if field[0] in VOLATILE:
                looking = self.looking_at(field[0])
                raw.append((looking.automaton, [field[1]]))
                wanted |= looking.bits
                mask |= looking.opened | self.opened(field)
            else:
                mask |= self.judge(field)
        if raw:
            mask |= self._scanner.scan_parts(raw) & wanted
        return Steady(pairs, mask)

    def judge(self, field: Header) -> int:
        """The gates a field opens, by evaluating what looks at it; remembered."""
        found = self._judged.get(field)
        if found is not None:
            return found
        found = self._judged.recall(field)
        if found is not None:
            return found
        name, value = field
        looking = self.looking_at(name)
        scanned = self._scanner.scan_parts([(looking.automaton, [name, value])])
        found = self._evaluate(field, [gate for gate in looking.gates if not gate.scanned or scanned & gate.bit])
        if len(name) + len(value) <= MAX_KEY:
            self._judged.put(field, found)
        return found

    def opened(self, field: Header) -> int:
        """The gates a field opens beside those it is scanned for and those its name opens."""
        return self._evaluate(field, self.looking_at(field[0]).unscanned)

    def shape(self, steady: Steady, varying: Headers, facts: int) -> Shape:
        """What is known of heads by the names of their fields that vary. `facts`: the gates of method and the like."""
        mask = steady.mask | facts | self.named(steady, tuple([name for name, _ in varying]))
        volatile = [place for place, (name, _) in enumerate(varying) if name in VOLATILE]
        looking = {place: self.looking_at(varying[place][0]) for place in volatile}
        for found in looking.values():
            mask |= found.opened
        return Shape(
            mask,
            tuple(volatile),
            tuple([place for place in range(len(varying)) if place not in looking]),
            tuple([place for place, found in looking.items() if found.unscanned]),
        )

    def looking_at(self, name: bytes) -> Looking:
        """Which gates look at the headers called `name`."""
        found = self._looking.get(name)
        if found is not None:
            return found
        found = self._looking.recall(name)
        if found is None:
            gates = [gate for gate in self._plan.headers if gate.covers(name)]
            bits = 0
            for gate in gates:
                bits |= gate.bit if gate.scanned else 0
            named = [gate for gate in gates if gate.by_name and not gate.scanned]
            others = [gate for gate in gates if not gate.by_name and not gate.scanned]
            automaton = gather([gate.gathered for gate in gates if gate.gathered is not None])
            found = Looking(bits, gates, others, self._evaluate((name, b""), named), automaton)
            if len(name) <= MAX_KEY:
                self._looking.put(name, found)
        return found

    def named(self, steady: Steady, varying: tuple[bytes, ...]) -> int:
        """The gates that the names of all fields open, such as those on how often one comes."""
        names = steady.names + varying
        found = self._names.recall(names)
        if found is None:
            found = 0
            t = self._scratch()
            t.set_head(b"GET", b"/", b"1.1", [(name, b"") for name in names])
            for gate in self._plan.header_names:
                if matches_any(t, gate.link):
                    found |= gate.bit
            if sum(map(len, names)) <= MAX_KEY:
                self._names.put(names, found)
        return found

    def _evaluate(self, field: Header, gates: list[ExactGate]) -> int:
        """The gates among `gates` that a field opens by itself."""
        if not gates:
            return 0
        t = self._scratch()
        t.set_head(b"GET", b"/", b"1.1", [field])
        found = 0
        for gate in gates:
            if opens(gate, t, self._plan.states):
                found |= gate.bit
        return found


class ResponseFields:
    """Judges the fields of responses."""

    def __init__(self, plan: Plan, scratch: Callable[[], Transaction]) -> None:
        self.gates, self._scratch = plan.response_headers, scratch
        self._judged: Memo[Header, int] = Memo()

    def steady(self, pairs: Headers) -> Steady:
        """Judge fields that will come again."""
        return Steady(pairs, self.judge(pairs))

    def judge(self, pairs: Headers) -> int:
        """The gates that fields open; remembered."""
        mask = 0
        for field in pairs:
            found = self._judged.get(field)
            mask |= found if found is not None else self._judge(field)
        return mask

    def _judge(self, field: Header) -> int:
        found = self._judged.recall(field)
        if found is None:
            t = self._scratch()
            t.set_response(0, [field])
            found = 0
            for gate in self.gates:
                if any(target.selects(field[0]) for target in gate.targets) and matches_any(t, gate.link):
                    found |= gate.bit
            if len(field[0]) + len(field[1]) <= MAX_KEY:
                self._judged.put(field, found)
        return found


def opens(gate: ExactGate, t: Transaction, states: dict[int, dict[bytes, bytes]]) -> bool:
    """Whether a gate opens for what `t` holds."""
    if not matches_any(t, gate.link):
        return False
    if gate.whole is None:
        return True
    t.enter(states[id(gate.rule)])
    return evaluate(t, gate.whole)
