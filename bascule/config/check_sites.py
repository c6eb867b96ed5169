"""Checks of sites and routes: who claims a host, what a path means, who answers a route."""

from __future__ import annotations

import re

from bascule.config.check_policies import check_name, check_value
from bascule.config.check_pools import check_pool
from bascule.config.check_tls import check_authority, check_pair
from bascule.config.errors import KeyPath, dotted, suggest
from bascule.config.findings import Findings
from bascule.config.grammar import (
    REDIRECT_PLACEHOLDERS,
    compile_pattern,
    host_fault,
    is_token,
    path_fault,
    pattern_fault,
    unknown_placeholder,
    value_fault,
)
from bascule.config.policies import Redirect, Rewrite
from bascule.config.pools import Pool
from bascule.config.schema import Config, Match, Route, Site

_REPLACEMENT = re.compile(r"(?:[^\\\x00-\x20\x7f]|\\[1-9\\])*")
_GROUP = re.compile(r"\\(?:([1-9])|\\)")
_ANSWERS = ("servers", "discover", "pool", "redirect", "respond")


def check_hosts(findings: Findings, config: Config) -> None:
    """Check the hosts of all sites; no two may claim one."""
    claims: dict[str, KeyPath] = {}
    for key, site in config.sites.items():
        path: KeyPath = ("sites", key)
        for place, host in [(path, key), *(((*path, "aliases", i), name) for i, name in enumerate(site.aliases))]:
            if fault := host_fault(host):
                findings.error(place, fault)
                continue
            first = claims.setdefault(host.lower(), place)
            if first != place:
                findings.error(place, f"the host {host.lower()} is claimed twice: also by {dotted(first)}")


def check_site(findings: Findings, path: KeyPath, site: Site, hosts: tuple[str, ...]) -> None:
    """Check TLS and paths of a site."""
    if site.tls is not None:
        for index, pair in enumerate(site.tls.certificates):
            check_pair(findings, (*path, "tls", "certificates", index), pair.cert, pair.key, hosts)
        if site.tls.client_auth is not None:
            check_authority(findings, (*path, "tls", "client_auth", "ca"), site.tls.client_auth.ca)
    seen: dict[tuple[str, str], str] = {}
    for written, routes in site.routes.items():
        place = (*path, "routes", written)
        kind, text = split_path(written)
        if fault := pattern_fault(text) if kind == "pattern" else path_fault(text):
            findings.error(place, fault)
        if not routes:
            findings.error(place, "the path has no route")
        key = (kind, text.rstrip("/") if kind == "prefix" else text)
        if (first := seen.setdefault(key, written)) != written:
            findings.error(place, f"{written!r} is the same prefix as {first!r}; give their routes as one list")
        _check_order(findings, place, routes)


def split_path(written: str) -> tuple[str, str]:
    """Return the kind of a path (``prefix``, ``exact``, ``pattern``) and what is matched."""
    if written.startswith("="):
        return "exact", written[1:].strip()
    if written.startswith("~"):
        return "pattern", written[1:].strip()
    return "prefix", written


def _check_order(findings: Findings, path: KeyPath, routes: tuple[Route, ...]) -> None:
    for index, route in enumerate(routes[:-1]):
        if route.match == Match():
            findings.error((*path, index + 1), f"this route is never reached: route {index + 1} of the path takes all")
            return


def check_route(findings: Findings, path: KeyPath, route: Route, pools: dict[str, Pool]) -> None:
    """Check one route by itself."""
    given = [name for name in _ANSWERS if _given(route, name)]
    if len(given) != 1:
        shown = f"this one has {' and '.join(given)}" if given else "this one has none"
        findings.error(path, f"a route has exactly one of {', '.join(_ANSWERS)}: {shown}")
    if given == ["pool"]:
        _check_named(findings, path, route, pools)
    elif given in (["servers"], ["discover"]):
        check_pool(findings, path, route)
    elif given:
        for name in sorted(route.model_fields_set & (set(Pool.model_fields) - {"servers", "discover"})):
            findings.error((*path, name), f"`{name}` has no effect on a route that does not go to servers")
    _check_match(findings, (*path, "match"), route.match)
    _check_rewrite(findings, (*path, "rewrite"), route.rewrite)
    if route.redirect is not None:
        _check_redirect(findings, (*path, "redirect"), route.redirect)
    if route.respond is not None:
        check_value(findings, (*path, "respond", "content_type"), route.respond.content_type)
        if route.respond.body and route.respond.status in (204, 205, 304):
            findings.error((*path, "respond", "body"), f"an answer of status {route.respond.status} has no body")
    for index, name in enumerate(route.upgrades):
        if name != "*" and not all(is_token(part) for part in name.split("/", 1)):
            findings.error((*path, "upgrades", index), f"{name!r} is not a protocol such as websocket")


def _given(route: Route, name: str) -> bool:
    value = getattr(route, name)
    return value is not None and value not in ((), "")


def _check_named(findings: Findings, path: KeyPath, route: Route, pools: dict[str, Pool]) -> None:
    if route.pool not in pools:
        known = f"the pools are {', '.join(sorted(pools))}" if pools else "there is no `pools:` at the top level"
        findings.error((*path, "pool"), f"there is no pool {route.pool!r}: {known}", suggest(route.pool, pools))
    for name in sorted(route.model_fields_set & set(Pool.model_fields)):
        findings.error((*path, name), f"`{name}` belongs to the pool: state it in pools.{route.pool}")


def _check_match(findings: Findings, path: KeyPath, match: Match) -> None:
    for index, method in enumerate(match.methods):
        if not is_token(method):
            findings.error((*path, "methods", index), f"{method!r} is not a method")
    for key, conditions in (("headers", match.headers), ("query", match.query)):
        for name, wanted in conditions.items():
            if key == "headers":
                check_name(findings, (*path, key, name), name)
            if wanted.startswith("~") and (fault := pattern_fault(wanted[1:])):
                findings.error((*path, key, name), fault)


def _check_rewrite(findings: Findings, path: KeyPath, rewrite: Rewrite) -> None:
    for key, prefix in (("strip_prefix", rewrite.strip_prefix), ("add_prefix", rewrite.add_prefix)):
        if prefix and (fault := path_fault(prefix)):
            findings.error((*path, key), fault)
    if rewrite.replacement and not rewrite.pattern:
        findings.error((*path, "replacement"), "a replacement needs the `pattern` it replaces")
    if not rewrite.pattern:
        return
    try:
        pattern = compile_pattern(rewrite.pattern)
    except ValueError as error:
        findings.error((*path, "pattern"), str(error))
        return
    if not _REPLACEMENT.fullmatch(rewrite.replacement):
        findings.error(
            (*path, "replacement"),
            f"{rewrite.replacement!r} is not a replacement: a backslash stands before a digit from 1 to 9, or doubled",
        )
        return
    highest = max((int(digit) for digit in _GROUP.findall(rewrite.replacement) if digit), default=0)
    if highest > pattern.groups:
        findings.error(
            (*path, "replacement"), f"the replacement names group {highest}, and the pattern has {pattern.groups}"
        )


def _check_redirect(findings: Findings, path: KeyPath, redirect: Redirect) -> None:
    place = (*path, "to")
    if fault := value_fault(redirect.to):
        findings.error(place, fault)
    elif sentence := unknown_placeholder(redirect.to, REDIRECT_PLACEHOLDERS):
        findings.error(place, sentence)
    elif not redirect.to.startswith(("/", "http://", "https://", "{")):
        findings.error(place, f"{redirect.to!r} is neither a URL nor a path; write https://... or /...")
