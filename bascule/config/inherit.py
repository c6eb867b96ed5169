"""Inheritance: what global settings, a site and a route say together.

A lower level overrides the keys it states. Header operations, error pages, exclusions and answers add up.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

from bascule.config.base import overlay
from bascule.config.cache import NO_CACHE, Cache
from bascule.config.challenge import NOBODY, Challenge
from bascule.config.observe import CACHE_FIELDS, FORWARD_FIELDS, LOG_FIELDS
from bascule.config.policies import CookieMap, ErrorPages, HeaderOps, Headers, Limits, Maintenance, Timeouts
from bascule.config.schema import Config, Forward, Route, Site
from bascule.config.waf import WafConfig, WafExclusion


@dataclass(frozen=True, slots=True)
class Policies:
    """All that is inherited, as it holds at one level."""

    headers: Headers
    cookies: CookieMap
    timeouts: Timeouts
    limits: Limits
    errors: ErrorPages
    maintenance: Maintenance | None
    waf: WafConfig
    challenge: Challenge
    cache: Cache

    @classmethod
    def of(cls, config: Config) -> Policies:
        """Return the global policies."""
        return cls(
            config.headers,
            CookieMap(),
            config.timeouts,
            config.limits,
            config.errors,
            None,
            _current(config.waf),
            config.challenge,
            config.cache,
        )

    def below(self, level: Site | Route) -> Policies:
        """Return what holds in a site, or in a route of it."""
        return Policies(
            headers=merge_headers(self.headers, level.headers),
            cookies=overlay(self.cookies, level.cookies),
            timeouts=overlay(self.timeouts, level.timeouts),
            limits=overlay(self.limits, level.limits),
            errors=_merge_errors(self.errors, level.errors),
            maintenance=level.maintenance if level.maintenance is not None else self.maintenance,
            waf=_merge_waf(self.waf, level.waf),
            challenge=merge_challenge(self.challenge, level.challenge),
            cache=merge_cache(self.cache, level.cache),
        )

    def excluding(self, exclusions: tuple[WafExclusion, ...]) -> Policies:
        """Return what holds with further exceptions, but for those that have expired."""
        if not exclusions:
            return self
        together = (*self.waf.exclusions, *exclusions)
        return replace(self, waf=_current(self.waf.model_copy(update={"exclusions": together})))


def outward(top: Policies, forward: Forward) -> Policies:
    """Return what holds for the forward proxy.

    Deadlines, limits and error pages are the global ones where it says nothing else. Header policy and firewall are
    about sites, so there they begin anew: nothing of a server is hidden, and nothing of the client told.
    """
    privacy = forward.privacy
    via = privacy.level == "off"
    own = Headers(hide=(), forwarded="off", via=via, request=privacy.request, response=privacy.response)
    return Policies(
        headers=merge_headers(own, forward.headers),
        cookies=CookieMap(),
        timeouts=overlay(top.timeouts, forward.timeouts),
        limits=overlay(top.limits, forward.limits),
        errors=_merge_errors(top.errors, forward.errors),
        maintenance=None,
        waf=_current(_of_way_out(forward.waf or WafConfig())),
        challenge=NOBODY,
        cache=forward.cache or NO_CACHE,
    )


def _of_way_out(waf: WafConfig) -> WafConfig:
    """Return a firewall that takes no header fields out of other people's responses, unless it says so."""
    if "headers" in waf.response.model_fields_set:
        return waf
    return waf.model_copy(update={"response": waf.response.model_copy(update={"headers": "off"})})


def merge_challenge(parent: Challenge, child: Challenge | None) -> Challenge:
    """Return challenges put over each other. Where nobody was asked so far, a lower level begins with the defaults."""
    if child is None:
        return parent
    return overlay(
        parent if parent.asks else parent.model_copy(update={"under_attack": Challenge().under_attack}), child
    )


def merge_cache(parent: Cache, child: Cache | None) -> Cache:
    """Return caches put over each other. A lower level that says anything but ``false`` switches it on."""
    if child is None:
        return parent
    return overlay(parent, child).model_copy(update={"enabled": child.enabled})


def merge_headers(parent: Headers, child: Headers | None) -> Headers:
    """Return header policies put over each other; of header operations the child's win name by name."""
    if child is None:
        return parent
    merged = overlay(parent, child)
    return merged.model_copy(
        update={
            "request": _merge_ops(parent.request, child.request),
            "response": _merge_ops(parent.response, child.response),
        }
    )


def _merge_ops(parent: HeaderOps, child: HeaderOps) -> HeaderOps:
    """A name that the child removes, sets or adds is the child's alone."""
    own = {name.lower() for name in (*child.remove, *child.set, *child.add)}
    return HeaderOps(
        remove=(*(name for name in parent.remove if name.lower() not in own), *child.remove),
        set={**{name: value for name, value in parent.set.items() if name.lower() not in own}, **child.set},
        add={**{name: value for name, value in parent.add.items() if name.lower() not in own}, **child.add},
    )


def _merge_errors(parent: ErrorPages, child: ErrorPages | None) -> ErrorPages:
    if child is None:
        return parent
    return overlay(parent, child).model_copy(update={"pages": {**parent.pages, **child.pages}})


def _merge_waf(parent: WafConfig, child: WafConfig | None) -> WafConfig:
    if child is None:
        return parent
    exclusions = (*parent.exclusions, *_current(child).exclusions)
    patterns = (*parent.filters.patterns, *child.filters.patterns)
    filters = overlay(parent.filters, child.filters).model_copy(update={"patterns": patterns})
    answers = {**parent.answers, **child.answers}
    response = overlay(parent.response, child.response)
    profile = overlay(parent.profile, child.profile)
    update = {
        "exclusions": exclusions,
        "filters": filters,
        "answers": answers,
        "response": response,
        "profile": profile,
    }
    return overlay(parent, child).model_copy(update=update)


def _current(waf: WafConfig) -> WafConfig:
    """Return the settings without the exclusions that have expired."""
    today = datetime.datetime.now(datetime.UTC).date()
    kept = tuple(item for item in waf.exclusions if item.expires is None or item.expires >= today)
    return waf if len(kept) == len(waf.exclusions) else waf.model_copy(update={"exclusions": kept})


def log_fields(config: Config) -> tuple[str, ...]:
    """Return the fields of the access log where they are not chosen."""
    levels = [config.cache, *(site.cache for site in config.sites.values())]
    levels += [route.cache for site in config.sites.values() for routes in site.routes.values() for route in routes]
    if config.forward is not None:
        levels.append(config.forward.cache)
    left_out: tuple[str, ...] = () if any(level is not None and level.enabled for level in levels) else CACHE_FIELDS
    left_out += () if config.forward is not None else FORWARD_FIELDS
    return tuple(name for name in LOG_FIELDS if name not in left_out)
