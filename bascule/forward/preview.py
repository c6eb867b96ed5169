"""What the forward proxy would do with a request, without sending anything: for `bascule forward explain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.config.auth import Ldap
from bascule.config.schema import Forward
from bascule.forward import pages
from bascule.forward.conditions import Need, is_below
from bascule.forward.guard import inside_range
from bascule.forward.identity import DirectoryError
from bascule.forward.intercept import InterceptRules
from bascule.forward.parents import Ways
from bascule.forward.policy import Access, Policy, Step, WeekTime, load_table
from bascule.forward.quotas import about
from bascule.forward.safesearch import reached_as
from bascule.forward.target import proxy_form, target_of
from bascule.http.addresses import TrustedNetworks
from bascule.http.errors import HttpError
from bascule.http.h1.head import RequestParser

_NEEDED = {
    Need.USER: "the user has to log in (407); say who it is with --as",
    Need.ADDRESS: "it depends on the address; give one with --address",
    Need.RESPONSE: "it depends on the response",
}


def preview(
    forward: Forward,
    request: bytes,
    *,
    client: str,
    user: str | None = None,
    address: str = "",
    clock: WeekTime | None = None,
    used_up: Sequence[str] = (),
    folder: str = "",
) -> dict[str, Any]:
    """Return decision and reasons for the head of a request. `user` is None for nobody, `used_up` are budgets.

    `folder` is where lists of URLs are kept.

    `decision` is ``allow``, ``deny``, ``redirect``, or ``ask`` where something has to be known first.
    Raises ValueError for what is no request, and for lists that cannot be read.
    """
    try:
        head = RequestParser(other_form=proxy_form).parse(request)
        target = target_of(head)
    except HttpError as error:
        raise ValueError(f"this is not what a proxy can be asked for: {error}") from None
    if target is None:
        raise ValueError("write a URL such as http://example.com/, or host:port")
    policy = Policy(forward, load_table(forward, folder)[0], None if clock is None else lambda: clock)
    policy.used_up = lambda quota, access: quota in used_up
    tunnel = head.method == b"CONNECT"
    access = Access(policy, client.encode(), target, head.method, None if tunnel else head)
    access.address = access.address or address
    _identify(forward, access, user)
    told: dict[str, Any] = {
        "target": target.authority,
        "user": access.user or "",
        "groups": sorted(access.groups),
        "categories": list(access.categories),
        "address": access.address,
        "reached_as": reached_as(forward, target.host),
        "through": list(Ways(forward).of(access)) if forward.ways else [],
        "quotas": about(forward, access),
        "tunnel": _tunnel(forward, access) if tunnel else "",
        "rules": [],
    }
    decision, why = _before_rules(forward, access, tunnel)
    if not decision:
        told["rules"] = [_step(policy, step) for step in policy.trace(access)]
        decision, why = _by_rules(policy, access)
    return {"decision": decision, "why": why, **told}


def _tunnel(forward: Forward, access: Access) -> str:
    """Return what would become of a tunnel that begins with TLS, and by which rule; empty if none is ever opened."""
    return "" if forward.intercept is None else InterceptRules(forward.intercept, forward.auth).choose(access).rule


def _identify(forward: Forward, access: Access, user: str | None) -> None:
    auth = forward.auth
    if auth is None:
        access.user = ""
        return
    access.user = user
    if user:
        access.groups = frozenset(group for group, members in auth.groups.items() if user in members)
        if auth.ldap is not None and (auth.ldap.bind_dn or not auth.ldap.user_dn):
            access.groups |= _groups_of(auth.ldap, user)


def _groups_of(ldap: Ldap, user: str) -> frozenset[str]:
    """Ask the directory. Raises ValueError where it does not answer."""
    from bascule.forward.directory import Directory  # ldap3 is slow to import, and rarely needed

    try:
        return Directory(ldap).groups(user)
    except DirectoryError as error:
        raise ValueError(f"the directory does not tell the groups of {user}: {error}") from None


def _before_rules(forward: Forward, access: Access, tunnel: bool) -> tuple[str, str]:
    """Return what is decided before any rule is asked, or two empty texts."""
    port = access.target.port
    ports = forward.ports.connect if tunnel else forward.ports.http
    if access.client not in TrustedNetworks(forward.clients):
        return "deny", f"{access.client.decode()} is not in `clients`"
    if not any(first <= port <= last for first, last in ports):
        return "deny", f"port {port} is not in `ports.{'connect' if tunnel else 'http'}`"
    if forward.auth is not None and not access.user:
        if forward.auth.portal is not None and is_below(access.target.host, forward.auth.portal.reached):
            return "allow", "it leads to the provider, or to what its pages need (`auth.portal`)"
        if forward.auth.required:
            return "ask", _NEEDED[Need.USER]
    if access.address and not forward.allow_private and (inside := inside_range(access.address)):
        return "deny", f"{access.address} is not a public address ({inside}); see `allow_private`"
    return "", ""


def _by_rules(policy: Policy, access: Access) -> tuple[str, str]:
    decision = policy.decide(access)
    if decision.need is not None:
        return "ask", _NEEDED[decision.need]
    why = policy.name(decision)
    if decision.action == "deny":
        why = f"{why}: {pages.reason(policy.rule(decision), access)}"
    elif decision.action == "redirect" and (rule := policy.rule(decision)) is not None:
        why = f"{why}: to {rule.to}"
    return decision.action, f"{why} (rules about the response have yet to be asked)" if decision.revise else why


def _step(policy: Policy, step: Step) -> dict[str, str]:
    rule = policy.config.rules[step.rule]
    holds = "yes" if step.answer is True else "no" if step.answer is False else "unknown"
    return {
        "action": rule.action,
        "name": rule.name or f"rule {step.rule + 1}",
        "holds": holds,
        "condition": step.condition,
    }
