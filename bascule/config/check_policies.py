"""Checks of what is inherited: headers, cookies, deadlines, error pages, the WAF."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable
from pathlib import Path

from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.grammar import (
    HEADER_PLACEHOLDERS,
    host_fault,
    is_token,
    unknown_placeholder,
    value_fault,
)
from bascule.config.policies import CookieMap, ErrorPages, HeaderOps, Headers, Limits, Timeouts
from bascule.config.schema import Config, Forward, Route, Site
from bascule.config.waf import WafConfig, WafExclusion

MAX_PAGE_BYTES = 1 << 18
"""Size of an error page: it is kept in memory and sent in one write."""

_FRAMING = frozenset(
    ("connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Fields that say how a message is framed or concern one hop only (RFC 9110, 7.6.1): the proxy writes them itself."""
_PAGE_KEY = re.compile(r"[45](?:[0-9][0-9]|xx)")
_RULES = re.compile(r"[0-9]{1,10}(?:-[0-9]{1,10})?|tag:\S+")
_EARLY_LIMITS = (
    "header_fields", "header_bytes", "target_bytes", "pipelined", "connections", "connections_per_address",
    "held_requests",
)  # fmt: skip
_EARLY_TIMEOUTS = ("header", "tls_handshake")


def check_policies(findings: Findings, path: KeyPath, level: Config | Site | Route | Forward) -> None:
    """Check what one level states of the inherited policies."""
    if level.headers is not None:
        check_headers(findings, (*path, "headers"), level.headers)
    if isinstance(level, Site | Route):
        _check_cookies(findings, (*path, "cookies"), level.cookies)
    if not isinstance(level, Config):
        _check_early(findings, (*path, "limits"), level.limits, _EARLY_LIMITS)
        _check_early(findings, (*path, "timeouts"), level.timeouts, _EARLY_TIMEOUTS)
    if level.errors is not None:
        _check_errors(findings, (*path, "errors"), level.errors)
    if level.waf is not None:
        check_exclusions(findings, (*path, "waf", "exclusions"), level.waf.exclusions)


def check_headers(findings: Findings, path: KeyPath, headers: Headers) -> None:
    """Check names and values of header operations."""
    for direction, ops in (("request", headers.request), ("response", headers.response)):
        _check_ops(findings, (*path, direction), ops, direction)
    for index, name in enumerate(headers.hide):
        check_name(findings, (*path, "hide", index), name)
    check_value(findings, (*path, "server"), headers.server)
    if headers.host not in ("preserve", "origin"):
        name, _, port = headers.host.rpartition(":") if re.search(r":\d+$", headers.host) else (headers.host, "", "")
        if "*" in name or host_fault(name) or len(port) > 5:
            findings.error(
                (*path, "host"), f"{headers.host!r} is neither `preserve` nor `origin` nor a host such as app.example"
            )


def _check_ops(findings: Findings, path: KeyPath, ops: HeaderOps, direction: str) -> None:
    for index, name in enumerate(ops.remove):
        _check_operated(findings, (*path, "remove", index), name, direction)
    for operation, fields in (("set", ops.set), ("add", ops.add)):
        for name, value in fields.items():
            place = (*path, operation, name)
            _check_operated(findings, place, name, direction)
            check_value(findings, place, value)
            if sentence := unknown_placeholder(value, HEADER_PLACEHOLDERS):
                findings.warn(place, f"{sentence}, so it is sent as it stands")


def _check_operated(findings: Findings, path: KeyPath, name: str, direction: str) -> None:
    check_name(findings, path, name)
    if name.lower() in _FRAMING:
        findings.error(path, f"{name} belongs to the framing of a message, which Bascule writes itself")
    elif name.lower() == "host" and direction == "request":
        findings.error(path, "Host is chosen by `headers.host`: preserve, origin or a name")


def check_name(findings: Findings, path: KeyPath, name: str) -> None:
    """Check a field name."""
    if not is_token(name):
        findings.error(path, f"{name!r} is not a field name: letters, digits and - only, without a colon")


def check_value(findings: Findings, path: KeyPath, value: str) -> None:
    """Check a field value."""
    if fault := value_fault(value):
        findings.error(path, fault)


def _check_cookies(findings: Findings, path: KeyPath, cookies: CookieMap | None) -> None:
    if cookies is None:
        return
    for key, mapping in (("domain", cookies.domain), ("path", cookies.path)):
        for source, target in mapping.items():
            place = (*path, key, source)
            if any(char in text for text in (source, target) for char in "; ,\r\n\0"):
                findings.error(place, f"a cookie {key} holds no blank, comma, semicolon or line break")
            elif key == "path" and not (source.startswith("/") and target.startswith("/")):
                findings.error(place, "a cookie path begins with a slash")
    if cookies.same_site == "None" and not cookies.secure:
        findings.warn((*path, "same_site"), "browsers drop SameSite=None cookies that are not Secure", "secure: true")


def _check_early(
    findings: Findings, path: KeyPath, stated: Limits | Timeouts | None, global_only: tuple[str, ...]
) -> None:
    for name in global_only:
        if stated is not None and name in stated.model_fields_set:
            findings.error(
                (*path, name), f"`{name}` applies before the site of a request is known; state it at the top level"
            )


def check_timeouts(findings: Findings, path: KeyPath, timeouts: Timeouts) -> None:
    """Warn of deadlines that get in each other's way."""
    if 0 < timeouts.total < timeouts.response and not {"total", "response"}.isdisjoint(timeouts.model_fields_set):
        findings.warn(
            (*path, "timeouts"),
            f"`total` ({timeouts.total:g}s) is shorter than `response` ({timeouts.response:g}s), which it cuts short",
        )


def _check_errors(findings: Findings, path: KeyPath, errors: ErrorPages) -> None:
    for key, file in errors.pages.items():
        place = (*path, "pages", key)
        if not _PAGE_KEY.fullmatch(key):
            findings.error(place, f"{key!r} is not an error status such as 503, or a class of them: 4xx, 5xx")
            continue
        if fault := page_fault(file):
            findings.error(place, fault)
        else:
            findings.files.append(file)
    for index, status in enumerate(errors.intercept):
        if not 400 <= status <= 599:
            findings.error((*path, "intercept", index), f"{status} is not an error status (400 to 599)")


def page_fault(file: str) -> str:
    """Return why a file cannot serve as an error page, or nothing."""
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_PAGE_BYTES + 1)
        data.decode()
    except OSError as error:
        return f"the error page {file} cannot be read: {error.strerror}"
    except ValueError:
        return f"the error page {file} is not UTF-8 text"
    return f"the error page {file} is larger than {MAX_PAGE_BYTES >> 10} KiB" if len(data) > MAX_PAGE_BYTES else ""


def check_exclusions(findings: Findings, path: KeyPath, exclusions: Iterable[WafExclusion]) -> None:
    """Check exceptions of the firewall."""
    today = datetime.datetime.now(datetime.UTC).date()
    for index, item in enumerate(exclusions):
        place = (*path, index)
        for number, rule in enumerate(item.rules):
            if not _RULES.fullmatch(rule):
                findings.error((*place, "rules", number), f"{rule!r} is not a rule: 942100, 942100-942199 or tag:NAME")
        if item.path and not item.path.startswith("/"):
            findings.error((*place, "path"), "a path prefix begins with a slash")
        _warn_exclusion(findings, place, item, today)


def _warn_exclusion(findings: Findings, place: KeyPath, item: WafExclusion, today: datetime.date) -> None:
    if item.expires is not None and item.expires < today:
        findings.warn((*place, "expires"), f"the exclusion expired on {item.expires} and is not applied")
    elif not item.owner or not item.reason:
        findings.warn(place, "the exclusion does not say who answers for it and why", "give `owner` and `reason`")


def check_waf(findings: Findings, path: KeyPath, waf: WafConfig) -> None:
    """Check that the firewall of a site or route, as inherited, can run. Collects the files of its rules."""
    place = (*path, "waf")
    if waf.mode == "off":
        return
    if waf.rules == "both" and not waf.crs:
        findings.error(
            (*place, "rules"),
            "rules: both needs the OWASP Core Rule Set: give its folder as crs: DIR",
            "write rules: logic to do without it",
        )
        return
    if waf.rules == "crs" and not waf.crs and not waf.directives:
        findings.error(
            place,
            "rules: crs needs rules: give the folder of the OWASP Core Rule Set as crs: DIR, or files of your "
            "own as directives: [FILE]",
            "get version 4 from https://github.com/coreruleset/coreruleset/releases and unpack it",
        )
        return
    if waf.crs and waf.rules == "logic":
        findings.warn((*place, "crs"), "the Core Rule Set is not used with rules: logic", "write rules: both")
    elif waf.crs and (fault := crs_fault(waf.crs)):
        findings.error((*place, "crs"), fault)
    for index, file in enumerate(waf.directives):
        findings.needs_file((*place, "directives", index), file, "the rules file")
    if waf.openapi:
        findings.needs_file((*place, "openapi"), waf.openapi, "the OpenAPI document")
    if waf.rule_set:
        findings.needs_file((*place, "rule_set"), waf.rule_set, "the rule set")
    findings.files += _rule_files(waf.crs)


def crs_fault(folder: str) -> str:
    """Return why a folder is not one of the Core Rule Set, or nothing."""
    if not os.path.isdir(folder):
        return f"there is no folder {folder}"
    if not any(Path(folder, "rules").glob("*.conf")):
        return f"{folder} is not a folder of the Core Rule Set: it has no rules/*.conf"
    return ""


def _rule_files(folder: str) -> list[str]:
    if not os.path.isdir(folder):  # unlike Path.glob it bears any name
        return []
    root = Path(folder)
    files = [*root.glob("crs-setup.conf*"), *root.glob("rules/*.conf"), *root.glob("rules/*.data")]
    return sorted(str(file) for file in files)
