"""`bascule feedback`: what was harmless passes from then on, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bascule.cli.main import app
from bascule.config.loader import load
from bascule.proxy.firewall import settings_of
from bascule.waf.engine import Waf, WafSettings
from tests.cli.firewall import event
from tests.waf.filters.world import firewall, judge

CONFIG = """
listen: "127.0.0.1:8080"
include: exceptions.yaml
waf: {mode: block, filters: {methods: [GET]}}
sites:
  shop.example: ["10.0.0.1:80"]
  "*.shop.example": ["10.0.0.1:80"]
"""
HARMLESS = "/forum?q=%3Cscript%3Ealert(1)%3C/script%3E&password=%3Cscript%3Ex()%3C/script%3E"


@pytest.fixture(scope="module")
def learned() -> Waf:
    """In detect mode all findings of a request are listed; after a refusal no more is searched."""
    return Waf.load(WafSettings(mode="detect", logic="standard"))


@pytest.fixture
def folder(tmp_path: Path, learned: Waf) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "exceptions.yaml").write_text("# kept by hand\nexclusions: {}\n")
    written = event(learned, HARMLESS, "refaaaa1")
    (tmp_path / "events.jsonl").write_bytes(written.to_json() + b"\n")
    return tmp_path


def feedback(folder: Path, *options: str, reference: str = "refaaaa1") -> Result:
    log = ["--events", str(folder / "events.jsonl")]
    return CliRunner().invoke(app, ["feedback", reference, "--false-positive", *log, *options])


def passes(folder: Path, target: str, method: str = "GET") -> bool:
    """Whether the firewall of the folder's configuration lets a request pass."""
    plan = load(folder / "c.yaml")
    return judge(Waf.load(settings_of(plan.sites[0].routes[0].waf)), target, method).verdict is None


def test_written_exception_lets_pass_what_was_harmless_and_no_more(folder: Path) -> None:
    assert not passes(folder, HARMLESS)
    options = ("--config", str(folder / "c.yaml"), "--write", str(folder / "exceptions.yaml"), "--owner", "forum team")
    done = feedback(folder, *options)
    assert done.exit_code == 0, done.output
    assert "2 exceptions for shop.example added" in done.output
    assert "does not include" not in done.output
    assert passes(folder, HARMLESS)
    assert not passes(folder, HARMLESS.replace("q=", "r="))
    assert not passes(folder, HARMLESS.replace("/forum", "/shop"))
    assert not passes(folder, "/forum?q=1'+union+select+a,b+from+users--+")
    assert not passes(folder, "/forum", "PUT")
    text = (folder / "exceptions.yaml").read_text()
    assert "# kept by hand" in text
    assert "owner: forum team" in text
    assert "reason: harmless (event refaaaa1)" in text
    again = feedback(folder, *options)
    assert "has this exception already" in again.output
    assert (folder / "exceptions.yaml").read_text() == text


def test_what_is_printed_is_a_configuration(folder: Path) -> None:
    done = CliRunner().invoke(
        app, ["feedback", "refaaaa1", "--false-positive", "--events", str(folder / "events.jsonl"), "--examples", "off"]
    )
    assert done.exit_code == 0, done.output
    (folder / "exceptions.yaml").write_text(done.output)
    assert passes(folder, HARMLESS)


def test_examples_are_kept_without_secrets(folder: Path) -> None:
    feedback(folder)
    file = folder / "feedback.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["text"], row["kind"], row["place"]) for row in rows] == [
        ("<script>alert(1)</script>", "value", "ARGS_GET:q")
    ]
    assert rows[0]["source"] == "feedback refaaaa1"
    assert file.stat().st_mode & 0o777 == 0o600


def test_exception_for_a_named_rule(folder: Path) -> None:
    waf = firewall(filters={"methods": ["GET"]})
    transaction = judge(waf, "/api/x", "PUT")
    found = transaction.finish()
    assert found is not None
    found.reference = "refbbbb2"
    (folder / "events.jsonl").write_bytes(found.to_json() + b"\n")
    options = ("--write", str(folder / "exceptions.yaml"), "--site", "shop.example")
    assert feedback(folder, *options, reference="refbbbb2").exit_code == 0
    assert passes(folder, "/api/x", "PUT")
    assert not passes(folder, "/api2", "PUT")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--site", "shop.example", "--write", "LIST"), "is no file of exclusions"),
        (("--site", "shop.example", "--write", "BROKEN"), "cannot be read"),
        (("--site", "shop.example", "--write", "OTHER", "--config", "CONFIG"), "does not include"),
        (("--examples", "/no/such/folder/x"), "cannot be kept"),
    ],
)
def test_mistakes_are_named(folder: Path, options: tuple[str, ...], said: str) -> None:
    (folder / "LIST").write_text("- a\n")
    (folder / "BROKEN").write_text("a: [\n")
    names = {"LIST": "LIST", "BROKEN": "BROKEN", "OTHER": "other.yaml", "CONFIG": "c.yaml"}
    given = [str(folder / names[option]) if option in names else option for option in options]
    assert said in feedback(folder, *given).output


def test_only_what_was_refused_can_be_excepted(folder: Path) -> None:
    assert feedback(folder, reference="refnone9").exit_code == 1
    (folder / "events.jsonl").write_text('{"reference":"refcccc3","rules":[]}\n')
    assert "nothing to make an exception of" in feedback(folder, reference="refcccc3").output
    assert CliRunner().invoke(app, ["feedback", "refcccc3"]).exit_code != 0


def test_sites_of_exclusions_must_exist(folder: Path) -> None:
    (folder / "exceptions.yaml").write_text("exclusions: {shop.exmple: [{rules: [1], owner: a, reason: b}]}\n")
    done = CliRunner().invoke(app, ["check", str(folder / "c.yaml")])
    assert done.exit_code == 1
    assert "there is no site shop.exmple" in done.output
    assert "did you mean shop.example?" in done.output
