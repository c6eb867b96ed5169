"""A plan as plain data for people and programs: what runs, and what differs from the defaults. Holds no secret."""

from __future__ import annotations

from typing import Any

from bascule.config.base import Model
from bascule.config.cache import NO_CACHE
from bascule.config.errors import Problem
from bascule.config.inherit import log_fields
from bascule.config.plan import Plan, PoolPlan, RoutePlan, SitePlan
from bascule.config.policies import CookieMap, ErrorPages, Headers, Limits, PathPolicy, Rewrite, Timeouts
from bascule.config.schema import Config, Forward, Match
from bascule.config.waf import WafConfig

_FORWARD_PARTS = ("rules", "ways", "quotas", "parents")
"""Parts of the forward proxy that are shown by themselves; its parents are among the pools."""
_TOP = ("listen", "sites", "pools", "forward", "include", "waf")
"""Keys of the configuration that a view shows by themselves."""
_MEMBERS = ("servers", "discover", "balance", "health")


def view(plan: Plan) -> dict[str, Any]:
    """Return what a plan would run as JSON-able data with all secrets masked."""
    tree = {
        "digest": plan.digest,
        "files": plan.files,
        "workers": plan.config.workers or "one per core",
        "listeners": [listener.model_dump(mode="json", exclude_defaults=True) for listener in plan.listeners],
        "sites": [_site(site, plan) for site in plan.sites],
        "pools": [_pool(pool) for pool in plan.pools],
        "forward": _forward(plan) if plan.forward else None,
        "settings": _settings(plan.config),
        "warnings": [problem_data(warning) for warning in plan.warnings],
    }
    masked: dict[str, Any] = plan.secrets.clean_tree(tree)
    return masked


def problem_data(problem: Problem) -> dict[str, Any]:
    """Return an error or a warning as plain data."""
    return {
        "message": problem.message,
        "key": problem.key,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "hint": problem.hint,
    }


def differences(model: Model, default: Model) -> dict[str, Any]:
    """Return what differs from a default, by dotted key; of a part that is absent there, what it says itself."""
    return _differences(model.model_dump(mode="json"), default.model_dump(mode="json"), "", _said(model))


def _said(model: Model) -> dict[str, Any]:
    """Return what a part says, without what it leaves as it is."""
    return model.model_dump(mode="json", exclude_defaults=True, by_alias=True)


def _differences(
    mine: dict[str, Any], default: dict[str, Any], prefix: str, said: dict[str, Any] | None
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in mine.items():
        usual = default.get(key)
        if value == usual:
            continue
        own = said.get(key) if said is not None else None
        if isinstance(value, dict) and isinstance(usual, dict) and usual:
            result.update(_differences(value, usual, f"{prefix}{key}.", own if isinstance(own, dict) else None))
        else:
            result[prefix + key] = own if isinstance(value, dict) and usual is None and own else value
    return result


def _settings(config: Config) -> dict[str, Any]:
    default = Config.model_construct()
    kept = set(Config.model_fields) - set(_TOP)
    shown = _differences(
        config.model_dump(mode="json", include=kept),
        default.model_dump(mode="json", include=kept, warnings=False),
        "",
        _said(config),
    )
    if config.access_log.fields == log_fields(config):
        shown.pop("access_log.fields", None)  # the default, where there is a forward proxy or a cache
    if "limit" in shown:
        shown["limit"] = [limit.label for limit in config.limit]
    return shown


def _site(site: SitePlan, plan: Plan) -> dict[str, Any]:
    return {
        "hosts": site.hosts,
        "tls": site.tls.model_dump(mode="json", exclude_defaults=True) if site.tls else None,
        "path": differences(site.path, PathPolicy()),
        "routes": [_route(route, plan) for route in site.routes],
    }


def _route(route: RoutePlan, plan: Plan) -> dict[str, Any]:
    differing: dict[str, Any] = {}
    for name, model, default in (
        ("timeouts", route.timeouts, Timeouts()),
        ("limits", route.limits, Limits()),
        ("headers", route.headers, Headers()),
        ("cookies", route.cookies, CookieMap()),
        ("errors", route.errors, ErrorPages()),
        ("rewrite", route.rewrite, Rewrite()),
        ("match", route.match, Match()),
        ("cache", route.cache, NO_CACHE),
    ):
        differing.update({f"{name}.{key}": value for key, value in differences(model, default).items()})
    if route.upgrades != ("websocket",):
        differing["upgrades"] = list(route.upgrades)
    if route.rates:
        differing["limit"] = [scoped.limit.label for scoped in route.rates]
    if not route.log:
        differing["log"] = False
    return {
        "name": route.name,
        "kind": route.kind,
        "path": route.path,
        "answer": _answer(route, plan),
        "waf": _waf(route.waf),
        "maintenance": route.maintenance.model_dump(mode="json") if route.maintenance else None,
        "differs": differing,
    }


def _waf(waf: WafConfig) -> dict[str, Any]:
    """Return what a firewall is told beside its defaults, and which rules it asks."""
    if waf.mode == "off":
        return {"mode": "off"}
    return {"mode": waf.mode, "rules": waf.rules, "preset": waf.preset, **differences(waf, WafConfig(mode=waf.mode))}


def _forward(plan: Plan) -> dict[str, Any]:
    """Return the forward proxy's rules in their order, and what else differs from the defaults."""
    assert plan.forward is not None
    config = plan.forward.config
    rules = [
        {
            "name": rule.name or f"rule {number}",
            "action": rule.action,
            "condition": rule.condition.model_dump(mode="json", exclude_defaults=True, by_alias=True),
            **{key: value for key, value in (("to", rule.to), ("reason", rule.reason)) if value},
        }
        for number, rule in enumerate(config.rules, 1)
    ]
    default = Forward(listen=config.listen)
    shown = {
        key: value for key, value in differences(config, default).items() if key.partition(".")[0] not in _FORWARD_PARTS
    }
    return {
        "rules": rules,
        "default": config.default,
        "ways": [_said(way) for way in config.ways],
        "quotas": {name: _said(quota) for name, quota in config.quotas.items()},
        "differs": shown,
    }


def _answer(route: RoutePlan, plan: Plan) -> dict[str, Any]:
    if route.pool is not None:
        return {"pool": plan.pools[route.pool].name}
    if route.redirect is not None:
        return {"redirect": route.redirect.model_dump(mode="json")}
    return {"respond": route.respond.model_dump(mode="json") if route.respond else None}


def _pool(plan: PoolPlan) -> dict[str, Any]:
    pool = plan.config
    return {
        "name": plan.name,
        "balance": pool.balance,
        "servers": [server.model_dump(mode="json", exclude_defaults=True) for server in pool.servers],
        "discover": pool.discover.model_dump(mode="json", exclude_defaults=True) if pool.discover else None,
        "health": pool.health.model_dump(mode="json") if pool.health else None,
        "differs": {
            key: value
            for key, value in differences(pool, type(pool)()).items()
            if key.partition(".")[0] not in _MEMBERS
        },
    }
