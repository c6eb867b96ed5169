"""The exact meaning of one rule for one transaction: values, transformations, operator, actions, chain.

Follows libmodsecurity's `RuleWithOperator::evaluate`: `setvar`, capture and MATCHED_* happen for every
matching value of a link; `ctl`, collections, logging and the disruptive action only when the whole chain
matched. MATCHED_VARS starts empty for each chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bascule.waf.events import Evidence, FiredRule
from bascule.waf.matcher.triggers import PLAIN, QUIET, unchanged_bytes
from bascule.waf.pace import rest
from bascule.waf.seclang.collections import to_int
from bascule.waf.seclang.controls import Control
from bascule.waf.seclang.model import Link, Rule, SetVar, Target
from bascule.waf.seclang.operators import LimitExceededError, Match
from bascule.waf.seclang.resolve import Reader, excluder, reader

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

MAX_EVIDENCE = 16
"""Most matched values one fired rule keeps for its event."""

IMPURE = frozenset({"rbl"})
"""Operators whose answer may change with time: never remembered, never decided by the prefilter."""

_NONE: frozenset[bytes] = frozenset()

MAX_CLEAN = 2_048
MAX_CLEAN_TEXT = 64
"""How many values of at most so many bytes a link keeps in mind that do not match: 128 KiB for a link that is busy."""


class BoundLink:
    """A link made ready to run: readers, exclusions, transformations and operator as plain functions."""

    __slots__ = (
        "_make",
        "actions",
        "argument",
        "clean",
        "evaluate",
        "excluded",
        "functions",
        "link",
        "look_up",
        "negated",
        "pure",
        "quiet",
        "readers",
        "screen",
        "unchanged",
    )

    def __init__(self, link: Link) -> None:
        self.link = link
        self.actions = link.actions
        self.negated = link.negated
        self.functions = link.functions
        self.quiet = all(name in QUIET for name in link.actions.transformations)
        includes = [target for target in link.targets if not target.exclude]
        exclusions = [target for target in link.targets if target.exclude]
        self.readers: tuple[Reader, ...] = tuple(reader(target) for target in includes)
        self.excluded: Callable[[bytes], bool] | None = excluder(exclusions) if exclusions else None
        self.evaluate = link.operator.evaluate if link.operator is not None else None
        self._make = link.bind
        self.argument = link.argument
        self.pure = link.operator is not None and link.operator_name not in IMPURE
        self.look_up = getattr(link.operator, "lookup", None)
        self.clean: set[bytes] = set()
        self.unchanged = unchanged_bytes(link.actions.transformations)
        self.screen = getattr(link.operator, "screen", None) if self.unchanged else None

    def harmless(self, t: Transaction) -> set[bytes]:
        """The values that the operator's own screening clears, those its transformations leave as they are."""
        assert self.screen is not None
        clean, unchanged = self.clean, self.unchanged
        values = [
            value for _, pairs in self.readers for _, value in pairs(t)
            if value not in clean and not value.translate(None, unchanged)
        ]  # fmt: skip
        return set(values).difference(self.screen(values)) if values else set()

    def remember(self, value: bytes) -> None:
        """Keep in mind that a value does not match: names and other short values come again and again."""
        if len(self.clean) >= MAX_CLEAN:
            self.clean.clear()
        self.clean.add(value)

    def operator(self, t: Transaction) -> Callable[[bytes], object]:
        """Return the operator's function, with macros in its argument expanded now."""
        if self.evaluate is not None:
            return self.evaluate  # type: ignore[no-any-return]
        assert self._make is not None
        return self._make(self.argument.expand(t)).evaluate  # type: ignore[no-any-return]


class BoundRule:
    """A rule with its links bound."""

    __slots__ = ("links", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.links = tuple(BoundLink(link) for link in rule.links)


def evaluate(t: Transaction, bound: BoundRule) -> bool:
    """Evaluate a rule and carry out its actions. Return whether the whole chain matched."""
    rule = bound.rule
    if t.removals is not None and t.removals.covers(rule):
        return False
    if t.matched_vars:
        t.clear_matched()
    t.current_rule = rule
    evidence: list[Evidence] = []
    for link in bound.links:
        if not _link(t, rule, link, evidence):
            return False
    _full_match(t, bound, evidence)
    return True


def matches(link: BoundLink, value: bytes, test: Callable[[bytes], object] | None = None) -> bool:
    """Whether a link (its operator has no macros, or is `test`) matches one value. No action is carried out."""
    test = test or link.evaluate
    assert test is not None
    try:
        if link.actions.multi_match:
            return any((test(form) is None) is link.negated for form in _forms(value, link.functions))
        for function in link.functions:
            value = function(value)
        return (test(value) is None) is link.negated
    except LimitExceededError:
        return True


def matches_any(t: Transaction, link: BoundLink) -> bool:
    """Whether a link matches some value of `t`. No action is carried out."""
    excluded, test = link.excluded, link.operator(t)
    return any(
        matches(link, value, test)
        for prefix, pairs in link.readers for key, value in pairs(t) if excluded is None or not excluded(prefix + key)
    )  # fmt: skip


def _link(t: Transaction, rule: Rule, link: BoundLink, evidence: list[Evidence]) -> bool:
    if link.link.unconditional and not link.readers:
        _after_match(t, link, evidence, None)
        return True
    test = link.operator(t)
    negated, excluded, functions, quiet = link.negated, link.excluded, link.functions, link.quiet
    removed = t.removals.targets_for(rule) if t.removals is not None else None
    filtered = excluded is not None or removed is not None
    clean, screened = link.clean, link.harmless(t) if link.screen is not None else _NONE
    multi, matched = link.actions.multi_match, False
    forms: tuple[bytes, ...]
    for prefix, pairs in link.readers:
        for key, value in pairs(t):
            if value in clean or value in screened:
                continue
            rest()
            if filtered and _left_out(prefix + key, excluded, removed):
                continue
            if quiet and not value.translate(None, PLAIN):
                forms = (value,)
            elif multi:
                forms = _forms(value, functions)
            else:
                transformed = value
                for function in functions:
                    transformed = function(transformed)
                    rest()
                forms = (transformed,)
            harmless = True
            for form in forms:
                try:
                    match = test(form)
                except LimitExceededError as limit:
                    t.limit_exceeded(rule, prefix + key, limit)
                    match = None if negated else Match(form, (form,))
                if (match is None) is not negated:
                    continue
                matched, harmless = True, False
                name = prefix + key
                t.set_matched(name, form)
                if link.actions.capture and not negated:
                    t.capture(match)
                if link.look_up is not None:
                    t.geo = [(k.lower().encode(), v) for k, v in (link.look_up(form) or {}).items()]
                _after_match(t, link, evidence, Evidence(name, value, form, link.link))
            if harmless and link.pure and len(value) <= MAX_CLEAN_TEXT:
                link.remember(value)
    return matched


def _left_out(name: bytes, excluded: Callable[[bytes], bool] | None, removed: Callable[[bytes], bool] | None) -> bool:
    return (excluded is not None and excluded(name)) or (removed is not None and removed(name))


def _forms(value: bytes, functions: tuple[Callable[[bytes], bytes], ...]) -> tuple[bytes, ...]:
    """multiMatch: the value, and its form after each transformation that changed it."""
    forms = [value]
    for function in functions:
        value = function(value)
        if value != forms[-1]:
            forms.append(value)
    return tuple(forms)


def _after_match(t: Transaction, link: BoundLink, evidence: list[Evidence], found: Evidence | None) -> None:
    actions = link.actions
    changes = tuple(change for change in (_set_variable(t, s) for s in actions.setvars) if change)
    if found is not None and len(evidence) < MAX_EVIDENCE:
        evidence.append(found._replace(changes=changes))
    elif changes and len(evidence) < MAX_EVIDENCE:
        evidence.append(Evidence(b"", b"", b"", link.link, changes))
    if actions.severity is not None:
        t.highest_severity = min(t.highest_severity, actions.severity)


def _set_variable(t: Transaction, setvar: SetVar) -> tuple[bytes, bytes, bytes] | None:
    """Carry out one setvar; return (full name, how with amount, new value)."""
    key = setvar.key.expand(t).lower()
    if not key:
        return None
    name = setvar.collection.encode("ascii") + b":" + key
    if setvar.how == "!":
        t.remove_member(setvar.collection, key)
        return name, b"!", b""
    value = setvar.value.expand(t)
    if setvar.how == "=":
        t.set_member(setvar.collection, key, value)
        return name, b"=", value
    delta = to_int(value) * (1 if setvar.how == "+" else -1)
    return name, b"%+d" % delta, t.add_member(setvar.collection, key, delta)


def _full_match(t: Transaction, bound: BoundRule, evidence: list[Evidence]) -> None:
    rule = bound.rule
    head = rule.head.actions
    status, message, logdata = None, None, None
    for link in reversed(bound.links):
        for action in link.actions.runtime:
            _RUNTIME[action.name](t, action.argument)
        status = status if status is not None else link.actions.status
        message = message or link.actions.message
        logdata = logdata or link.actions.logdata
        if link.actions.sanitise:
            t.sanitise(link.actions.sanitise)
    text = message.expand(t) if message else b""
    if rule.log or rule.audit_log:
        tags = tuple(tag.expand(t) for link in rule.links for tag in link.actions.tags)
        data = logdata.expand(t) if logdata else b""
        t.fired.append(FiredRule(rule, text, data, tags, tuple(evidence), t.phase))
    t.matched_rules.append(rule.rule_id)
    if head.skip:
        t.skip = head.skip
    skip_after = next((link.actions.skip_after for link in bound.links if link.actions.skip_after), None)
    if skip_after is not None:
        t.skip_after = skip_after
    _disrupt(t, rule, status, text)


def _disrupt(t: Transaction, rule: Rule, status: int | None, message: bytes) -> None:
    actions = rule.head.actions
    kind = actions.disruptive
    if kind is None or kind == "pass":
        return
    if kind == "block":
        default = t.config.default_actions.get(rule.phase)
        if default is None or default.disruptive in (None, "pass", "block"):
            return
        kind, status = default.disruptive, status if status is not None else default.status
        actions = default if default.disruptive == "redirect" else actions
    location = actions.redirect.expand(t) if kind == "redirect" and actions.redirect else b""
    if kind == "allow":
        t.allow(actions.allow_scope)
        return
    assert kind is not None
    t.intervene(kind, status, location, rule.rule_id, message)


# -- ctl and the other run-time actions --------------------------------------------------------------


def _ctl(t: Transaction, control: Control) -> None:
    _CONTROLS[control.name](t, control.value)


def _set(field: str) -> Callable[[Transaction, object], None]:
    return lambda t, value: setattr(t, field, value)


def _remove_targets(how: str) -> Callable[[Transaction, tuple[object, list[Target]]], None]:
    return lambda t, value: t.own_removals().add_targets(how, value[0], value[1])


_CONTROLS: dict[str, Callable[[Transaction, object], None]] = {
    "ruleengine": _set("rule_engine"),
    "auditengine": _set("audit_engine"),
    "auditlogparts": lambda t, value: None,
    "debugloglevel": lambda t, value: None,
    "requestbodyaccess": _set("request_body_access"),
    "responsebodyaccess": _set("response_body_access"),
    "forcerequestbodyvariable": _set("force_body_variable"),
    "requestbodyprocessor": lambda t, name: t.set_processor(name),  # type: ignore[arg-type]
    "requestbodylimit": _set("body_limit"),
    "responsebodylimit": _set("response_body_limit"),
    "parsexmlintoargs": _set("xml_into_args"),
    "ruleremovebyid": lambda t, value: t.own_removals().add("id", value),
    "ruleremovebytag": lambda t, value: t.own_removals().add("tag", value),
    "ruleremovebymsg": lambda t, value: t.own_removals().add("msg", value),
    "ruleremovetargetbyid": _remove_targets("id"),  # type: ignore[dict-item]
    "ruleremovetargetbytag": _remove_targets("tag"),  # type: ignore[dict-item]
    "ruleremovetargetbymsg": _remove_targets("msg"),  # type: ignore[dict-item]
}

_RUNTIME: dict[str, Callable[..., None]] = {
    "ctl": _ctl,
    "initcol": lambda t, argument: t.open_collection(argument[0], argument[1].expand(t)),
    "expirevar": lambda t, a: t.expire_member(a[0], a[1].expand(t).lower(), to_int(a[2].expand(t))),
    "deprecatevar": lambda t, a: t.deprecate_member(a[0], a[1].expand(t).lower(), a[2].expand(t)),
    "setenv": lambda t, argument: t.set_environment(argument[0].expand(t), argument[1].expand(t)),
}
