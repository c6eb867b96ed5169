"""A rule set of the operator's own: exported, edited, run in place of the shipped one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bascule.cli.rules import app
from bascule.waf.engine import WafLoadError
from tests.waf.filters.world import firewall, judge

ATTACK = "/?q=1%27+UNION+SELECT+name,password+FROM+users--+"


def exported(tmp_path: Path) -> Path:
    file = tmp_path / "rules.json"
    assert CliRunner().invoke(app, ["export", str(file)]).exit_code == 0
    return file


def test_edited_copy_runs_in_place_of_the_shipped_rules(tmp_path: Path) -> None:
    file = exported(tmp_path)
    assert judge(firewall("standard", rule_set=str(file)), target=ATTACK).verdict is not None
    book = json.loads(file.read_bytes())
    for rule in book["rules"]:
        rule["enabled"] = rule["family"] != "sql"
    file.write_text(json.dumps(book))
    waf = firewall("standard", rule_set=str(file), answers={"xss": "log"})
    assert judge(waf, target=ATTACK).verdict is None
    assert judge(waf, target="/../../../etc/passwd").verdict is not None
    assert judge(firewall("standard"), target=ATTACK).verdict is not None


def test_mistakes_are_told_with_file_and_rule(tmp_path: Path) -> None:
    file = exported(tmp_path)
    assert CliRunner().invoke(app, ["export", str(file)]).exit_code == 1  # an edited copy is not overwritten
    book = json.loads(file.read_bytes())
    book["rules"][0]["facts"] = ["sql.nonsense"]
    file.write_text(json.dumps(book))
    with pytest.raises(WafLoadError, match=r"rules\.json.*rule 801001: there is no fact 'sql\.nonsense'"):
        firewall("standard", rule_set=str(file))
