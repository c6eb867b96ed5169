"""The named rules in a transaction: what they find becomes fired rules and answers, as with rules of any other kind.

Exclusions hold for them by id, by tag (the family's name, or the rule's) and for single parameters, cookies and fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bascule.config.errors import suggest
from bascule.config.filters import WafFilters
from bascule.waf.answers import Answers, Named
from bascule.waf.events import Evidence, FiredRule
from bascule.waf.filters.head import Found, HeadCheck, head_checks
from bascule.waf.filters.table import CONFIGURED, ENABLE, LEVELS, Family, NamedRule, table
from bascule.waf.filters.uploads import UploadCheck
from bascule.waf.filters.values import FIRST_PATTERN, IDENTIFIER_IN_FILE, IDENTIFIER_IN_INPUT, is_text, value_checks
from bascule.waf.logic.body_values import body_values, file_values, part_values
from bascule.waf.logic.inspector import type_of_body, variable_of
from bascule.waf.logic.values import Value, head_values, pair_values
from bascule.waf.policy import SettingError
from bascule.waf.response.identifiers import Finder
from bascule.waf.rewriting import masked
from bascule.waf.seclang.macros import Macro
from bascule.waf.seclang.model import Actions, Link, Rule
from bascule.waf.weaknesses import of_named

if TYPE_CHECKING:
    from bascule.waf.bodies import Piece
    from bascule.waf.transaction import Transaction

MAX_FOUND = 32
"""Findings of one request after which the rest is not looked at."""
_IDENTIFIERS = (IDENTIFIER_IN_INPUT, IDENTIFIER_IN_FILE)
REWRITABLE = frozenset(("input-content", "user-pattern", "privacy-input", "privacy-file"))
"""Families whose rules are about a single value, which can be passed on changed."""
Files = frozenset[tuple[bytes, bytes]]
_SEVERITY = {"critical": 2, "high": 3, "medium": 4, "low": 5}


class FilterInspector:
    """The named rules of one firewall. Immutable, so that workers may inherit it."""

    def __init__(self, filters: WafFilters, preset: str) -> None:
        """Raises ValueError for a pattern that is none, SettingError for a rule that there is not to turn on. With an
        empty preset only what is configured runs."""
        book = table()
        self._rules = {
            rule.id: (rule, book.family(rule.family)) for rule in (*book.rules, *_patterns(filters))
        }  # fmt: skip
        self._fired = {number: as_rule(*pair) for number, pair in self._rules.items()}
        is_on = frozenset(rule.name for rule in book.rules if rule.is_on(preset)) | _enabled(filters.enable)
        self.refuses = preset != "detect-only"
        self._uploads = UploadCheck(filters.uploads, is_on)
        self.head: list[HeadCheck] = head_checks(filters, is_on)
        """What the request line and the header fields are held to."""
        if filters.uploads.max_size:
            self.head.append(HeadCheck(self._uploads.head))
        self._values = value_checks(filters)
        self._most = filters.lengths.parameters
        self._finder = Finder(filters.identifiers) if filters.identifiers else None
        self.on = bool(self.head or self._values or self._uploads.needed)
        """Whether there is anything to do."""
        self.looks_into_bodies = bool(self._values or self._most or self._finder)
        """Whether it looks at bodies other than uploads."""

    def named(self) -> Iterable[Named]:
        """Return what answers can be given for."""
        return (Named(r.id, r.name, r.family, r.family in REWRITABLE) for r, _ in self._rules.values())

    @property
    def rules(self) -> Iterable[Rule]:
        """The named rules, as events and exclusions know them."""
        return self._fired.values()

    def judge_head(self, t: Transaction, answers: Answers) -> None:
        """Judge the request line and the header fields."""
        for check in self.head:
            found = check.find(t)
            if found is not None:
                self.record(t, answers, found)
                if t.verdict is not None:
                    return
        if self._values:
            self._judge_values(t, answers, head_values(t.target, t.headers, t.known_query))

    def judge_body(self, t: Transaction, answers: Answers, body: bytes) -> None:
        """Judge the request body, or what is here of it."""
        kind = type_of_body(t)
        multipart = kind[:10].lower() == b"multipart/"
        if self._uploads.needed and multipart:
            for found in self._uploads.body(t)[:MAX_FOUND]:
                self.record(t, answers, found)
        files: Files = frozenset()
        if self._finder is not None and multipart:
            files = self._judge_files(t, answers, self._finder)
        if self._values or self._most:
            values = list(body_values(kind, body, t.parts if multipart else None))
            if self._most and sum(value.place == "body" for value in values) > self._most:
                self.record(t, answers, (701_007, b"REQUEST_BODY", b"%d parameters" % len(values)))
            self._judge_values(t, answers, values, files)

    def judge_piece(self, t: Transaction, answers: Answers, piece: Piece) -> None:
        """Judge a later piece of a large body."""
        files: Files = frozenset()
        values: Iterable[Value] = file_values("upload", b"", piece.data) if piece.is_file else pair_values(piece.pairs)
        if piece.parts is not None:
            if self._uploads.needed:
                for found in self._uploads.body(t)[:MAX_FOUND]:
                    self.record(t, answers, found)
            if self._finder is not None:
                files = self._judge_files(t, answers, self._finder)
            values = part_values(piece.parts, piece.data)
        if self._values:
            self._judge_values(t, answers, values, files)

    def _judge_files(self, t: Transaction, answers: Answers, finder: Finder) -> Files:
        """Judge what uploaded texts hold. Return the files, as they stand among the values of the body."""
        files = t.parts.files
        for part in files:
            if part.content and is_text(part.content) and finder.find(part.content):
                found = (IDENTIFIER_IN_FILE, b"FILES_TMP_CONTENT:" + part.name, part.filename)
                self.record(t, answers, found, Value("body", part.name, part.content), finder.mask)
        return frozenset((part.name, each.data) for part in files for each in file_values("", part.name, part.content))

    def _judge_values(
        self, t: Transaction, answers: Answers, values: Iterable[Value], files: Files = frozenset()
    ) -> None:
        for value in values:
            for check in self._values:
                rule = check.broken(value)
                if rule in _IDENTIFIERS and (value.name, value.data) in files:
                    continue
                if rule:
                    data = b"" if rule == IDENTIFIER_IN_FILE else value.data
                    self.record(t, answers, (rule, variable_of(value), data), value, check.mask)
                    if t.verdict is not None or len(t.fired) >= MAX_FOUND:
                        return

    def record(
        self,
        t: Transaction,
        answers: Answers,
        found: Found,
        value: Value | None = None,
        mask: Callable[[bytes], bytes] = masked,
        status: int = 403,
    ) -> None:
        """Note what a rule found, unless it is excluded, and answer it; see `Transaction.carry_out`."""
        message = self.note(t, found)
        if message and self.refuses:
            t.carry_out(answers, found[0], message, value, mask, status)

    def note(self, t: Transaction, found: Found, words: bytes = b"") -> bytes:
        """Note what a rule found, with further words. Return its message; nothing where an exclusion says so."""
        number, name, data = found
        if self.excludes(t, number, name):
            return b""
        fired = self._fired[number]
        rule, family = self._rules[number]
        message = f"{family.title}: {rule.says}".encode()
        tags = tuple(tag.encode() for tag in fired.tag_texts)
        evidence = Evidence(name, data, data, fired.head)
        t.fired.append(FiredRule(fired, message, words, tags, (evidence,), t.phase))
        t.matched_rules.append(number)
        return message

    def excludes(self, t: Transaction, number: int, name: bytes) -> bool:
        """Whether an exclusion says that a rule is not to look at a variable."""
        if t.removals is None:
            return False
        fired = self._fired[number]
        removed = t.removals.targets_for(fired)
        return t.removals.covers(fired) or (removed is not None and removed(name))


def _enabled(names: tuple[str, ...]) -> frozenset[str]:
    """Return the rules that the configuration turns on. Raises SettingError for one that cannot be."""
    known = {rule.name for rule in table().rules if rule.preset in (*LEVELS, ENABLE)}
    for index, name in enumerate(names):
        if name not in known:
            keys = next((rule.keys for rule in table().rules if rule.name == name), ())
            remedy = f"{name} runs once configured: see {' and '.join(f'waf.{key}' for key in keys)}" if keys else ""
            raise SettingError(
                ("filters", "enable", index),
                f"there is no rule {name!r} to turn on",
                remedy or suggest(name, known) or f"there are {', '.join(sorted(known))}",
            )
    return frozenset(names)


def _patterns(filters: WafFilters) -> list[NamedRule]:
    """Return the rules of the configuration's own patterns."""
    return [
        NamedRule(FIRST_PATTERN + n, pattern.name, "user-pattern",
                  pattern.says or f"holds what the pattern {pattern.name} finds", CONFIGURED, ("filters.patterns",))
        for n, pattern in enumerate(filters.patterns)
    ]  # fmt: skip


def as_rule(rule: NamedRule, family: Family) -> Rule:
    """Return a rule in the form that events and exclusions know."""
    tags = (family.name, f"{family.name}/{rule.name}", *of_named(family.name, rule.name).texts)
    says = Macro(rule.says, (), ())
    actions = Actions(rule_id=rule.id, severity=_SEVERITY[family.risk])
    link = Link([], "filter", says, False, actions, "filters/table.json", rule.id)
    return Rule([link], "filters/table.json", 0, tags=frozenset(tag.encode() for tag in tags), tag_texts=tags)
