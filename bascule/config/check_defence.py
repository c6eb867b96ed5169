"""Checks of rate limits and of the defence: that what they count by is there, and that they mean something."""

from __future__ import annotations

import zoneinfo

from bascule.config.account import Account
from bascule.config.crawlers import Crawlers
from bascule.config.defence import Bans, Defence, Limit
from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.grammar import host_of_url
from bascule.config.schema import Config, Forward, Route, Site
from bascule.config.sharing import Sharing
from bascule.config.types import is_url


def check_defence(findings: Findings, path: KeyPath, defence: Defence) -> None:
    """Check what concerns all sites."""
    for index, network in enumerate(defence.allow):
        if network.prefixlen == 0:
            findings.warn((*path, "allow", index), "everybody is let in, so nothing defends")
    for index, network in enumerate(defence.deny):
        if network.prefixlen == 0:
            findings.error((*path, "deny", index), "everybody would be kept out")
    _check_feeds(findings, path, defence)
    _check_bans(findings, (*path, "bans"), defence.bans)
    if defence.share is not None:
        _check_share(findings, (*path, "share"), defence.share)
    check_zone(findings, (*path, "timezone"), defence.timezone)
    _check_rules(findings, path, defence)
    geo = defence.geo
    for key, file in (("country", geo.country), ("asn", geo.asn), ("anonymous", geo.anonymous)):
        if file:
            findings.needs_file((*path, "geo", key), file, "the database")


def _check_feeds(findings: Findings, path: KeyPath, defence: Defence) -> None:
    for index, place in enumerate(defence.feeds):
        if is_url(place):
            check_list_url(findings, (*path, "feeds", index), place)
        else:
            findings.needs_file((*path, "feeds", index), place, "the list")
    if "feeds_mode" in defence.model_fields_set and not defence.feeds:
        findings.error((*path, "feeds_mode"), "`feeds_mode` has no effect without `feeds`")
    if "refresh" in defence.model_fields_set and not any(map(is_url, defence.feeds)):
        findings.error((*path, "refresh"), "`refresh` has no effect: no feed is at a URL")


def _check_bans(findings: Findings, path: KeyPath, bans: Bans) -> None:
    for name in ("of", "mode"):
        if name in bans.model_fields_set and bans.after is None:
            findings.error((*path, name), f"`{name}` has no effect without `after`", "after: 20/m")
    if bans.longest < bans.time:
        findings.error((*path, "longest"), "the longest ban is shorter than the first one, `time`")


def _check_share(findings: Findings, path: KeyPath, share: Sharing) -> None:
    if share.ca and not share.tls:
        findings.error((*path, "ca"), "`ca` has no effect without tls: true")
    elif share.ca:
        findings.needs_file((*path, "ca"), share.ca)
    if share.tls and share.server.path:
        findings.error((*path, "tls"), "a UNIX socket has no TLS")
    if share.user and not share.password:
        findings.error((*path, "user"), "`user` has no effect without `password`")


def _check_rules(findings: Findings, path: KeyPath, defence: Defence) -> None:
    """Check that rules have the databases they need, and that each can come to its turn."""
    names: dict[str, int] = {}
    for index, rule in enumerate(defence.rules):
        place, visitors = (*path, "rules", index), rule.visitors
        if rule.name and names.setdefault(rule.name, index) != index:
            findings.error((*place, "name"), f"two rules go by the name {rule.name}")
        for key, geo in (("country", "country"), ("asn", "asn"), ("kind", "anonymous")):
            if getattr(visitors, key) and not getattr(defence.geo, geo):
                findings.error(
                    place, f"`{key}` needs a database in MaxMind's format", f"defence: {{geo: {{{geo}: FILE}}}}"
                )
        everybody = not any(visitors.model_dump().values())
        if everybody and index + 1 < len(defence.rules):
            findings.error(place, "it holds for everybody, so no rule behind it is ever asked")
        if rule.mode == "detect" and rule.allow is not None:
            findings.error((*place, "mode"), "`allow` refuses nobody, so there is nothing to detect")


def check_zone(findings: Findings, path: KeyPath, zone: str) -> None:
    """Check a time zone; empty is that of the machine."""
    try:
        if zone:
            zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        findings.error(path, f"{zone!r} is not a time zone of this machine, such as Europe/Berlin")


def check_list_url(findings: Findings, path: KeyPath, url: str) -> None:
    """Check the URL of a list."""
    if not host_of_url(url):
        findings.error(path, f"{url!r} is not a URL such as https://lists.example/list.txt")
    elif url.startswith("http://"):
        findings.warn(path, "whoever is in between can change this list", "write https://")


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
        findings.needs_file(("crawlers", "ranges", name), file, "the list")


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
