"""Checks of `waf.filters` and `waf.answers`."""

from __future__ import annotations

from bascule.config.check_policies import page_fault
from bascule.config.check_pools import MIN_SECRET
from bascule.config.errors import KeyPath
from bascule.config.filters import Answer, WafFilters
from bascule.config.findings import Findings
from bascule.config.grammar import path_fault, pattern_fault
from bascule.config.response import PageWatch, WafResponse


def check_filters(findings: Findings, path: KeyPath, filters: WafFilters) -> None:
    """Check what one level states of the filters."""
    for index, entry in enumerate(filters.access):
        place = (*path, "access", index, "path")
        fault = pattern_fault(entry.path[1:]) if entry.path[:1] == "~" else path_fault(entry.path.removeprefix("="))
        if fault:
            findings.error(place, fault)
    seen: set[str] = set()
    for index, pattern in enumerate(filters.patterns):
        if fault := pattern_fault(pattern.pattern):
            findings.error((*path, "patterns", index, "pattern"), fault)
        if pattern.name in seen:
            findings.error((*path, "patterns", index, "name"), f"there are two patterns {pattern.name}")
        seen.add(pattern.name)
    if both := sorted(set(filters.uploads.allow) & set(filters.uploads.deny)):
        findings.error((*path, "uploads"), f"{both[0]} is both accepted and refused")
    if both := sorted(set(filters.fields.require) & set(filters.fields.deny)):
        findings.error((*path, "fields"), f"{both[0]} is both required and refused")


def check_response(findings: Findings, path: KeyPath, response: WafResponse) -> None:
    """Check what one level states of responses."""
    if response.pages is not None:
        check_pages(findings, (*path, "pages"), response.pages)
    for key, guard in (("cookies", response.cookies), ("forms", response.forms), ("links", response.links)):
        if guard is None:
            continue
        secrets: list[tuple[KeyPath, str]] = [(("secret",), guard.secret)]
        secrets += [(("previous", index), secret) for index, secret in enumerate(guard.previous)]
        for place, secret in secrets:
            if len(secret) < MIN_SECRET:
                findings.error(
                    (*path, key, *place),
                    f"the secret is shorter than {MIN_SECRET} characters",
                    "for example that of `openssl rand -base64 32`, kept in a file: ${file:secrets/forms}",
                )


def check_pages(findings: Findings, path: KeyPath, watch: PageWatch) -> None:
    """Check what is watched for defacement. Whether there are copies, the firewall sees."""
    for index, page in enumerate(watch.paths):
        if fault := path_fault(page):
            findings.error((*path, "paths", index), fault)
    for index, pattern in enumerate(watch.ignore):
        if fault := pattern_fault(pattern):
            findings.error((*path, "ignore", index), fault)
    if not watch.copies:
        findings.error((*path, "copies"), "the copies need a folder")


def check_answers(findings: Findings, path: KeyPath, answers: dict[str, Answer]) -> None:
    """Check what one level states of answers. Whether the rules exist, the firewall knows."""
    for name, answer in answers.items():
        if answer.action == "page":
            if fault := page_fault(answer.page):
                findings.error((*path, name, "page"), fault)
            else:
                findings.files.append(answer.page)
        elif answer.action == "redirect" and not answer.redirect.startswith(("/", "http://", "https://")):
            findings.error((*path, name, "redirect"), f"{answer.redirect!r} is neither a path nor a URL")
