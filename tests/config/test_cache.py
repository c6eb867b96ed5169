"""What a configuration may say of the cache, and what a level inherits."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bascule.config.compile import compile_config
from bascule.config.errors import ConfigError
from bascule.config.plan import Plan
from bascule.config.schema import Config

SERVERS = ["127.0.0.1:9001"]


def plan(cache: Any = None, site: Any = None, route: Any = None, **more: Any) -> Plan:
    stated = {"servers": SERVERS, **({} if route is None else {"cache": route})}
    host = {"routes": {"/": stated}, **({} if site is None else {"cache": site})}
    whole = {"listen": ["127.0.0.1:0"], "sites": {"a.test": host}, **more}
    return compile_config(Config.model_validate({**whole, **({} if cache is None else {"cache": cache})}))


@pytest.mark.parametrize(
    ("levels", "enabled", "ttl"),
    [
        ((None, None, None), False, 0), ((True, None, None), True, 0), ((None, True, None), True, 0),
        ((None, None, True), True, 0), ((True, False, None), False, 0), ((True, None, False), False, 0),
        (({"default_ttl": "1m"}, None, None), True, 60), (({"default_ttl": "1m"}, None, {"error_ttl": 1}), True, 60),
        (({"default_ttl": "1m"}, False, {"default_ttl": 5}), True, 5),
    ],
)  # fmt: skip
def test_lower_levels_override_what_they_state(levels: tuple[Any, Any, Any], enabled: bool, ttl: float) -> None:
    made = plan(*levels)
    assert (made.routes[0].cache.enabled, made.routes[0].cache.default_ttl, made.caches) == (enabled, ttl, enabled)
    assert ("cache" in made.config.access_log.fields) is (True in levels or enabled)


def test_the_way_out_has_its_own() -> None:
    made = compile_config(Config.model_validate({"forward": {"listen": "127.0.0.1:0"}, "cache": True}))
    assert not made.caches
    made = compile_config(Config.model_validate({"forward": {"listen": "127.0.0.1:0", "cache": True}}))
    assert made.caches
    assert {"user", "rule", "cache"} <= set(made.config.access_log.fields)


@pytest.mark.parametrize(
    ("cache", "said"),
    [({"bypass": {"paths": ["admin/"]}}, "write /admin/"), ({"unknown": 1}, "unknown"), ({"max_object": 1}, "1024"),
     ({"key": {"headers": ["a b"]}}, "header field"), ({"client_directives": "obey"}, "ignore"), ("yes", "")],
)  # fmt: skip
def test_mistakes_are_errors(cache: Any, said: str) -> None:
    with pytest.raises((ConfigError, ValidationError)) as error:
        plan(cache)
    assert said in str(error.value)


def test_what_has_no_effect_is_told() -> None:
    with pytest.raises(ConfigError, match="does not go to servers"):
        compile_config(
            Config.model_validate(
                {"listen": ["127.0.0.1:0"], "sites": {"a.test": {"routes": {"/": {"redirect": "/x", "cache": True}}}}}
            )
        )
    assert "nothing is stored" in str(plan(cache_store={"size": "1GiB"}).warnings)
    assert "change nothing" in str(plan(site={"enabled": False, "default_ttl": 1}).warnings)
    assert not plan(True, cache_store={"size": "1GiB"}).warnings
