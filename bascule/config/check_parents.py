"""Checks of the forward proxy's parents and of what goes through them."""

from __future__ import annotations

from bascule.config.check_pools import check_pool
from bascule.config.check_quotas import check_early
from bascule.config.errors import KeyPath, suggest
from bascule.config.findings import Findings
from bascule.config.parents import DIRECT, Parent
from bascule.config.schema import Forward

_LONGEST = 255
"""Bytes of a name or a password (RFC 1929 2)."""


def check_parents(findings: Findings, path: KeyPath, forward: Forward) -> None:
    """Check the parents, and that the ways name them."""
    own = {str(listener.address) for listener in forward.listen}
    for name, parent in forward.parents.items():
        place: KeyPath = (*path, "parents", name)
        if name == DIRECT:
            findings.error(place, f"{DIRECT} is the way without a parent", "give the parent another name")
        _check_parent(findings, place, parent)
        for index, server in enumerate(parent.servers):
            if str(server.address.address) in own:
                findings.error((*place, "servers", index), f"{server.address} is this very proxy")
    used = {name for way in forward.ways for name in way.through}
    for name in forward.parents:
        if name not in used:
            findings.error(
                (*path, "parents", name), f"nothing goes through {name}", f"write ways: [{{through: {name}}}]"
            )
    _check_ways(findings, path, forward)


def _check_parent(findings: Findings, path: KeyPath, parent: Parent) -> None:
    if bool(parent.servers) == (parent.discover is not None):
        findings.error(path, "a parent has either `servers` or `discover`", "servers: [http://10.0.0.1:3128]")
    check_pool(findings, path, parent)
    for key in ("user", "password"):
        if len(getattr(parent, key).encode()) > _LONGEST:
            findings.error((*path, key), f"it is longer than {_LONGEST} bytes")
    if ":" in parent.user and parent.protocol == "http":
        findings.error((*path, "user"), "a user name holds no colon (RFC 7617)")
    if parent.health is not None and parent.health.kind != "tcp":
        findings.error((*path, "health"), "a parent is checked by connecting to it", "write health: tcp")
    if parent.sticky is not None:
        findings.error((*path, "sticky"), "sticky sessions need cookies; balance: hash keeps a client at its parent")
    if parent.proxy_protocol != "off":
        findings.error((*path, "proxy_protocol"), "parents are not told who the client is")
    plain = parent.protocol == "http" and any(server.address.scheme == "http" for server in parent.servers)
    if parent.password and plain and not all(_is_near(server.address.address.host) for server in parent.servers):
        findings.warn((*path, "password"), "the password travels in the clear", "reach the parent by https://")


def _is_near(host: str) -> bool:
    return not host or host in ("localhost", "::1") or host.startswith("127.")


def _check_ways(findings: Findings, path: KeyPath, forward: Forward) -> None:
    known = {*forward.parents, DIRECT}
    for index, way in enumerate(forward.ways):
        place: KeyPath = (*path, "ways", index)
        if not way.through:
            findings.error((*place, "through"), "name a parent, or write direct")
        for number, name in enumerate(way.through):
            if name not in known:
                findings.error(
                    (*place, "through", number), f"there is no parent {name!r}",
                    suggest(name, known) or "define it: parents: {NAME: http://10.0.0.1:3128}",
                )  # fmt: skip
            elif name == DIRECT and number + 1 < len(way.through):
                findings.error((*place, "through", number + 1), "nothing comes after direct")
        check_early(findings, place, way)
    if forward.parents and any(rule.condition.ip or rule.condition.country for rule in forward.rules):
        findings.warn(
            (*path, "rules"),
            "rules ask for the address, so names are resolved here, also where a parent would resolve them",
        )
