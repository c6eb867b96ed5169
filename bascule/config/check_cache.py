"""Checks of the cache that one key alone cannot tell."""

from __future__ import annotations

from bascule.config.cache import Cache
from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.schema import Config, Route


def check_cache(findings: Findings, path: KeyPath, cache: Cache | None) -> None:
    """Check what one level states of its cache."""
    if cache is None:
        return
    for index, prefix in enumerate(cache.bypass.paths):
        if not prefix.startswith("/"):
            findings.error(
                (*path, "cache", "bypass", "paths", index), f"{prefix!r} is no beginning of a path", f"write /{prefix}"
            )
    if not cache.enabled and cache.model_fields_set - {"enabled"}:
        findings.warn((*path, "cache"), "`enabled` is false, so the other keys change nothing here")


def check_cached_route(findings: Findings, path: KeyPath, route: Route) -> None:
    """Tell of a cache where there is no server whose responses it could keep."""
    if route.cache is not None and route.cache.enabled and (route.redirect is not None or route.respond is not None):
        findings.error((*path, "cache"), "`cache` has no effect on a route that does not go to servers")


def check_store(findings: Findings, config: Config, used: bool) -> None:
    """Tell of a store that nothing is put into."""
    if "cache_store" in config.model_fields_set and not used:
        findings.warn(("cache_store",), "nothing is stored in it", "give a site `cache: true`")
