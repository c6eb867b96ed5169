"""A rule told in words."""

from __future__ import annotations

from bascule.waf.seclang.controls import Control
from bascule.waf.seclang.model import SEVERITIES, Action, Actions, Link, Rule, Target

PHASES = {1: "the request's head", 2: "the request's body", 3: "the response's head", 4: "the response's body",
          5: "logging"}  # fmt: skip

_OPERATORS = {
    "rx": "matches the regular expression",
    "rxglobal": "matches the regular expression",
    "pm": "contains one of the phrases",
    "pmf": "contains a phrase of the file",
    "pmfromfile": "contains a phrase of the file",
    "eq": "is the number",
    "ge": "is at least",
    "gt": "is more than",
    "le": "is at most",
    "lt": "is less than",
    "streq": "is exactly",
    "contains": "contains",
    "containsword": "contains the word",
    "beginswith": "begins with",
    "endswith": "ends with",
    "within": "occurs within",
    "ipmatch": "is an address of",
    "ipmatchfromfile": "is an address of the file",
    "detectsqli": "reads like SQL injection (libinjection)",
    "detectxss": "reads like cross-site scripting (libinjection)",
    "validatebyterange": "has a byte other than",
    "validateutf8encoding": "is not valid UTF-8",
    "validateurlencoding": "is not valid URL encoding",
    "unconditionalmatch": "is there",
    "nomatch": "never matches",
}
_HOW = {
    "=": "set {name} to {value}",
    "+": "add {value} to {name}",
    "-": "take {value} from {name}",
    "!": "unset {name}",
}


def tell(rule: Rule) -> list[str]:
    """Return lines that say what a rule does."""
    lines = [f"In phase {rule.phase} ({PHASES[rule.phase]}), the rule matches if"]
    for number, link in enumerate(rule.links):
        lines.append(("  " if number == 0 else "  and then ") + _condition(link))
        lines.extend(f"      on each match: {change}" for change in _changes(link.actions))
    lines.append("Then:")
    lines.extend(f"  {line}" for line in _consequences(rule))
    return lines


def _condition(link: Link) -> str:
    if not link.targets:
        return "always"
    subject = " or ".join(_target(target) for target in link.targets if not target.exclude)
    left_out = ", ".join(_target(target) for target in link.targets if target.exclude)
    after = " -> ".join(link.actions.transformations)
    verb = _OPERATORS.get(link.operator_name, f"satisfies @{link.operator_name}")
    words = [subject]
    if left_out:
        words.append(f"(but not {left_out})")
    if after:
        words.append(f"after {'each step of ' if link.actions.multi_match else ''}{after}")
    words.append(("does NOT hold that it " if link.negated else "") + verb)
    if link.argument.source:
        words.append(link.argument.source)
    return " ".join(words)


def _target(target: Target) -> str:
    text = target.source.lstrip("!&")
    return f"the number of {text}" if target.count else text


def _changes(actions: Actions) -> list[str]:
    captures = ["keep the match and its groups as TX.0 to TX.9"] if actions.capture else []
    return captures + [
        _HOW[setvar.how].format(name=f"{setvar.collection}.{setvar.key.source}", value=setvar.value.source)
        for setvar in actions.setvars
    ]


def _consequences(rule: Rule) -> list[str]:
    head = rule.head.actions
    lines = [_runtime(action) for link in rule.links for action in link.actions.runtime]
    if rule.log:
        message = next((link.actions.message for link in rule.links if link.actions.message), None)
        severity = next((link.actions.severity for link in rule.links if link.actions.severity is not None), None)
        text = "note it in the event"
        text += f" as {message.source!r}" if message else ""
        lines.append(text + (f", severity {SEVERITIES[severity]}" if severity is not None else ""))
    skip = next((link.actions.skip_after for link in rule.links if link.actions.skip_after), None)
    if skip:
        lines.append(f"go on after the marker {skip}")
    elif head.skip:
        lines.append(f"skip the next {head.skip} rules")
    kind = head.disruptive or "pass"
    meaning = {"pass": "go on", "block": "do what SecDefaultAction says for this phase", "deny": "refuse the request",
               "drop": "close the connection", "allow": "let the request pass the other rules",
               "redirect": "redirect the client"}[kind]  # fmt: skip
    status = next((link.actions.status for link in rule.links if link.actions.status is not None), None)
    lines.append(
        meaning + (f", status {status}" if status else "") + (f" to {head.redirect.source}" if head.redirect else "")
    )
    return lines


def _runtime(action: Action) -> str:
    if isinstance(action.argument, Control):
        return f"ctl: {action.argument.name} for the rest of the transaction"
    return f"{action.name}"
