"""`bascule rules`: reports, explanations, and installation from archives that may be hostile."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bascule.cli import rules_install
from bascule.cli.rules import app
from bascule.cli.rules_install import InstallError, install
from bascule.cli.rules_list import shipped
from bascule.cli.train import train
from bascule.config.waf import WafConfig
from bascule.config.walk import type_at
from bascule.waf.filters.table import CONFIGURED, DEFAULT, table
from tests.cli.firewall import crs

RULE = 'SecRule ARGS "@rx attack" "id:1,phase:2,deny,status:403,t:lowercase,msg:\'Bad\',severity:CRITICAL"\n'
BAD = 'SecRule ARGS "@rx (?<=a+)b" "id:2,phase:2,deny"\nSecRule NOSUCH "@rx a" "id:3"\nSecNothing On\n'


def command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_check_reports_what_a_rule_set_holds(tmp_path: Path) -> None:
    code, output = command("check", str(crs(tmp_path)))
    assert code == 0
    assert "everything can be honoured" in output
    assert " rules in 2 files" in output


def test_check_tells_what_has_no_effect_though_something_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text(RULE + BAD + "SecRuleRemoveById 77\nSecServerSignature x\nSecAuditLogParts ABC\n")
    output = command("check", str(file))[1]
    for text in ("SecRuleRemoveById '77' has no effect", "SecServerSignature has no effect", "SecAuditLogParts"):
        assert text in output


def test_check_lists_everything_that_cannot_be_honoured(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text(RULE + BAD)
    code, output = command("check", str(file))
    assert code == 1
    for line in (2, 3, 4):
        assert f"refused: {file}:{line}: " in output
    assert "3 of the directives cannot be honoured" in output


def test_explain_tells_a_rule_and_its_compiled_form(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text(RULE)
    code, output = command("explain", "1", "--rules", str(file))
    assert code == 0
    assert "ARGS after lowercase matches the regular expression attack" in output
    assert "refuse the request, status 403" in output
    assert "opened by values" in output
    assert "Hyperscan" in output


def test_explain_says_that_there_is_no_such_rule(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text(RULE)
    code, output = command("explain", "7", "--rules", str(file))
    assert code == 1
    assert "there is no rule 7" in output


def archive(folder: Path, **members: str) -> tuple[Path, str]:
    """Make a .tar.gz whose members lie in one folder, as releases do; return it and its SHA-256."""
    path = folder / "release.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            if text.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, text[3:]
                tar.addfile(info)
                continue
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


GOOD = {
    "crs-4/crs-setup.conf.example": "SecComponentSignature x\n",
    "crs-4/rules/A.conf": RULE,
    "crs-4/rules/a.data": "x\n",
}


def test_install_unpacks_the_rules_and_nothing_else(tmp_path: Path) -> None:
    others = {
        "crs-4/../../evil.conf": "x", "crs-4/rules/link.conf": "-> /etc/passwd", "crs-4/tests/t.yaml": "x", "/abs.conf": "x",
        "crs-4/rules/../../../up.conf": "x",
    }  # fmt: skip
    path, digest = archive(tmp_path, **GOOD, **others)
    code, output = command("install", "crs", "--from", str(path), "--sha256", digest, "--to", str(tmp_path / "new"))
    assert code == 0, output
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} - {"release.tar.gz"}
    assert found == {"new/crs-setup.conf.example", "new/rules/A.conf", "new/rules/a.data"}


@pytest.mark.parametrize(
    ("members", "digest", "reason"),
    [
        (GOOD, "0" * 64, "damaged"),
        (GOOD, "zz", "64 hexadecimal"),
        ({"x/readme": "hello"}, "", "holds no rule set"),
        ({**GOOD, "crs-4/rules/B.conf": BAD}, "", "look-behind"),
    ],
)
def test_install_leaves_nothing_behind_when_it_refuses(
    tmp_path: Path, members: dict[str, str], digest: str, reason: str
) -> None:
    path, real = archive(tmp_path, **members)
    code, output = command(
        "install", "crs", "--from", str(path), "--sha256", digest or real, "--to", str(tmp_path / "n")
    )
    assert code == 1
    assert reason in output or reason == "look-behind"
    assert [p.name for p in tmp_path.iterdir()] == ["release.tar.gz"]


def test_install_refuses_what_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_install, "MAX_TOTAL", 10)
    path, digest = archive(tmp_path, **GOOD)
    with pytest.raises(InstallError, match="unpacks to more than"):
        install(str(path), digest, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["release.tar.gz"]


def test_install_does_not_touch_what_is_there(tmp_path: Path) -> None:
    path, digest = archive(tmp_path, **GOOD)
    with pytest.raises(InstallError, match="is there already"):
        install(str(path), digest, tmp_path)


def test_list_shows_named_and_learned_rules() -> None:
    code, output = command("list", "--json")
    rows = json.loads(output)
    assert code == 0
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert {706001, 718001, 802003} <= set(ids)
    for row in rows:
        assert row["says"]
        assert row["owasp_2021"][:1] == row["owasp_2025"][:1] == "A"
        assert row["cwe"]
        assert row["risk"] in ("low", "medium", "high", "critical")
        rates = row["measured"]
        shares = [rates.get(name) for name in ("found", "attacks", "browsers")]
        assert all(share is None or 0 <= share <= 100 for share in shares)
        assert rates["microseconds"] > 0 or "facts" in row, row["id"]
        if "facts" not in row:
            assert rates.get("why") or None not in (rates.get("found"), rates.get("browsers")), row["id"]
            assert rates.get("harmless") or rates.get("browsers") is None, row["id"]
            assert bool(rates.get("given")) or row["preset"] != "configured", row["id"]
    measured = {row["id"]: row["measured"] for row in rows}
    assert measured[705001]["attacks"] > 1 > 0.05 > measured[705001]["browsers"]


def test_list_narrows_to_a_family_or_preset() -> None:
    assert "upload-script" in command("list", "--family", "file-upload")[1]
    assert "upload-size" not in command("list", "--family", "file-upload", "--preset", "pci-dss")[1]
    assert command("list", "--family", "nonsense")[0] == 1
    assert command("list", "--preset", "nonsense")[0] == 1


def test_explain_tells_a_rule_that_bascule_brings() -> None:
    code, output = command("explain", "717001")
    assert code == 0
    assert "calls itself a vulnerability scanner" in output
    assert "% of made-up cases of what it is for" in output
    assert "% of recorded browser requests" in output
    learned = command("explain", "802003")[1]
    assert "points where a value shows" in learned
    assert "% of the attacks from" in learned
    assert "us a request or answer by itself" in learned
    access = command("explain", "718001")[1]
    assert "measured with waf: {filters: {access:" in access
    assert "it refuses what it is told to" in access
    addresses = command("explain", "address")[1]
    assert "only its cost" in addresses
    assert "finds" not in addresses
    assert command("explain", "799999")[0] == 1


def test_rules_are_explained_by_name_and_say_which_key_turns_them_on() -> None:
    runner = CliRunner()
    by_name = runner.invoke(app, ["explain", "upload-script"])
    assert by_name.exit_code == 0
    assert by_name.output == runner.invoke(app, ["explain", "706001"]).output
    assert "status 500 and above" in runner.invoke(app, ["explain", "stack-trace"]).output
    assert "waf.response.forms" in runner.invoke(app, ["explain", "field-changed"]).output
    assert "did you mean upload-script?" in runner.invoke(app, ["explain", "upload-scrip"]).output
    for row in shipped():
        if "facts" not in row:
            assert row["when"].startswith("on"), row["id"]


def test_the_keys_that_rules_go_by_are_keys() -> None:
    for rule in table().rules:
        assert bool(rule.keys) == (rule.preset in (CONFIGURED, DEFAULT)), rule.id
        for key in rule.keys:
            assert type_at(WafConfig, tuple(key.split("."))) is not None, f"{rule.id}: there is no waf.{key}"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("link-changed", "on once configured: see waf.response.links"),
        ("stack-trace", "on for answers of status 500 and above"),
        ("cookie-unprotected", "on with waf.response.cookies"),
        ("missing-field", "on once configured: see waf.filters.fields.require"),
        ("contract-body", "on once configured: see waf.openapi"),
        ("unusual-value", "on with waf.profile.stage: shadow"),
        ("untyped-body", "on where waf.filters.enable names it"),
        ("scanner", "on from the preset standard"),
    ],
)
def test_explain_says_of_each_rule_when_it_runs(name: str, told: str) -> None:
    assert told in command("explain", name)[1]


def test_explain_names_the_weaknesses_of_the_rule_itself() -> None:
    assert "CWE-601 Open redirect" in command("explain", "811006")[1]
    polluting = command("explain", "811005")[1]
    assert "CWE-1321 Prototype pollution" in polluting
    assert "OWASP 2021 A08 Software and Data Integrity Failures" in polluting
    assert "CWE-93" not in polluting


def test_training_tells_at_once_what_it_lacks(tmp_path: Path) -> None:
    single = typer.Typer()
    single.command()(train)
    found = CliRunner().invoke(single, ["--corpora", str(tmp_path), "--out", str(tmp_path / "no" / "r.json")])
    assert found.exit_code == 1
    assert "attacks.jsonl.gz" in found.output
    assert "cannot be written" in found.output
    assert "Errno" not in found.output
