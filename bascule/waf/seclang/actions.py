"""The action list of a rule: `id:1,phase:2,deny,msg:'...',setvar:tx.x=+1,ctl:ruleRemoveById=7`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from bascule.waf.seclang.controls import parse_control
from bascule.waf.seclang.macros import Macro, parse_macro
from bascule.waf.seclang.model import PHASES, SEVERITIES, Action, Actions, SetVar
from bascule.waf.seclang.resolve import lookup
from bascule.waf.seclang.variables import PERSISTENT

DISRUPTIVE = ("allow", "block", "deny", "drop", "pass", "redirect", "proxy", "pause")
COLLECTIONS = ("TX", *PERSISTENT)
REFUSED = {
    "exec": "running programs or scripts from a rule is refused; act on the audit event instead",
    "proxy": "a rule cannot choose the upstream; use a route",
    "pause": "delaying a client from a rule is refused; use a rate limit, or `waf.answers` with tarpit",
    "append": "rewriting bodies from a rule is refused",
    "prepend": "rewriting bodies from a rule is refused",
}


def split_actions(text: str) -> list[tuple[str, str | None]]:
    """Split an action list at commas outside single quotes into (lower-case name, argument)."""
    items: list[tuple[str, str | None]] = []
    at, end = 0, len(text)
    while at < end:
        start = at
        quoted = False
        while at < end and (quoted or text[at] != ","):
            if text[at] == "\\" and at + 1 < end:
                at += 1
            elif text[at] == "'":
                quoted = not quoted
            at += 1
        if quoted:
            raise ValueError(f"a single quote is never closed in: {text[start:].strip()[:80]}")
        item = text[start:at].strip()
        at += 1
        if not item:
            continue
        name, colon, argument = item.partition(":")
        items.append((name.strip().lower(), _unquote(argument.strip()) if colon else None))
    return items


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == "'" and text[-1] == "'":
        text = text[1:-1]
    return text.replace("\\'", "'")


def macro(text: str) -> Macro:
    """Parse text with `%{...}` references; raises ValueError for a variable that does not exist."""
    return parse_macro(text, lookup)


def parse_actions(text: str, *, default: bool = False) -> Actions:
    """Parse an action list (`default`: of a SecDefaultAction).

    Raises:
        ValueError: an action that does not exist, is refused, or has a bad argument.
    """
    actions = Actions(phase=0)
    transformations: list[str] = []
    for name, argument in split_actions(text):
        if name in REFUSED:
            raise ValueError(f"action {name}: {REFUSED[name]}")
        if default and (name in ("id", "chain", "skip", "skipafter") or (name == "t" and argument == "none")):
            raise ValueError(f"the action {name} is not suitable to be part of the SecDefaultActions")
        if name == "t":
            if argument is None:
                raise ValueError("action t needs the name of a transformation, as in t:lowercase")
            transformations = [] if argument.lower() == "none" else [*transformations, argument.lower()]
            actions.transformations = ("none", *transformations)
        elif name in _FLAGS:
            if argument is not None and not name.endswith("bytes"):
                raise ValueError(f"action {name} takes no argument, found {argument!r}")
            _FLAGS[name](actions)
        elif name in _VALUES:
            if argument is None:
                raise ValueError(f"action {name} needs an argument")
            _VALUES[name](actions, argument)
        elif name in DISRUPTIVE:
            _disruptive(actions, name, argument)
        else:
            raise ValueError(f"there is no action called {name!r}; check the spelling")
    return actions


def _disruptive(actions: Actions, name: str, argument: str | None) -> None:
    if name != "block" or actions.disruptive is None:
        actions.disruptive = name
    if name == "redirect":
        if not argument:
            raise ValueError("action redirect needs a URL")
        actions.redirect = macro(argument)
    elif name == "allow" and argument:
        if argument.lower() not in ("phase", "request"):
            raise ValueError("action allow takes nothing, phase or request")
        actions.allow_scope = argument.lower()


def _number(argument: str, what: str, low: int, high: int) -> int:
    text = argument.strip()
    if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
        raise ValueError(f"{what} must be a number from {low} to {high}, not {argument!r}")
    return int(text)


def _phase(actions: Actions, argument: str) -> None:
    phase = PHASES.get(argument.strip().lower())
    if phase is None:
        raise ValueError(f"phase must be 1 to 5, request, response or logging, not {argument!r}")
    actions.phase = phase


def _severity(actions: Actions, argument: str) -> None:
    text = argument.strip().upper()
    if text in SEVERITIES:
        actions.severity = SEVERITIES.index(text)
    else:
        actions.severity = _number(argument, "severity", 0, 7)


def _setvar(actions: Actions, argument: str) -> None:
    actions.setvars = (*actions.setvars, parse_setvar(argument))


def parse_setvar(argument: str) -> SetVar:
    """Parse `tx.x=1`, `tx.x=+1`, `tx.x=-%{tx.y}`, `!tx.x` or `tx.x` (set to 1)."""
    text = argument.strip()
    how = "="
    if text.startswith("!"):
        how, text = "!", text[1:]
    target, equals, value = text.partition("=")
    collection, dot, key = target.strip().partition(".")
    if not dot:
        collection, dot, key = target.strip().partition(":")
    if collection.upper() not in COLLECTIONS or not key:
        raise ValueError(
            f"setvar writes to a member of {', '.join(COLLECTIONS)} (as in tx.score=+1), not to {argument!r}"
        )
    if not equals and how == "=":
        value = "1"
    elif value[:1] in ("+", "-"):
        how, value = value[0], value[1:]
    return SetVar(collection.upper(), macro(key), how, macro(value))


def _member(actions: Actions, name: str, argument: str) -> None:
    """`expirevar:ip.x=60` and `deprecatevar:ip.x=60/300`: collection, key, value."""
    target, equals, value = argument.partition("=")
    collection, dot, key = target.strip().partition(".")
    if not equals or not dot or collection.upper() not in COLLECTIONS:
        raise ValueError(f"{name} takes collection.name=seconds, not {argument!r}")
    if name == "deprecatevar" and not re.fullmatch(r"\s*\d+/\d+\s*", value):
        raise ValueError(f"deprecatevar takes collection.name=amount/seconds, not {argument!r}")
    actions.runtime = (*actions.runtime, Action(name, (collection.upper(), macro(key), macro(value))))


def _initcol(actions: Actions, argument: str) -> None:
    collection, equals, key = argument.partition("=")
    if not equals or collection.strip().upper() not in PERSISTENT:
        raise ValueError(f"initcol takes one of {', '.join(PERSISTENT)}=key, not {argument!r}")
    actions.runtime = (*actions.runtime, Action("initcol", (collection.strip().upper(), macro(key))))


def _set_collection(actions: Actions, collection: str, argument: str) -> None:
    actions.runtime = (*actions.runtime, Action("initcol", (collection, macro(argument))))


def _setenv(actions: Actions, argument: str) -> None:
    name, equals, value = argument.partition("=")
    if not equals:
        raise ValueError(f"setenv takes NAME=value, not {argument!r}")
    actions.runtime = (*actions.runtime, Action("setenv", (macro(name), macro(value))))


def _xmlns(actions: Actions, argument: str) -> None:
    prefix, equals, href = argument.partition("=")
    if not equals or not prefix or ":" not in href:
        raise ValueError(f"xmlns takes prefix=namespace with the namespace a URI, not {argument!r}")
    actions.xmlns = {**actions.xmlns, prefix.strip(): href.strip().strip("'\"")}


def _ctl(actions: Actions, argument: str) -> None:
    actions.runtime = (*actions.runtime, Action("ctl", parse_control(argument)))


def _set(field: str, value: object) -> Callable[[Actions], None]:
    return lambda actions: setattr(actions, field, value)


def _text(field: str) -> Callable[[Actions, str], None]:
    return lambda actions, argument: setattr(actions, field, argument)


def _macro(field: str) -> Callable[[Actions, str], None]:
    return lambda actions, argument: setattr(actions, field, macro(argument))


def _integer(field: str, low: int, high: int) -> Callable[[Actions, str], None]:
    return lambda actions, argument: setattr(actions, field, _number(argument, field, low, high))


def _sanitise(kind: str) -> Callable[[Actions, str], None]:
    def add(actions: Actions, argument: str) -> None:
        actions.sanitise = (*actions.sanitise, (kind, argument.lower()))

    return add


def _tag(actions: Actions, argument: str) -> None:
    actions.tags = (*actions.tags, macro(argument))


def _sanitise_matched(actions: Actions) -> None:
    actions.sanitise = (*actions.sanitise, ("matched", ""))


_FLAGS: dict[str, Callable[[Actions], None]] = {
    "chain": _set("chain", True),
    "capture": _set("capture", True),
    "multimatch": _set("multi_match", True),
    "log": _set("log", True),
    "nolog": _set("log", False),
    "auditlog": _set("audit_log", True),
    "noauditlog": _set("audit_log", False),
    "sanitisematched": _sanitise_matched,
    "sanitizematched": _sanitise_matched,
    "sanitisematchedbytes": _sanitise_matched,
    "sanitizematchedbytes": _sanitise_matched,
}
_VALUES: dict[str, Callable[[Actions, str], None]] = {
    "id": _integer("rule_id", 1, 10**12),
    "phase": _phase,
    "status": _integer("status", 100, 599),
    "skip": _integer("skip", 1, 10_000),
    "skipafter": _text("skip_after"),
    "msg": _macro("message"),
    "logdata": _macro("logdata"),
    "severity": _severity,
    "ver": _text("version"),
    "rev": _text("revision"),
    "maturity": _integer("maturity", 0, 10),
    "accuracy": _integer("accuracy", 0, 10),
    "tag": _tag,
    "setvar": _setvar,
    "expirevar": lambda actions, argument: _member(actions, "expirevar", argument),
    "deprecatevar": lambda actions, argument: _member(actions, "deprecatevar", argument),
    "initcol": _initcol,
    "setsid": lambda actions, argument: _set_collection(actions, "SESSION", argument),
    "setuid": lambda actions, argument: _set_collection(actions, "USER", argument),
    "setrsc": lambda actions, argument: _set_collection(actions, "RESOURCE", argument),
    "setenv": _setenv,
    "xmlns": _xmlns,
    "ctl": _ctl,
    "sanitisearg": _sanitise("arg"),
    "sanitizearg": _sanitise("arg"),
    "sanitiserequestheader": _sanitise("request-header"),
    "sanitizerequestheader": _sanitise("request-header"),
    "sanitiseresponseheader": _sanitise("response-header"),
    "sanitizeresponseheader": _sanitise("response-header"),
}


def merge_defaults(actions: Actions, default: Actions | None) -> tuple[str, ...]:
    """Return the transformations that apply: the rule's own after the defaults' (unless it says t:none)."""
    own = actions.transformations
    inherited = default.transformations[1:] if default and default.transformations else ()
    return (*inherited, *own[1:]) if not own or own[0] != "none" else own[1:]


def updated(actions: Actions, text: str) -> Actions:
    """Return `actions` changed by a SecRuleUpdateActionById: later settings win, lists grow."""
    change = parse_actions(text)
    if change.rule_id or change.phase:
        raise ValueError("SecRuleUpdateActionById can change neither id nor phase")
    if change.chain:
        raise ValueError("SecRuleUpdateActionById cannot make a rule the start of a chain")
    values = {
        name: getattr(change, name)
        for name in (
            "disruptive",
            "status",
            "redirect",
            "message",
            "logdata",
            "severity",
            "log",
            "audit_log",
            "skip_after",
        )
        if getattr(change, name) is not None
    }
    for name in ("setvars", "runtime", "tags", "sanitise"):
        values[name] = getattr(actions, name) + getattr(change, name)
    for name in ("capture", "multi_match"):
        values[name] = getattr(actions, name) or getattr(change, name)
    for name in ("transformations", "skip", "allow_scope", "version", "revision", "maturity", "accuracy"):
        if getattr(change, name):
            values[name] = getattr(change, name)
    values["xmlns"] = {**actions.xmlns, **change.xmlns}
    return replace(actions, **values)
