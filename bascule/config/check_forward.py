"""Checks of the forward proxy: what its rules name must be there, and what they say must be possible."""

from __future__ import annotations

import os
import socket

import maxminddb

from bascule.config.check_auth import check_auth
from bascule.config.check_defence import check_list_url, check_zone
from bascule.config.check_intercept import check_intercept
from bascule.config.check_parents import check_parents
from bascule.config.check_policies import check_name
from bascule.config.check_quotas import check_quotas
from bascule.config.check_tls import check_authority
from bascule.config.egress import Outgoing
from bascule.config.errors import KeyPath, suggest
from bascule.config.findings import Findings
from bascule.config.forward import Condition, Pac, Rule
from bascule.config.grammar import host_fault, is_token, path_fault, pattern_fault, unknown_placeholder
from bascule.config.schema import Forward
from bascule.config.types import is_url

REDIRECT_WORDS = ("host", "url")


def check_forward(findings: Findings, forward: Forward) -> None:
    """Check all of it but what it shares with sites."""
    path: KeyPath = ("forward",)
    if forward.headers is not None and forward.headers.host != "preserve":
        findings.error((*path, "headers", "host"), "the Host of a forward proxy's request is that of the URL asked for")
    check_zone(findings, (*path, "timezone"), forward.timezone)
    for name, places in forward.categories.items():
        for index, file in enumerate(places):
            _check_list(findings, (*path, "categories", name, index), file)
    if forward.country_database:
        _check_database(findings, (*path, "country_database"), forward.country_database)
    if forward.auth is not None:
        check_auth(findings, (*path, "auth"), forward.auth, forward)
    if forward.pac is not None:
        _check_pac(findings, (*path, "pac"), forward.pac)
    for index, listener in enumerate(forward.listen):
        if listener.transparent != "off" and (listener.tls is not None or listener.proxy_protocol):
            findings.error(
                (*path, "listen", index), "clients that know of no proxy speak neither TLS nor PROXY headers to it"
            )
    if forward.udp is not None and "socks5" not in forward.protocols:
        findings.error((*path, "udp"), "datagrams are relayed for SOCKS 5 only", "add socks5 to `protocols`")
    if forward.dns is not None and forward.dns.ca:
        check_authority(findings, (*path, "dns", "ca"), forward.dns.ca)
    if forward.outgoing is not None:
        _check_outgoing(findings, (*path, "outgoing"), forward.outgoing)
    if forward.privacy.no_log and forward.auth is None:
        findings.error((*path, "privacy", "no_log"), "users are known only with `auth`")
    if forward.authorities:
        check_authority(findings, (*path, "authorities"), forward.authorities)
    if forward.intercept is not None:
        check_intercept(findings, (*path, "intercept"), forward.intercept)
    check_parents(findings, path, forward)
    check_quotas(findings, path, forward)
    _check_conditions(findings, path, forward)


def _check_conditions(findings: Findings, path: KeyPath, forward: Forward) -> None:
    """Check the conditions of all that has some, and that each rule can come to its turn."""
    if forward.intercept is not None:
        for index, opened in enumerate(forward.intercept.rules):
            place: KeyPath = (*path, "intercept", "rules", index, opened.action)
            _check_condition(findings, place, opened.condition, forward)
    for name, quota in forward.quotas.items():
        _check_condition(findings, (*path, "quotas", name), quota, forward)
    for index, way in enumerate(forward.ways):
        _check_condition(findings, (*path, "ways", index), way, forward)
    for index, rule in enumerate(forward.rules):
        place = (*path, "rules", index)
        _check_rule(findings, place, rule, forward)
        if rule.condition == Condition() and index + 1 < len(forward.rules):
            findings.error((*path, "rules", index + 1), f"this rule is never reached: rule {index + 1} always holds")
            break


def _check_outgoing(findings: Findings, path: KeyPath, outgoing: Outgoing) -> None:
    for index, address in enumerate(outgoing.addresses):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                findings.error((*path, "addresses", index), f"{address} is not an address of this machine")


def _check_list(findings: Findings, path: KeyPath, file: str) -> None:
    if is_url(file):
        check_list_url(findings, path, file)
        return
    if not os.path.exists(file):
        findings.error(path, f"there is no list {file}", "a list is a file, or a folder of UT1 that holds `domains`")
    elif os.path.isdir(file):
        files = [name for name in ("domains", "domains.txt") if os.path.isfile(os.path.join(file, name))]
        if not files:
            findings.error(path, f"the folder {file} holds neither `domains` nor `domains.txt`")
        findings.files += [os.path.join(file, name) for name in files[:1]]
    else:
        findings.files.append(file)


def _check_database(findings: Findings, path: KeyPath, file: str) -> None:
    try:
        maxminddb.open_database(file).close()
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        findings.error(path, f"{file} is not a MaxMind database: {error}")
    else:
        findings.files.append(file)


def _check_pac(findings: Findings, path: KeyPath, pac: Pac) -> None:
    for key, domains in (("direct", pac.direct), ("only", pac.only)):
        for index, domain in enumerate(domains):
            if fault := host_fault(domain) or ("write the domain alone" if "*" in domain else ""):
                findings.error((*path, key, index), fault)
    host, _, port = pac.proxy.rpartition(":")
    if pac.proxy and (host_fault(host) or not port.isdecimal() or not 0 < int(port) < 65536):
        findings.error((*path, "proxy"), f"{pac.proxy!r} is not a host and a port such as proxy.example.com:3128")


def _check_rule(findings: Findings, path: KeyPath, rule: Rule, forward: Forward) -> None:
    condition = rule.condition
    path_of: KeyPath = (*path, rule.action)
    if rule.to and (sentence := unknown_placeholder(rule.to, REDIRECT_WORDS)):
        findings.error((*path, "to"), sentence)
    elif rule.to and not rule.to.startswith(("http://", "https://")):
        findings.error((*path, "to"), f"{rule.to!r} is not a URL: it begins with http:// or https://")
    _check_condition(findings, path_of, condition, forward)


def _check_condition(findings: Findings, path_of: KeyPath, condition: Condition, forward: Forward) -> None:
    for index, name in enumerate(condition.category):
        if name not in forward.categories:
            hint = suggest(name, forward.categories) or "define it: categories: {NAME: FILE}"
            findings.error((*path_of, "category", index), f"there is no category {name!r}", hint)
    if condition.country and not forward.country_database:
        findings.error((*path_of, "country"), "countries are known only with `country_database`")
    if condition.for_ and forward.auth is None:
        findings.error((*path_of, "for"), "users are known only with `auth`")
    elif condition.for_ and forward.auth is not None and not (forward.auth.asks or forward.auth.certificates):
        known = {"*", *forward.auth.groups, *forward.auth.addresses.values()}
        for index, name in enumerate(condition.for_):
            if name not in known:
                findings.error((*path_of, "for", index), f"there is no user or group {name!r}", suggest(name, known))
    _check_texts(findings, path_of, condition)


def _check_texts(findings: Findings, path: KeyPath, condition: Condition) -> None:
    for index, text in enumerate(condition.domain):
        fault = pattern_fault(text[1:]) if text.startswith("~") else host_fault(text.removeprefix("="))
        if not fault and "*" in text and not text.startswith("~"):
            fault = f"{text!r}: a domain stands for everything below it, so write {text.replace('*.', '')}"
        if fault:
            findings.error((*path, "domain", index), fault)
    for index, text in enumerate(condition.path):
        if fault := pattern_fault(text[1:]) if text.startswith("~") else path_fault(text):
            findings.error((*path, "path", index), fault)
    for name, value in condition.header.items():
        check_name(findings, (*path, "header", name), name)
        if value.startswith("~") and (fault := pattern_fault(value[1:])):
            findings.error((*path, "header", name), fault)
    for index, method in enumerate(condition.method):
        if not is_token(method):
            findings.error((*path, "method", index), f"{method!r} is not a method")
    for key, types in (("mime", condition.mime), ("request_type", condition.request_type)):
        for index, text in enumerate(types):
            kind, slash, subtype = text.partition("/")
            if not slash or not is_token(kind) or not is_token(subtype):
                findings.error((*path, key, index), f"{text!r} is not a MIME type: write image/png or video/*")
