"""Checks of a pool: members, weights, localities, health, stickiness, discovery, TLS towards the servers."""

from __future__ import annotations

import re

from bascule.config.check_policies import check_name, check_value
from bascule.config.check_tls import check_authority, check_pair
from bascule.config.errors import KeyPath, suggest
from bascule.config.findings import Findings
from bascule.config.grammar import is_token, path_fault, pattern_fault
from bascule.config.pools import Discovery, HealthCheck, Pool
from bascule.config.types import parse_address

MIN_SECRET = 16
"""Characters of a signing secret: 16 of a random text are about 96 bits."""
_STATUS = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")
_SRV = re.compile(r"_[A-Za-z0-9-]+\._(?:tcp|udp|tls)\.[A-Za-z0-9_.-]+")
_IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


def check_pool(findings: Findings, path: KeyPath, pool: Pool) -> None:
    """Check a pool, named or inline."""
    _check_members(findings, path, pool)
    if pool.hash.key in ("header", "cookie") and not pool.hash.name:
        findings.error((*path, "hash"), f"key: {pool.hash.key} needs the name of the {pool.hash.key} as `name`")
    elif pool.hash.name and not is_token(pool.hash.name):
        findings.error((*path, "hash", "name"), f"{pool.hash.name!r} is not a name of a {pool.hash.key}")
    if "hash" in pool.model_fields_set and pool.balance != "hash":
        findings.warn((*path, "hash"), f"`hash` has no effect with balance: {pool.balance}", "write balance: hash")
    if pool.health is not None:
        _check_health(findings, (*path, "health"), pool.health)
    if pool.discover is not None:
        _check_discovery(findings, (*path, "discover"), pool.discover)
    _check_sticky(findings, path, pool)
    _check_retries(findings, path, pool)
    _check_origin_tls(findings, (*path, "tls"), pool)


def _check_members(findings: Findings, path: KeyPath, pool: Pool) -> None:
    servers = pool.servers
    first: dict[str, int] = {}
    for index, server in enumerate(servers):
        place = (*path, "servers", index)
        if server.address.address.path == "" and server.address.address.port == 0:
            findings.error(place, f"{server.address}: the port of a server cannot be 0")
        if first.setdefault(str(server.address), index) != index:
            findings.error(place, f"{server.address} stands twice in this pool; give it a higher weight instead")
    if servers and not any(server.weight for server in servers):
        findings.error((*path, "servers"), "every server has weight 0, so none would get a request")
    if servers and all(server.backup for server in servers):
        findings.error((*path, "servers"), "every server is a backup; at least one is a primary server")
    if servers and all(server.drain for server in servers):
        findings.warn((*path, "servers"), "every server is draining, so none takes a new client")
    zones = sorted({server.locality for server in servers if server.locality})
    if pool.locality and servers and pool.locality not in zones:
        known = f"the servers are in {', '.join(zones)}" if zones else "no server has a `locality`"
        findings.error(
            (*path, "locality"), f"no server is in {pool.locality!r}: {known}", suggest(pool.locality, zones)
        )


def _check_health(findings: Findings, path: KeyPath, health: HealthCheck) -> None:
    for index, status in enumerate(health.status):
        match = _STATUS.fullmatch(status)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            findings.error((*path, "status", index), f"{status!r} is not a status (204) or a range (200-399)")
    if health.kind == "http" and (fault := path_fault(health.path.partition("?")[0])):
        findings.error((*path, "path"), fault)
    elif any(char <= " " or char == "\x7f" for char in health.path):
        findings.error((*path, "path"), f"{health.path!r} holds a blank or control character")
    if health.kind == "tcp":
        for name in sorted(health.model_fields_set & {"path", "method", "host", "headers", "status", "body"}):
            findings.warn((*path, name), f"`{name}` has no effect on a TCP check")
    for name, value in health.headers.items():
        check_name(findings, (*path, "headers", name), name)
        check_value(findings, (*path, "headers", name), value)
    check_value(findings, (*path, "host"), health.host)
    if health.body and (fault := pattern_fault(health.body)):
        findings.error((*path, "body"), fault)
    if health.timeout > health.interval:
        findings.warn((*path, "timeout"), f"the timeout ({health.timeout:g}s) is longer than the interval")


def _check_discovery(findings: Findings, path: KeyPath, discovery: Discovery) -> None:
    if bool(discovery.dns) == bool(discovery.file):
        findings.error(path, "members are discovered by exactly one of `dns` and `file`")
    if discovery.dns and not _SRV.fullmatch(discovery.dns):
        if discovery.dns.startswith("_"):
            findings.error((*path, "dns"), f"{discovery.dns!r} is not an SRV name such as _http._tcp.app.internal")
        else:
            _check_address(findings, (*path, "dns"), discovery.dns, "app.internal:8000 or _http._tcp.app.internal")
    if discovery.min_ttl > discovery.max_ttl:
        findings.error((*path, "min_ttl"), "`min_ttl` is longer than `max_ttl`")


def _check_address(findings: Findings, path: KeyPath, text: str, example: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        address = None
    if address is None or address.path or not address.port or text.startswith(":"):
        findings.error(path, f"{text!r} is not a name and a port such as {example}")


def _check_sticky(findings: Findings, path: KeyPath, pool: Pool) -> None:
    if pool.sticky is None:
        return
    if not is_token(pool.sticky.cookie):
        findings.error((*path, "sticky", "cookie"), f"{pool.sticky.cookie!r} is not a cookie name")
    if pool.sticky.secret and len(pool.sticky.secret) < MIN_SECRET:
        findings.error(
            (*path, "sticky", "secret"),
            f"the secret is shorter than {MIN_SECRET} characters",
            "make one with `openssl rand -base64 24`, or leave it out: sessions then last until the next start",
        )


def _check_retries(findings: Findings, path: KeyPath, pool: Pool) -> None:
    for index, method in enumerate(pool.retries.methods):
        place = (*path, "retries", "methods", index)
        if not is_token(method):
            findings.error(place, f"{method!r} is not a method")
        elif method.upper() not in _IDEMPOTENT:
            findings.warn(place, f"{method} is not idempotent: a retry may do its work twice (RFC 9110, 9.2.2)")


def _check_origin_tls(findings: Findings, path: KeyPath, pool: Pool) -> None:
    tls = pool.tls
    if not tls.verify:
        findings.warn((*path, "verify"), "servers are not verified: whoever is in between can read and change all")
    if tls.ca:
        check_authority(findings, (*path, "ca"), tls.ca)
    if bool(tls.cert) != bool(tls.key):
        findings.error(path, "`cert` and `key` belong together")
    elif tls.cert:
        check_pair(findings, path, tls.cert, tls.key, ())
    secure = any(server.address.scheme == "https" for server in pool.servers)
    if pool.discover is not None:
        secure = secure or pool.discover.scheme == "https"
    if not secure and tls.model_fields_set and (pool.servers or pool.discover):
        findings.warn(path, "`tls` has no effect: no server of the pool is https://")
