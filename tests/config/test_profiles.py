"""Checks of `waf.profile`."""

from __future__ import annotations

import pytest

from bascule.config.compile import compile_config
from bascule.config.errors import ConfigError
from bascule.config.plan import Plan
from bascule.config.schema import Config


def plan(waf: object, route: object = None, **top: object) -> Plan:
    routes = {
        "/": {"servers": ["127.0.0.1:1"]},
        "/b/": {"servers": ["127.0.0.1:1"], **({"waf": route} if route else {})},
    }
    return compile_config(
        Config.model_validate({"listen": [":1"], "sites": {"a": {"routes": routes}}, "waf": waf, **top})
    )


def test_stages_differ_by_route_and_the_rest_is_the_sites() -> None:
    found = plan({"mode": "detect", "profile": "learning"}, {"profile": {"stage": "enforced", "points": 7}})
    assert [route.waf.profile.stage for route in found.routes] == ["learning", "enforced"]
    assert plan({"mode": "detect", "profile": False}).routes[0].waf.profile.stage == "off"
    with pytest.raises(ConfigError, match=r"/b/ has `waf.profile.clients` 9, a / has 5: a site has one profile"):
        plan({"mode": "detect", "profile": "learning"}, {"profile": {"clients": 9}})


def test_without_effect() -> None:
    (warning,) = plan({"mode": "off", "profile": "learning"}).warnings[:1]
    assert "has no firewall, so its profile has no effect" in warning.message
    with pytest.raises(ConfigError, match="profiles are learned of sites"):
        plan("off", forward={"listen": [":2"], "waf": {"mode": "block", "profile": "learning"}})
