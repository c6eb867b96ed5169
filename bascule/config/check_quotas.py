"""Checks of the forward proxy's quotas, and of what asks whether they are used up."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.config.errors import KeyPath, suggest
from bascule.config.findings import Findings
from bascule.config.forward import Condition
from bascule.config.schema import Forward


def check_quotas(findings: Findings, path: KeyPath, forward: Forward) -> None:
    """Check that quotas say what is known when a request begins, and that conditions name budgets."""
    for name, quota in forward.quotas.items():
        place: KeyPath = (*path, "quotas", name)
        check_early(findings, place, quota)
        if name in quota.quota:
            findings.error((*place, "quota"), "a quota cannot depend on itself")
        if quota.over == "note" and not quota.is_budget:
            findings.error((*place, "over"), "`over` is about `bytes` and `time`")
        if quota.over == "note" and not _is_asked_for(name, forward):
            findings.warn((*place, "over"), f"nothing asks for {name}", f"rules: [{{deny: {{quota: {name}}}}}]")
        if quota.per == "user" and forward.auth is None and "per" in quota.model_fields_set:
            findings.warn((*place, "per"), "without `auth` no user is known: every address has an account of its own")
    for index, rule in enumerate(forward.rules):
        _check_names(findings, (*path, "rules", index, rule.action, "quota"), rule.condition.quota, forward)
    _check_limits(findings, path, forward)
    for index, way in enumerate(forward.ways):
        _check_names(findings, (*path, "ways", index, "quota"), way.quota, forward)
    for name, quota in forward.quotas.items():
        _check_names(findings, (*path, "quotas", name, "quota"), quota.quota, forward)
    if "quota_file" in forward.model_fields_set and not any(quota.is_budget for quota in forward.quotas.values()):
        findings.warn((*path, "quota_file"), "no quota has `bytes` or `time`, so nothing is kept")


def _check_limits(findings: Findings, path: KeyPath, forward: Forward) -> None:
    """Check that it is known of a request whether a rule limits it, before it goes its way."""
    asks_for_address = False
    for index, rule in enumerate(forward.rules):
        asks_for_address = asks_for_address or bool(rule.condition.ip or rule.condition.country)
        if rule.limit is None:
            continue
        place: KeyPath = (*path, "rules", index, "limit")
        check_early(findings, place, rule.limit)
        if asks_for_address:
            findings.error(
                place, "this is decided before the name is resolved", "put rules with `ip` or `country` behind it"
            )


def check_early(findings: Findings, path: KeyPath, condition: Condition) -> None:
    """Check that a condition does not ask for the response where there is none yet."""
    for key in ("mime", "content", "size"):
        if getattr(condition, key):
            findings.error((*path, key), "this is decided before there is a response")


def _is_asked_for(name: str, forward: Forward) -> bool:
    conditions = (*(rule.condition for rule in forward.rules), *forward.ways, *forward.quotas.values())
    return any(name in condition.quota for condition in conditions)


def _check_names(findings: Findings, path: KeyPath, names: Sequence[str], forward: Forward) -> None:
    for index, name in enumerate(names):
        quota = forward.quotas.get(name)
        if quota is None:
            hint = suggest(name, forward.quotas) or "define it: quotas: {NAME: {bytes: 1GiB}}"
            findings.error((*path, index), f"there is no quota {name!r}", hint)
        elif not quota.is_budget:
            findings.error((*path, index), f"the quota {name} has neither `bytes` nor `time`: it is never used up")
