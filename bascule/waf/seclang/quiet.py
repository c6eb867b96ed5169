"""What follows from a match of a rule: whether it can wait, or be left out, or changes what other rules do."""

from __future__ import annotations

from bascule.waf.seclang.model import Rule
from bascule.waf.seclang.removals import Removals
from bascule.waf.seclang.variables import HEADER, HEADER_NAME, METHOD, TX, URI

_REMOVALS = {"ruleremovebyid": "id", "ruleremovebytag": "tag", "ruleremovebymsg": "msg"}


def disturbs(rule: Rule, fixed: list[Rule]) -> bool:
    """Whether a match may take away a fixed rule, or jump: then the pristine walk no longer holds."""
    removals, touches_tx = Removals(), False
    for link in rule.links:
        if link.actions.skip or link.actions.skip_after:
            return True
        for action in link.actions.runtime:
            how = _REMOVALS.get(action.argument.name) if action.name == "ctl" else None
            if how is not None:
                removals.add(how, action.argument.value)
            elif action.name == "ctl" and action.argument.name.startswith("ruleremovetarget"):
                touches_tx |= any(target.variable.source == TX for target in action.argument.value[1])
    return touches_tx or any(removals.covers(other) for other in fixed)


def only_skips_to(rule: Rule) -> str | None:
    """The marker a rule skips to, if nothing else follows from a match; else None."""
    head = rule.head.actions
    if rule.log or rule.audit_log or head.skip or head.disruptive not in (None, "pass"):
        return None
    for link in rule.links:
        actions = link.actions
        if actions.setvars or actions.capture or actions.runtime or actions.sanitise or actions.severity is not None:
            return None
    return next((link.actions.skip_after for link in rule.links if link.actions.skip_after), None)


def is_lazy(rule: Rule, disturbing: bool) -> bool:
    """Whether all a match does is to remove rules or targets, so that it can wait until some rule is evaluated.

    CRS's 941010 matches most requests, only to spare XSS rules the file name.
    """
    actions = rule.head.actions
    if disturbing or rule.log or rule.audit_log or len(rule.links) > 1 or actions.disruptive not in (None, "pass"):
        return False
    if actions.setvars or actions.capture or actions.severity is not None or actions.sanitise:
        return False
    if any(
        target.variable.source not in (METHOD, URI, HEADER, HEADER_NAME) and target.variable.name != "REQBODY_PROCESSOR"
        for target in rule.head.targets
    ):
        return False
    return all(a.name == "ctl" and a.argument.name.startswith("ruleremove") for a in actions.runtime)
