"""The page about the firewall names all that the engine knows, and promises nothing that it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bascule.waf.engine import Waf, WafLoadError, WafSettings
from bascule.waf.seclang.actions import _FLAGS, _VALUES, DISRUPTIVE, REFUSED
from bascule.waf.seclang.loader import _HANDLERS
from bascule.waf.seclang.operators import OPERATORS
from bascule.waf.seclang.settings import SETTINGS
from bascule.waf.seclang.transformations import TRANSFORMATIONS
from bascule.waf.seclang.variables import UNSUPPORTED

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "waf.md").read_text()
SECLANG = TEXT[TEXT.index("## SecLang") : TEXT.index("## Where it differs")]
SUPPORTED, REST = SECLANG.split("Refused when rules are loaded", 1)
NOT_LOADED, WITHOUT_EFFECT = REST.split("Read, and without effect", 1)
ROWS = {line.split("|")[1].strip(): line for line in SUPPORTED.splitlines() if line.startswith("| ")}


def named(text: str) -> set[str]:
    return {name.lower().removeprefix("@") for name in re.findall(r"`(@?\w+)`", text)}


def test_directives() -> None:
    written = named(ROWS["rules"]) | named(ROWS["edits"]) | named(ROWS["settings"])
    refused = {name for name in named(NOT_LOADED) if name.startswith("sec")} - {
        "secgeolookupdb",
        "sechashengine",
        "sechttpblkey",
    }
    ignored = named(WITHOUT_EFFECT)
    assert set(_HANDLERS) | set(SETTINGS) == written | refused | {name for name in ignored if name.startswith("sec")}
    assert not written & refused
    assert not written & ignored


def test_operators_actions_transformations_and_variables() -> None:
    refused = named(NOT_LOADED)
    assert named(ROWS["operators"]) | (set(OPERATORS) & refused) == set(OPERATORS)
    assert named(ROWS["transformations"]) == set(TRANSFORMATIONS)
    british = {name for name in {*_FLAGS, *_VALUES} if not name.startswith("sanitize")}
    assert named(ROWS["actions"]) == british | (set(DISRUPTIVE) - set(REFUSED)) | {"t"}
    assert set(REFUSED) <= refused
    assert {name.lower() for name in UNSUPPORTED} <= refused


@pytest.mark.parametrize(
    "directive",
    [
        'SecAction "id:1,exec:/bin/true"',
        'SecAction "id:1,proxy:http://x"',
        'SecAction "id:1,pause:5"',
        'SecAction "id:1,append:x"',
        'SecAction "id:1,prepend:x"',
        'SecRuleScript x.lua "id:1"',
        "SecRemoteRules key https://x/",
        "SecRemoteRulesFailAction Abort",
        "SecGsbLookupDb x",
        'SecRule ARGS "@inspectFile x" "id:1"',
        'SecRule ARGS "@rsub s/a/b/" "id:1"',
        'SecRule ARGS "@gsbLookup x" "id:1"',
        'SecRule REMOTE_ADDR "@rbl dnsbl.httpbl.org" "id:1"',
        'SecRule REMOTE_ADDR "@geoLookup" "id:1"',
        'SecRule ARGS "@fuzzyHash x 1" "id:1"',
        'SecRule ARGS "@validateHash x" "id:1"',
        'SecRule ARGS "@rx (?R)" "id:1"',
        "SecXmlExternalEntity On",
        *(f'SecRule {variable} "@rx x" "id:1"' for variable in UNSUPPORTED),
    ],
)
def test_what_is_listed_as_refused_is_refused_with_a_reason(directive: str) -> None:
    with pytest.raises(WafLoadError, match=r":1: \S.{20}"):
        Waf.load(WafSettings(directives=directive))
