"""What /status and /readyz tell: the supervisor's word, the plan, the pools and the counters, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bascule.config.plan import Plan, SitePlan
from bascule.telemetry.metrics import Pools
from bascule.telemetry.store import BOUNDS
from bascule.telemetry.totals import Histogram, RouteTotals, ServerTotals, Totals


def describe(
    plan: Plan,
    supervisor: Mapping[str, Any],
    totals: Totals,
    pools: Pools,
    maintenance: Mapping[str, bool],
    recent: Mapping[str, Any],
    events: str = "off",
) -> dict[str, Any]:
    """Return the document of /status. Counters are since the start; `recent` is over the last seconds."""
    reasons = unready(plan, supervisor, pools)
    return {
        **{key: value for key, value in supervisor.items() if key != "processes"},
        "ready": not reasons,
        "reasons": reasons,
        "processes": _processes(supervisor, totals),
        "recent": recent,
        "connections": {
            "open": totals.connections,
            "accepted": totals.accepted,
            "accepted_tls": totals.accepted_tls,
            "refused": totals.refused,
            "tls_failed": totals.tls_failed,
        },
        "causes": totals.causes,
        "defence": [
            {"defence": rule.defence, "rule": rule.rule, "decisions": rule.decisions} for rule in totals.defence
        ],
        "log": {"lines": totals.log_lines, "dropped": totals.log_lines_dropped},
        "events": {"path": events, "written": totals.events, "dropped": totals.events_dropped},
        "bounds": BOUNDS,
        "sites": _sites(plan, totals, pools, maintenance),
        "pools": _pools(totals, pools),
    }


def unready(plan: Plan, supervisor: Mapping[str, Any], pools: Pools) -> list[str]:
    """Return why no traffic should be sent here; empty when it should."""
    reasons = []
    if supervisor.get("state") == "stopping":
        reasons.append("stopping")
    elif not any(
        process["state"] == "ready" and process["generation"] == supervisor.get("generation")
        for process in supervisor.get("processes", ())
        if process["name"] != "keeper"
    ):
        reasons.append("no worker serves")
    if plan.sites and not any(_usable(site, plan, pools) for site in plan.sites):
        reasons.append("no site has a usable server")
    return reasons


def _usable(site: SitePlan, plan: Plan, pools: Pools) -> bool:
    """Tell if some route of the site has a server that is not known to be down, or needs none."""
    names = {pool.index: pool.name for pool in plan.pools}
    return any(
        route.pool is None or any(server["state"] != "down" for server in pools.get(names[route.pool], ()))
        for route in site.routes
    )


def _processes(supervisor: Mapping[str, Any], totals: Totals) -> list[dict[str, Any]]:
    gauges = {worker.pid: worker for worker in totals.workers}
    processes = []
    for process in supervisor.get("processes", ()):
        worker = gauges.get(process["pid"])
        measured = (
            {"connections": worker.connections, "resident": worker.resident, "cpu": worker.cpu, "fds": worker.fds}
            if worker
            else {}
        )
        processes.append({**process, **measured})
    return processes


def _sites(plan: Plan, totals: Totals, pools: Pools, maintenance: Mapping[str, bool]) -> list[dict[str, Any]]:
    by_name = {(route.site, route.route): route for route in totals.routes}
    pool_names = {pool.index: pool.name for pool in plan.pools}
    return [
        {
            "name": site.name,
            "hosts": site.hosts,
            "usable": _usable(site, plan, pools),
            "maintenance": maintenance.get(site.name),
            "routes": [
                {
                    "name": route.name,
                    "pool": None if route.pool is None else pool_names[route.pool],
                    **_route(by_name.get((site.name, route.name)) or RouteTotals(site.name, route.name)),
                }
                for route in site.routes
            ],
        }
        for site in plan.sites
    ] + _unrouted(by_name.get(("", "")))


def _unrouted(totals: RouteTotals | None) -> list[dict[str, Any]]:
    """Return a site for the requests that found none."""
    if totals is None:
        return []
    route = {"name": "(no route)", "pool": None, **_route(totals)}
    return [{"name": "", "hosts": (), "usable": True, "maintenance": None, "routes": [route]}]


def _route(totals: RouteTotals) -> dict[str, Any]:
    return {
        "requests": sum(totals.requests.values()),
        "statuses": totals.statuses(),
        "bytes_in": totals.bytes_in,
        "bytes_out": totals.bytes_out,
        "retries": totals.retries,
        "duration": _histogram(totals.duration),
        "cache": totals.cache,
    }


def _pools(totals: Totals, pools: Pools) -> list[dict[str, Any]]:
    by_name = {(server.pool, server.server): server for server in totals.servers}
    return [
        {
            "name": pool,
            "servers": [
                {**server, **_server(by_name.get((pool, server["server"])) or ServerTotals(pool, server["server"]))}
                for server in servers
            ],
        }
        for pool, servers in pools.items()
    ]


def _server(totals: ServerTotals) -> dict[str, Any]:
    return {
        "requests": sum(totals.answers.values()),
        "statuses": totals.answers,
        "errors": totals.errors,
        "wait": _histogram(totals.wait),
    }


def _histogram(histogram: Histogram) -> dict[str, Any]:
    return {
        "buckets": histogram.buckets,
        "sum": histogram.total,
        **{f"p{percent}": histogram.quantile(percent / 100) for percent in (50, 95, 99)},
    }
