"""Compile a configuration to the immutable Plan: check what belongs together, resolve what is inherited."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from bascule.config.base import overlay
from bascule.config.check_cache import check_cache, check_cached_route, check_store
from bascule.config.check_challenge import (
    check_account_captcha,
    check_attack,
    check_challenge,
    check_challenging_rules,
)
from bascule.config.check_defence import check_account, check_crawlers, check_defence, check_limits
from bascule.config.check_filters import check_answers, check_filters, check_response
from bascule.config.check_forward import check_forward
from bascule.config.check_logins import check_logins
from bascule.config.check_policies import check_exclusions, check_policies, check_timeouts, check_waf
from bascule.config.check_pools import check_pool
from bascule.config.check_process import check_listeners, check_process
from bascule.config.check_profiles import check_profiles
from bascule.config.check_sites import check_hosts, check_route, check_site, split_path
from bascule.config.document import Node, Sources
from bascule.config.errors import KeyPath, suggest
from bascule.config.findings import Findings, Locator
from bascule.config.inherit import Policies, log_fields, outward
from bascule.config.plan import ForwardPlan, Plan, PoolPlan, RoutePlan, ScopedLimit, ScopedRoom, SitePlan
from bascule.config.policies import PathPolicy, Rewrite
from bascule.config.pools import Pool
from bascule.config.references import Secrets
from bascule.config.schema import Config, Match, Route, Site
from bascule.config.waf import WafConfig


def compile_config(
    config: Config, files: Iterable[str] = (), *, sources: Sources | None = None, root: Node | None = None
) -> Plan:
    """Return the plan of a validated configuration. Raises ConfigError with every mistake found.

    `files` are those it was read from. `sources` and `root`, where it came from files, give problems their places.
    """
    config = _with_more_fields(config)
    locator = Locator(sources, root)
    findings = Findings(locator)
    compiler = _Compiler(config, findings)
    compiler.check_top()
    sites = compiler.sites()
    forward = compiler.forward()
    check_store(
        findings,
        config,
        any(route.cache.enabled for site in sites for route in site.routes)
        or (forward is not None and forward.route.cache.enabled),
    )
    findings.close()
    read = [*files, *(sources.files if sources else ()), *findings.files]
    names = tuple(dict.fromkeys(os.path.abspath(name) for name in read))
    return Plan(
        config=config,
        listeners=(*config.listen, *(config.forward.listen if config.forward else ())),
        sites=sites,
        forward=forward,
        pools=tuple(compiler.pools),
        rates=tuple(ScopedLimit("", limit) for limit in config.limit),
        digest=_digest(config, names),
        files=names,
        warnings=(*(sources.warnings if sources else ()), *findings.warnings),
        secrets=sources.secrets if sources else Secrets(),
        locator=locator,
    )


def _with_more_fields(config: Config) -> Config:
    """Log what only a forward proxy or a cache knows, where there is one and the fields are not chosen."""
    log = config.access_log
    fields = log_fields(config)
    if "fields" in log.model_fields_set or fields == log.fields:
        return config
    return config.model_copy(update={"access_log": log.model_copy(update={"fields": fields})})


def _digest(config: Config, files: Iterable[str]) -> str:
    """Identify the content: the configuration and all files it was read from, certificates included."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    for file in files:
        try:
            content = Path(file).read_bytes()
        except OSError:  # gone since it was checked: the next reload will tell
            content = b""
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


class _Compiler:
    """One run of the compilation; pools and routes are numbered as they come."""

    def __init__(self, config: Config, findings: Findings) -> None:
        self._config = config
        self._findings = findings
        self.pools = [PoolPlan(index, name, pool) for index, (name, pool) in enumerate(config.pools.items())]
        self._by_content: dict[str, int] = {}
        self._used: set[str] = set()
        self._exclusions = {name.lower(): found for name, found in config.exclusions.items()}
        self._routes = 0
        self._waf_checked: set[KeyPath] = set()
        self._challenges_checked: set[KeyPath] = set()
        self._challenged = False

    def check_top(self) -> None:
        """Check everything but the sites."""
        config, findings = self._config, self._findings
        self._check_stated((), config)
        check_timeouts(findings, (), config.timeouts)
        check_defence(findings, ("defence",), config.defence)
        check_account(findings, config.account)
        check_crawlers(findings, config.crawlers)
        for name, pool in config.pools.items():
            if not pool.servers and pool.discover is None:
                findings.error(("pools", name), "a pool has `servers` or `discover`")
            elif pool.servers and pool.discover is not None:
                findings.error(("pools", name), "a pool has either `servers` or `discover`, not both")
            check_pool(findings, ("pools", name), pool)
        check_listeners(findings, config)
        check_process(findings, config)
        check_hosts(findings, config)
        for name, exclusions in config.exclusions.items():
            if name.lower() not in {site.lower() for site in config.sites}:
                hint = suggest(name, config.sites)
                findings.error(("exclusions", name), f"there is no site {name}, as `sites` calls it", hint)
            check_exclusions(findings, ("exclusions", name), exclusions)

    def sites(self) -> tuple[SitePlan, ...]:
        """Return the plans of all sites."""
        top = Policies.of(self._config)
        plans = tuple(self._site(name, site, top) for name, site in self._config.sites.items())
        check_attack(self._findings, ("defence", "attack"), self._config.defence.attack, self._challenged)
        for name in self._config.pools:
            if name not in self._used:
                self._findings.warn(("pools", name), f"no route uses the pool {name}")
        return plans

    def forward(self) -> ForwardPlan | None:
        """Return the plan of the forward proxy, if there is one."""
        config = self._config.forward
        if config is None:
            return None
        check_forward(self._findings, config)
        check_policies(self._findings, ("forward",), config)
        check_cache(self._findings, ("forward",), config.cache)
        check_limits(self._findings, ("forward",), config, self._config.defence)
        self._check_firewall(("forward",), config.waf)
        policies = outward(Policies.of(self._config), config)
        if config.timeouts is not None:
            check_timeouts(self._findings, ("forward",), policies.timeouts)
        if config.waf is not None:
            check_waf(self._findings, ("forward",), policies.waf)
            for name in (name for name, answer in policies.waf.answers.items() if answer.action == "challenge"):
                self._findings.error(
                    ("forward", "waf", "answers", name), "clients of a way out cannot be challenged", "block or tarpit"
                )
            if config.waf.profile.stage != "off":
                self._findings.error(("forward", "waf", "profile"), "profiles are learned of sites, not of a way out")
        route = RoutePlan(
            index=self._routes,
            name="forward",
            site="forward",
            kind="prefix",
            path="/",
            match=Match(),
            pool=None,
            redirect=None,
            respond=None,
            rewrite=Rewrite(),
            headers=policies.headers,
            cookies=policies.cookies,
            timeouts=policies.timeouts,
            limits=policies.limits,
            errors=policies.errors,
            maintenance=None,
            waf=policies.waf,
            upgrades=("websocket",),
            log=config.log,
            cache=policies.cache,
            rates=tuple(ScopedLimit("forward", limit) for limit in config.limit),
            waf_from=(("forward",),),
        )
        path = PathPolicy(underscore_headers="keep")
        parents = {}
        for name, parent in config.parents.items():
            parents[name] = dataclasses.replace(route, pool=len(self.pools))
            self.pools.append(PoolPlan(len(self.pools), f"parent {name}", parent))
        return ForwardPlan(config, SitePlan("forward", (), None, path, (route,)), parents)

    def _site(self, name: str, site: Site, top: Policies) -> SitePlan:
        path: KeyPath = ("sites", name)
        hosts = tuple(dict.fromkeys(host.lower() for host in (name, *site.aliases)))
        self._check_stated(path, site)
        check_site(self._findings, path, site, hosts)
        policies = top.below(site).excluding(self._exclusions.get(name.lower(), ()))
        if site.timeouts is not None:
            check_timeouts(self._findings, path, policies.timeouts)
        routes = []
        for written, alternatives in site.routes.items():
            for index, route in enumerate(alternatives):
                place = (*path, "routes", written, index)
                label = f"{name} {written}" + (f" #{index + 1}" if index else "")
                routes.append(self._route(place, label, hosts[0], written, route, site, policies))
        check_profiles(self._findings, path, routes)
        logins = overlay(self._config.logins, site.logins)
        stated: KeyPath = (*path, "logins") if site.logins is not None else ("logins",)
        check_logins(self._findings, stated, logins, routes)
        return SitePlan(hosts[0], hosts, site.tls, site.path, tuple(routes), logins)

    def _route(
        self, path: KeyPath, label: str, site_name: str, written: str, route: Route, site: Site, above: Policies
    ) -> RoutePlan:
        self._check_stated(path, route)
        check_route(self._findings, path, route, self._config.pools)
        check_cached_route(self._findings, path, route)
        policies = above.below(route)
        if route.timeouts is not None:
            check_timeouts(self._findings, path, policies.timeouts)
        self._check_waf(path, route, site, policies)
        self._check_challenge(path, label, route, site, policies)
        levels = ((path, route.waf), (path[:2], site.waf), ((), self._config.waf))
        check_challenging_rules(self._findings, levels, policies.waf, policies.challenge, label)
        kind, text = split_path(written)
        index, self._routes = self._routes, self._routes + 1
        return RoutePlan(
            index=index,
            name=label,
            site=site_name,
            kind=kind,
            path=text,
            match=route.match,
            pool=self._pool(label, route),
            redirect=route.redirect,
            respond=route.respond,
            rewrite=route.rewrite,
            headers=policies.headers,
            cookies=policies.cookies,
            timeouts=policies.timeouts,
            limits=policies.limits,
            rates=(
                *(ScopedLimit(site_name, limit) for limit in site.limit),
                *(ScopedLimit(label, limit) for limit in route.limit),
            ),
            errors=policies.errors,
            maintenance=policies.maintenance,
            waf=policies.waf,
            upgrades=route.upgrades,
            log=route.log,
            challenge=policies.challenge,
            cache=policies.cache,
            waiting_room=_waiting_room(site_name, site, label, route),
            waf_from=tuple(level for level, stated in levels if stated is not None),
        )

    def _check_stated(self, path: KeyPath, level: Config | Site | Route) -> None:
        """Check what one level states of policies, rate limits and the firewall."""
        check_policies(self._findings, path, level)
        check_limits(self._findings, path, level, self._config.defence)
        check_cache(self._findings, path, level.cache)
        self._check_firewall(path, level.waf)

    def _check_firewall(self, path: KeyPath, waf: WafConfig | None) -> None:
        """Check what one level states of the firewall's own rules and answers."""
        if waf is not None:
            check_filters(self._findings, (*path, "waf", "filters"), waf.filters)
            check_response(self._findings, (*path, "waf", "response"), waf.response)
            check_answers(self._findings, (*path, "waf", "answers"), waf.answers)

    def _check_waf(self, path: KeyPath, route: Route, site: Site, policies: Policies) -> None:
        """Check the firewall of a route once, at the lowest level that says anything of it."""
        level = path if route.waf is not None else path[:2] if site.waf is not None else ()
        if level not in self._waf_checked:
            self._waf_checked.add(level)
            check_waf(self._findings, level, policies.waf)

    def _check_challenge(self, path: KeyPath, label: str, route: Route, site: Site, policies: Policies) -> None:
        """Check the challenge of a route once, at the lowest level that says anything of it."""
        level = path if route.challenge is not None else path[:2] if site.challenge is not None else ()
        if level not in self._challenges_checked:
            self._challenges_checked.add(level)
            check_challenge(self._findings, (*level, "challenge"), policies.challenge)
            check_account_captcha(self._findings, self._config.account, policies.challenge, label)
        self._challenged = self._challenged or policies.challenge.asks

    def _pool(self, label: str, route: Route) -> int | None:
        """Return the index of a route's pool; routes with equal inline pools share one."""
        if route.pool:
            self._used.add(route.pool)
            return next((plan.index for plan in self.pools if plan.name == route.pool), None)
        if not route.servers and route.discover is None:
            return None
        pool = Pool.model_construct(
            _fields_set=route.model_fields_set & set(Pool.model_fields),
            **{name: getattr(route, name) for name in Pool.model_fields},
        )
        content = pool.model_dump_json()
        if content not in self._by_content:
            self._by_content[content] = len(self.pools)
            self.pools.append(PoolPlan(len(self.pools), label, pool))
        return self._by_content[content]


def _waiting_room(site_name: str, site: Site, label: str, route: Route) -> ScopedRoom | None:
    """Return the waiting room of a route: its own, or that which the routes of its site share."""
    own = route.waiting_room
    if own is not None:
        return None if own.mode == "off" else ScopedRoom(label, own)
    shared = site.waiting_room
    return None if shared is None or shared.mode == "off" else ScopedRoom(site_name, shared)
