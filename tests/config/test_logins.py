"""Logins in a configuration: what makes no sense is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bascule.config.compile import compile_config
from bascule.config.errors import ConfigError
from bascule.config.schema import Config


def plan(stated: Any, **site: Any) -> Any:
    data = {"listen": [80], "logins": stated, "sites": {"*": {"routes": {"/": "10.0.0.1:80"}, **site}}}
    return compile_config(Config.model_validate(data))


def test_a_site_says_more() -> None:
    made = plan({"mode": "block", "pair": "5/1m refuse"}, logins={"endpoints": ["/in"]}).sites[0].logins
    assert (made.mode, made.endpoints, made.pair.failures.count) == ("block", ("/in",), 5)


@pytest.mark.parametrize(
    ("logins", "message"),
    [
        ({"endpoints": ["/in"]}, "no effect while the mode is off"),
        ({"mode": "block", "learn": False}, "no login is known"),
        ({"mode": "block", "account": "5/1m challenge"}, "no route of the site has a challenge"),
        ({"mode": "block", "failed": {}}, "nothing is said by which it is told"),
        ({"mode": "block", "passwords": "/nowhere.txt"}, "cannot be read"),
        ({"mode": "block", "passwords": {"least": 3}}, "no effect without `breached`"),
    ],
)
def test_mistakes(logins: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(logins)


@pytest.mark.parametrize("text", ["5/1m", "often refuse", "5/1m maybe"])
def test_allowances(text: str) -> None:
    with pytest.raises(ValueError, match=r"10/10m refuse|is not a rate|should be"):
        Config.model_validate({"logins": {"mode": "block", "pair": text}})


def test_a_challenge_that_can_be_asked() -> None:
    assert plan({"mode": "block", "account": "5/1m challenge"}, challenge="auto").warnings == ()


def test_the_list_of_breached_passwords_is_among_the_files_that_are_watched(tmp_path: Path) -> None:
    file = tmp_path / "breached.txt"
    file.write_text("")
    assert str(file) in plan({"mode": "block", "passwords": str(file)}).files
