"""Checks of rate limits and of the defence: that what they count by is there, and that they mean something."""

from __future__ import annotations

import os

from bascule.config.account import Account
from bascule.config.crawlers import Crawlers
from bascule.config.defence import Defence, Limit
from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.schema import Config, Forward, Route, Site


def check_defence(findings: Findings, path: KeyPath, defence: Defence) -> None:
    """Check what concerns all sites."""
    for index, network in enumerate(defence.allow):
        if network.prefixlen == 0:
            findings.warn((*path, "allow", index), "everybody is let in, so nothing defends")
    for index, network in enumerate(defence.deny):
        if network.prefixlen == 0:
            findings.error((*path, "deny", index), "everybody would be kept out")
    for index, file in enumerate(defence.feeds):
        if not (os.path.isfile(file) and os.access(file, os.R_OK)):
            findings.error((*path, "feeds", index), f"the list {file} cannot be read")
        else:
            findings.files.append(file)
    stated = defence.bans.model_fields_set
    for name in ("of", "mode"):
        if name in stated and defence.bans.after is None:
            findings.error((*path, "bans", name), f"`{name}` has no effect without `after`", "after: 20/m")
    if defence.bans.longest < defence.bans.time:
        findings.error((*path, "bans", "longest"), "the longest ban is shorter than the first one, `time`")
    for key, file in (("country", defence.geo.country), ("asn", defence.geo.asn)):
        if file and not (os.path.isfile(file) and os.access(file, os.R_OK)):
            findings.error((*path, "geo", key), f"the database {file} cannot be read")
        elif file:
            findings.files.append(file)


def check_account(findings: Findings, account: Account) -> None:
    """Check the accounts of clients."""
    stated = account.model_fields_set - {"mode"}
    if account.mode == "off" and stated:
        key = sorted(stated)[0]
        findings.error(("account", key), f"`{key}` has no effect while the mode is off", "account: {mode: block}")
    rungs = [getattr(account.steps, name) for name in ("cookie", "refresh", "proof", "captcha")]
    found = [points for points in rungs if points is not None]
    if found != sorted(found):
        findings.error(("account", "steps"), "a harder rung comes with fewer points than an easier one")


def check_crawlers(findings: Findings, crawlers: Crawlers) -> None:
    """Check what is done about crawlers."""
    stated = crawlers.model_fields_set - {"mode"}
    if crawlers.mode == "off" and stated:
        key = sorted(stated)[0]
        findings.error(("crawlers", key), f"`{key}` has no effect while the mode is off", "crawlers: {mode: block}")
    if crawlers.disallow and crawlers.robots != "own":
        findings.error(("crawlers", "disallow"), "`disallow` has no effect without robots: own")
    for name, domains in crawlers.names.items():
        if not domains:
            findings.error(
                ("crawlers", "names", name), f"{name} has no domain, so each would be a false one", "[example.com]"
            )
    for key in ("names", "ranges"):
        if "" in getattr(crawlers, key):
            findings.error(("crawlers", key, ""), "everybody's User-Agent has an empty part", "name the crawler")
    for name, file in crawlers.ranges.items():
        if not (os.path.isfile(file) and os.access(file, os.R_OK)):
            findings.error(("crawlers", "ranges", name), f"the list {file} cannot be read")
        else:
            findings.files.append(file)


def check_limits(findings: Findings, path: KeyPath, level: Config | Site | Route | Forward, defence: Defence) -> None:
    """Check the rate limits of one level."""
    seen: dict[str, int] = {}
    for index, limit in enumerate(level.limit):
        place = (*path, "limit", index)
        _check_limit(findings, place, limit, defence)
        if isinstance(level, Config) and "path" in limit.per:
            findings.error((*place, "per"), "paths are known once a site is: state a limit per path at a site or route")
        if isinstance(level, Forward) and "user" in limit.per:
            findings.error(
                (*place, "per"), "users of the forward proxy are known later", "write quotas: {NAME: {requests: 100/m}}"
            )
        if isinstance(level, Forward) and "path" in limit.per:
            findings.error((*place, "per"), "the forward proxy knows no paths of its own: limit per host or client")
        if seen.setdefault(limit.label, index) != index:
            findings.error(place, f"two limits go by the name {limit.label}; give one a `name` of its own")


def _check_limit(findings: Findings, path: KeyPath, limit: Limit, defence: Defence) -> None:
    if "all" in limit.per and len(limit.per) > 1:
        findings.error((*path, "per"), "`all` is one count of everybody, so no other key goes with it")
    if len(set(limit.per)) < len(limit.per):
        findings.error((*path, "per"), "a key is named twice")
    for key, file in (("country", defence.geo.country), ("asn", defence.geo.asn)):
        if key in limit.per and not file:
            findings.error(
                (*path, "per"),
                f"a limit per {key} needs a database in MaxMind's format",
                f"defence: {{geo: {{{key}: FILE}}}}",
            )
    if "max_delay" in limit.model_fields_set and limit.over != "delay":
        findings.error((*path, "max_delay"), "`max_delay` has no effect without over: delay")
