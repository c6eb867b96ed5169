"""A client's account of risks: what the firewall finds weighs by its risk, whether it was refused or only noticed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bascule.waf.engine import Waf, WafSettings
from bascule.waf.events import risk_of
from tests.support.clients import Message, connect, request
from tests.support.command import tell
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for
from tests.waf.filters.world import firewall, judge

ATTACK = "/?q=1'+union+select+a,b+from+users--+"
SCAN = "/.git/config"


def config(origin: Origin, **waf: Any) -> dict[str, Any]:
    return {
        "workers": 2,
        "defence": {
            "bans": {
                "after": "100/10m",
                "of": ["waf", "waf_noticed"],
                "risk": {"critical": 40, "medium": 10, "low": 0},
                "time": "5m",
            }
        },
        "waf": {"mode": "block", **waf},
        "sites": {"site.test": {"routes": {"/": {"servers": [f"127.0.0.1:{origin.port}"]}}}},
    }


def ask(bascule: Bascule, source: str, target: str) -> Message:
    with connect(bascule.port, source) as wire:
        wire.send(request(target))
        return wire.response()


def banned(bascule: Bascule) -> dict[str, Any]:
    return {ban["network"]: ban for ban in json.loads(tell(bascule, "ban", "list", "--json").stdout)}


def test_risks_add_up_to_a_ban() -> None:
    with Origin() as origin, Bascule(config(origin)) as bascule:
        for _ in range(3):
            assert ask(bascule, "127.0.2.1", ATTACK).status == 403
        wait_for(lambda: "127.0.2.1" in banned(bascule), "the ban")
        assert ask(bascule, "127.0.2.1", "/").status == 403
        for _ in range(9):
            assert ask(bascule, "127.0.2.2", SCAN).status == 403
        assert ask(bascule, "127.0.2.2", "/").status == 200
        assert banned(bascule).keys() == {"127.0.2.1"}
        assert banned(bascule)["127.0.2.1"]["until"]


def test_what_was_only_noticed_counts_too() -> None:
    with Origin() as origin, Bascule(config(origin, mode="detect")) as bascule:
        for _ in range(3):
            assert ask(bascule, "127.0.2.1", ATTACK).status == 200
        wait_for(lambda: ask(bascule, "127.0.2.1", "/").status == 403, "the ban")
        assert ask(bascule, "127.0.2.2", "/").status == 200


@pytest.mark.parametrize(
    ("waf", "target", "risk"),
    [
        (Waf.load(WafSettings(logic="standard")), ATTACK, "critical"),
        (firewall(filters={"addresses": {"deny": ["192.0.2.7"]}}), "/", "high"),
        (Waf.load(WafSettings(logic="standard")), SCAN, "medium"),
    ],
)
def test_the_gravest_rule_decides(waf: Waf, target: str, risk: str) -> None:
    assert risk_of(judge(waf, target).fired) == risk


def test_without_a_rule_the_risk_is_low() -> None:
    assert risk_of([]) == "low"
