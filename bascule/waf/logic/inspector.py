"""The logic engine in a transaction: what it finds becomes fired rules and a verdict, on the way SecLang's rules take.

Exclusions hold for its rules as they do for others: by id, by tag, and for single parameters, cookies and fields.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bascule.waf.answers import Named
from bascule.waf.events import Evidence, FiredRule
from bascule.waf.logic.body_values import body_lines, body_values, file_values, is_file, operators, part_values
from bascule.waf.logic.charsets import in_utf8
from bascule.waf.logic.engine import Finding, Logic
from bascule.waf.logic.facts import FACTS, facts_in_turns
from bascule.waf.logic.rules import SHIPPED, Family, LogicRule, RuleBookError, read, tags_of
from bascule.waf.logic.values import Value, head_values, lines_of, lines_of_pairs, pair_values
from bascule.waf.seclang.macros import Macro
from bascule.waf.seclang.model import Actions, Link, Rule
from bascule.waf.seclang.syntax import WafLoadError

if TYPE_CHECKING:
    from bascule.http.h1.block import Block
    from bascule.waf.transaction import Transaction

MAX_FIRED = 8
"""Most rules one value adds to the event: those with most points tell the story."""
MAX_FINDINGS = 128
"""Fired rules after which a request is judged no further: an event of thousands would take seconds to write."""
MAX_BLOCK = 4096
"""Bytes of header fields that are judged in one go, and remembered if nothing is found in them."""
ID_BLOCK_ALL = 899_999
_COLLECTIONS = {
    "query": b"ARGS_GET", "body": b"ARGS_POST", "document": b"ARGS_POST", "cookie": b"REQUEST_COOKIES",
    "name": b"ARGS_NAMES", "path": b"REQUEST_FILENAME", "file": b"FILES", "upload": b"FILES_TMP_CONTENT",
}  # fmt: skip
_OF_TEXTS = ("body", "query")
_SEVERITY = {"critical": 2, "high": 3, "medium": 4, "low": 5}


class Inspector:
    """The logic rules of one firewall."""

    def __init__(self, logic: Logic, texts: Sequence[str] = ()) -> None:
        self._logic, self.screen = logic, logic.screen
        self._texts = re.compile("|".join(map(fnmatch.translate, texts)).encode()) if texts else None
        """What parameters are called that hold texts."""
        self._refuses = logic.preset != "detect-only"
        self.blocks_all = logic.preset == "block-all"
        families = {family.name: family for family in logic.book.families}
        self._rules = {rule.id: _as_rule(rule, families[rule.family]) for rule in logic.book.rules}

    @classmethod
    def load(
        cls, preset: str, cache_dir: Path | None, texts: Sequence[str] = (), file: Path | None = None
    ) -> Inspector:
        """Load the rules at a preset: the shipped ones, or those of a file.

        `texts` are patterns (``*``, ``?``) of parameters that hold texts.

        Raises:
            WafLoadError: there is no such preset, or the rules cannot be used.
        """
        try:
            return cls(Logic.load(preset, file or SHIPPED, cache_dir), texts)
        except RuleBookError as error:
            raise WafLoadError(error.file, 1, error.reason) from None
        except ValueError as error:
            raise WafLoadError("<settings>", 1, str(error)) from None

    @property
    def rules(self) -> Iterable[Rule]:
        """The rules, as events and exclusions know them."""
        return self._rules.values()

    def judge_head(self, t: Transaction, block: Block | None) -> None:
        """Judge the request line and the header fields; `block` holds those that come first and again and again."""
        if self.blocks_all:
            t.intervene("deny", 403, b"", ID_BLOCK_ALL, b"the preset block-all refuses every request")
            return
        if block is not None and self.clear(block):
            varying = t.headers[len(block.fields) :]
            lines = lines_of(t.target, varying)
            if lines is None or not self.screen.clears(lines):
                t.search(self._search(t, head_values(t.target, varying, t.known_query)))
        else:
            t.search(self._search(t, head_values(t.target, t.headers, t.known_query)))

    def clear(self, block: Block) -> bool:
        """Whether nothing is found in the fields of a block, which is noted on it. Large ones are searched in turns."""
        if block.cleared is self:
            return True
        values = head_values(b"", [(field[0], field[1]) for field in block.fields])
        if sum(len(value.data) for value in values) > MAX_BLOCK or self._logic.judge(values):
            return False
        block.cleared = self
        return True

    def judge_body(self, t: Transaction, body: bytes) -> None:
        """Judge the request body."""
        kind = type_of_body(t)
        pairs = pairs_of(t, kind, body)
        lines = body_lines(kind, body) if pairs is None else lines_of_pairs(pairs, t.body_kinds == ("JSON",))
        if lines is None or not self.screen.clears_values(lines):
            parts = t.parts if kind[:10].lower() == b"multipart/" else None
            t.search(self._search(t, body_values(kind, body, parts, pairs, t.xml)))

    def judge_piece(self, t: Transaction, body: bytes) -> None:
        """Judge the start or a later piece of a body, or a text message, by the values that were read from it."""
        if t.multipart is not None:
            values: Iterable[Value] = part_values(t.parts, body)
        elif t.piece.is_file if t.piece is not None else not t.message and is_file(type_of_body(t), body):
            values = file_values("upload", b"", body)
        else:
            values = pair_values(t.args_post)
        t.search(self._search(t, values))

    def _search(self, t: Transaction, values: Iterable[Value]) -> Iterator[None]:
        """Search values; a step ends with each finding, and wherever the search may rest."""
        for finding in self._logic.search(values):
            if finding is not None:
                if len(t.fired) >= MAX_FINDINGS:
                    t.note(f"more than {MAX_FINDINGS} findings: the others are not listed")
                    return
                if self._is_kept(t, finding):
                    continue
                name = variable_of(finding.value)
                rules = [rule for rule in finding.rules if not self._excluded(t, rule, name)]
                threshold = finding.threshold
                if t.profile is not None and (bias := t.profile.bias(finding.value)) < 0:
                    threshold = _biased(threshold, bias)
                if sum(rule.points for rule in rules) >= threshold:
                    self._record(t, finding, rules, name)
            yield

    def _is_kept(self, t: Transaction, finding: Finding) -> bool:
        """Whether what was found does nothing where texts are taken: the operator says so, or the profile knows."""
        place, name, _ = value = finding.value
        if place not in _OF_TEXTS:
            return False
        if self._texts is not None and self._texts.fullmatch(name):
            return finding.family.name not in self._logic.judge_text(value, True)
        if place == "body" and t.profile is not None and t.profile.takes_texts(value):
            return finding.family.name not in self._logic.judge_text(value, False)
        return False

    def judge_odd(self, t: Transaction, values: Iterable[Value]) -> None:
        """Judge values again that are unlike what their place usually gets: with thresholds lowered by their bias."""
        t.search(self._search_odd(t, values))

    def _search_odd(self, t: Transaction, values: Iterable[Value]) -> Iterator[None]:
        for value in values:
            bias = t.profile.bias(value) if t.profile is not None else 0
            facts = yield from facts_in_turns(value.data, value.place)
            name = variable_of(value)
            for family, points, threshold, rules in self._logic.points(facts):
                kept = [rule for rule in rules if not self._excluded(t, rule, name)]
                lowered = _biased(threshold, bias)
                if points < threshold and sum(rule.points for rule in kept) >= lowered:  # else it is found as ever
                    strongest = sorted(kept, key=lambda rule: -rule.points)
                    self._record(t, Finding(family, points, lowered, tuple(strongest), value), strongest, name)
            yield

    def _excluded(self, t: Transaction, rule: LogicRule, name: bytes) -> bool:
        if t.removals is None:
            return False
        known = self._rules[rule.id]
        removed = t.removals.targets_for(known)
        return t.removals.covers(known) or (removed is not None and removed(name))

    def _record(self, t: Transaction, finding: Finding, rules: list[LogicRule], name: bytes) -> None:
        value = finding.value.data
        title = finding.family.title.encode()
        points = b"%d points of %d in %b" % (finding.points, finding.threshold, name)
        for each in rules[:MAX_FIRED]:
            rule = self._rules[each.id]
            evidence = Evidence(name, value, value, rule.head)
            message = b"%b: %b" % (title, each.says.encode())
            tags = tuple(tag.encode() for tag in rule.tag_texts)
            t.fired.append(FiredRule(rule, message, points, tags, (evidence,), t.phase))
            t.matched_rules.append(each.id)
        if self._refuses:
            t.carry_out(t.waf.answers, rules[0].id, b"%b (%b)" % (title, points), finding.value)


def _biased(threshold: int, percent: int) -> int:
    """Return a threshold lowered by so many percent, or raised, for less than 0."""
    return max(1, threshold * (100 - percent) // 100)


def type_of_body(t: Transaction) -> bytes:
    """Return the content type of a body."""
    return t.header(b"content-type") or type_without(t.method)


def type_without(method: bytes) -> bytes:
    """Return what a body without a content type is: what is posted so, some programs (Rack's) take for a form."""
    return b"application/x-www-form-urlencoded" if method == b"POST" else b""


def pairs_of(t: Transaction, kind: bytes, body: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return a body's arguments if SecLang's rules or a profile had them read already, and they are all of it."""
    whole = t.body_kinds == ("JSON",) or (t.body_kinds == ("URLENCODED",) and b"x-www-form-urlencoded" in kind.lower())
    if not whole or t.body_error or operators(body):  # one on an empty list is no argument
        return None
    if in_utf8(kind, body):
        return None
    return t.args_post if t.unread is None else t.unread.pairs


def variable_of(value: Value) -> bytes:
    """Return the SecLang name of a value, which exclusions go by."""
    place, name, _ = value
    collection = _COLLECTIONS.get(place, b"REQUEST_HEADERS")
    return b"%b:%b" % (collection, name) if name else collection


def named_logic_rules(file: Path | None) -> list[Named]:
    """Return the rules of a file, or the shipped ones, as what answers can be given for. Raises RuleBookError."""
    return [Named(rule.id, rule.name, rule.family, True) for rule in read(file or SHIPPED, frozenset(FACTS)).rules]


def _as_rule(rule: LogicRule, family: Family) -> Rule:
    """Return a rule in the form that events and exclusions know."""
    tags = (f"logic/{family.name}", f"logic/{rule.name}", *tags_of(rule, family).texts)
    facts = Macro(" and ".join(rule.facts), (), ())
    actions = Actions(rule_id=rule.id, severity=_SEVERITY.get(family.risk, 4))
    link = Link([], "logic", facts, False, actions, "logic/rules.json", rule.id)
    return Rule([link], "logic/rules.json", 0, tags=frozenset(t.encode() for t in tags), tag_texts=tags)
