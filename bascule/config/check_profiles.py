"""Checks of `waf.profile`: the routes of a site share one profile."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.plan import RoutePlan

_SHARED = ("clients", "requests", "hold", "drift", "folder")
"""Keys that are about the profile, and not about what a route makes of it."""


def check_profiles(findings: Findings, path: KeyPath, routes: Iterable[RoutePlan]) -> None:
    """Check that the routes of a site learn by the same settings, and that those that do have a firewall."""
    first: RoutePlan | None = None
    for route in routes:
        profile = route.waf.profile
        if profile.stage == "off":
            continue
        if route.waf.mode == "off":
            findings.warn((*path, "waf"), f"{route.name} has no firewall, so its profile has no effect", "mode: detect")
            continue
        if first is None:
            first = route
        for name in _SHARED:
            here, there = getattr(profile, name), getattr(first.waf.profile, name)
            if here != there:
                findings.error(
                    path,
                    f"{route.name} has `waf.profile.{name}` {here}, {first.name} has {there}: a site has one profile",
                    "state it at the site",
                )
