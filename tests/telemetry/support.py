"""Plans and records for the tests of telemetry and admin."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from typing import Any

from bascule.config.plan import Plan, PoolPlan, RoutePlan, SitePlan
from bascule.config.policies import CookieMap, ErrorPages, Headers, Limits, PathPolicy, Rewrite, Timeouts
from bascule.config.pools import Pool
from bascule.config.schema import Config, Match, WafConfig
from bascule.telemetry.record import Record


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """As a full disk: writes beyond `size` are cut short, then fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


ROUTES = ("shop.example /", "shop.example /api/")


def make_route(index: int, name: str, pool: int | None = 0, log: bool = True, site: str = "shop.example") -> RoutePlan:
    return RoutePlan(
        index=index,
        name=name,
        site=site,
        kind="prefix",
        path="/",
        match=Match(),
        pool=pool,
        redirect=None,
        respond=None,
        rewrite=Rewrite(),
        headers=Headers(),
        cookies=CookieMap(),
        timeouts=Timeouts(),
        limits=Limits(),
        errors=ErrorPages(),
        maintenance=None,
        waf=WafConfig(),
        upgrades=(),
        log=log,
    )


def make_plan(routes: tuple[str, ...] = ROUTES, log: bool = True, **config: Any) -> Plan:
    """Return a plan of one site with these routes, all to one pool of two servers."""
    config.setdefault("access_log", {"path": "off"})
    servers = ["127.0.0.1:9001", "127.0.0.1:9002"]
    whole = Config.model_validate(
        {"listen": ["127.0.0.1:0"], "sites": {"shop.example": {"routes": {"/": {"servers": servers}}}}, **config}
    )
    made = tuple(make_route(index, name, log=log) for index, name in enumerate(routes))
    site = SitePlan("shop.example", ("shop.example",), None, PathPolicy(), made)
    return Plan(
        config=whole,
        listeners=whole.listen,
        sites=(site,),
        pools=(PoolPlan(0, "shop.example /", Pool.model_validate({"servers": servers})),),
        digest="d",
        files=(),
    )


def make_record(**changes: Any) -> Record:
    """Return a record of an ordinary request with some fields changed."""
    fields: dict[str, Any] = {
        "time": 1_700_000_000.25,
        "client": b"192.0.2.7",
        "port": 50000,
        "route": None,
        "method": b"GET",
        "host": b"shop.example",
        "target": b"/a?b=c",
        "version": b"HTTP/1.1",
        "status": 200,
        "bytes_in": 300,
        "bytes_out": 5000,
        "duration": 0.0042,
        "wait": 0.003,
        "server": "http://127.0.0.1:9001",
        "tries": 1,
        "cause": "",
        "ref": "",
        "user_agent": b"Mozilla/5.0 (X11; Linux x86_64)",
        "referer": b"https://shop.example/",
        "tls": "TLSv1.3",
        "user": "anna",
        "rule": "rule 1",
        "cache": "",
    }
    assert changes.keys() <= fields.keys()
    return tuple({**fields, **changes}.values())  # type: ignore[return-value]
