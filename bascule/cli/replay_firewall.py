"""The firewall that a configuration puts before a recorded request: route first, as the proxy does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bascule.cli.folders import cache_dir
from bascule.config.loader import load
from bascule.config.plan import Plan, RoutePlan
from bascule.config.waf import WafConfig
from bascule.defence.clients import ClientPrefix
from bascule.http.errors import HttpError
from bascule.http.host import split_authority
from bascule.http.path import normalise
from bascule.proxy.firewall import located, settings_of
from bascule.proxy.largebody import MAX_DECODED
from bascule.proxy.router import Condition, Router, build_router, compile_condition
from bascule.proxy.windows import Windows
from bascule.waf.engine import Transaction, Waf, WafLoadError, WafSettings
from bascule.waf.replay.judge import Judgement, begin, conclude, judge, plain_body
from bascule.waf.replay.records import Pairs, Recorded

__all__ = ["Firewall", "WafLoadError", "load_crs", "load_file"]

BUDGET = 30.0
"""Seconds a request may take here: the answer must not depend on how busy this machine is."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What routing asks of a route, and its firewall."""

    plan: RoutePlan
    condition: Condition | None
    waf: Waf | None


@dataclass(frozen=True, slots=True)
class _Head:
    """What a route's conditions ask of a request."""

    method: bytes
    target: bytes
    fields: Pairs


class Firewall:
    """Judges requests: by their route's firewall if there is a router, else all by one.

    `outward` is the route of the forward proxy, which what is for no site was on, if there is one; `clients` tells what
    counts as one client.
    """

    def __init__(
        self,
        router: Router[_Route] | None,
        waf: Waf | None = None,
        outward: _Route | None = None,
        clients: ClientPrefix | None = None,
    ) -> None:
        self.clients = clients or ClientPrefix()
        self._router = router
        self._waf = waf
        self._outward = outward

    def lesson(self, request: Recorded) -> tuple[RoutePlan, bytes, Transaction, bool] | None:
        """Return the route of a request, its path in normal form, and its transaction with whether it is suspicious.

        None: it has no route, or no firewall there.
        """
        try:
            found = self._find(request)
        except HttpError:
            return None
        if found is None or (waf := found[0].waf) is None:
            return None
        route, path = found
        judgement, transaction = judge(waf, request)
        return route.plan, path, transaction, judgement.event is not None and bool(judgement.event.fired)

    def judge(self, request: Recorded) -> Judgement:
        """Return what becomes of a request."""
        if self._router is not None:
            if request.method == b"CONNECT" and self._outward is not None:
                return Judgement(blocked=False, reason="a tunnel, which is not seen into")
            try:
                found = self._find(request)
            except HttpError as error:
                reason = f"refused before the firewall: {error.cause} {error.detail}".rstrip()
                return Judgement(blocked=True, status=error.status, reason=reason)
            if found is None:
                return Judgement(blocked=True, status=404, reason="no route")
            route = found[0]
            if route.waf is None:
                return Judgement(blocked=False, reason="the firewall is off there")
            return _judge(route.waf, request, route.plan.waf.large_body)
        assert self._waf is not None
        return _judge(self._waf, request, WafConfig().large_body)

    def _find(self, request: Recorded) -> tuple[_Route, bytes] | None:
        """Return the route of a request and its path in normal form. Raises HttpError."""
        host, _ = split_authority(request.host)
        site = self._router.site(host) if self._router is not None else None
        if site is None:
            return None if self._outward is None else (self._outward, request.target.partition(b"?")[0])
        path = normalise(request.target.partition(b"?")[0], site.plan.path)
        head = _Head(request.method, request.target, request.headers)
        route = site.route_of(head, path)
        return None if route is None else (route, path.wire)


def _judge(waf: Waf, request: Recorded, large_body: str) -> Judgement:
    """Judge a request, and what is beyond the limit of its body as the proxy does (proxy/inspection.py)."""
    found, transaction = judge(waf, request)
    if found.blocked or transaction.body_length <= waf.settings.request_body_limit:
        return found
    if large_body == "reject":
        return Judgement(True, 413, reason=f"refused for its size: large_body: {large_body}", event=found.event)
    return _beyond(waf, request, transaction) if large_body == "stream" else found


def _beyond(waf: Waf, request: Recorded, start: Transaction) -> Judgement:
    limit = waf.settings.request_body_limit
    body = plain_body(request, limit * MAX_DECODED)
    windows = Windows(limit, start.reader_of_rest(limit), lambda: begin(waf, request)[0])
    windows.judge(body[limit:], ended=True)
    return Judgement(blocked=False) if windows.found is None else conclude(windows.found)


def load_crs(folder: Path, paranoia: int) -> Firewall:
    """Return a firewall of the Core Rule Set for all requests. Raises WafLoadError."""
    return Firewall(None, Waf.load(WafSettings(crs_dir=folder, paranoia=paranoia, time_budget=BUDGET), cache_dir("")))


def load_file(config: Path) -> Firewall:
    """Return the firewall of a configuration file. Raises ConfigError and WafLoadError."""
    plan = load(config)
    return _firewall(plan, cache_dir(plan.config.cache_dir))


def _firewall(plan: Plan, cache: Path | None) -> Firewall:
    made: dict[str, Waf] = {}
    routes: dict[int, _Route] = {}
    for route in plan.routes:
        text = route.waf.model_dump_json()
        if route.waf.mode != "off" and text not in made:
            try:
                made[text] = Waf.load(replace(settings_of(route.waf), time_budget=BUDGET), cache)
            except WafLoadError as error:
                raise located(error, plan, route) from None
        routes[route.index] = _Route(route, compile_condition(route.match), made.get(text))
    outward = None if plan.forward is None else routes[plan.forward.route.index]
    defence = plan.config.defence
    clients = ClientPrefix(defence.ipv4_prefix, defence.ipv6_prefix)
    return Firewall(build_router(plan, routes), outward=outward, clients=clients)
