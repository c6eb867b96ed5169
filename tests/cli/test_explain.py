from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from ruamel.yaml import YAML
from typer.testing import CliRunner

from bascule.cli.exceptions import normal_path
from bascule.cli.explain_view import render
from bascule.cli.main import app
from bascule.cli.texts import visible
from bascule.config.waf import WafConfig
from bascule.proxy.firewall import settings_of
from bascule.telemetry.eventfiles import Fired, LoggedEvent, Matched, decode
from bascule.waf.engine import ConnectionFacts, Waf
from tests.cli.firewall import crs, event, load

ATTACK = "/search%20here/x?q=1%20UNION%20%20select%202&f=/etc/passwd"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crs(tmp_path_factory.mktemp("crs"))


@pytest.fixture(scope="module")
def log(folder: Path) -> Path:
    waf, watching = load(folder), load(folder, "detect")
    events = [
        event(waf, ATTACK, "refaaaa1"),
        event(watching, ATTACK, "refbbbb2"),
        event(waf, "/?f=/etc/passwd", "refcccc3"),
        event(waf, "/", "refdddd4", (b"cookie", b"prefs=union select")),
    ]
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(found.to_json() + b"\n" for found in events[1:]))
    path.with_name("events.jsonl.1").write_bytes(b"half a li\n" + events[0].to_json() + b"\n")
    return path


def explain(log: Path, reference: str, *options: str) -> str:
    result = CliRunner().invoke(app, ["explain", reference, "--events", str(log), *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_it_tells_rule_value_transformations_operator_and_verdict(log: Path) -> None:
    shown = explain(log, "refaaaa1")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for line in (
        "reference refaaaa1",
        f"request GET {ATTACK}",
        "client 192.0.2.7",
        "verdict refused with 403 by rule 949110: Score exceeded (Total Score: 8)",
        "1. 942100 SQL injection CRITICAL",
        'on ARGS:q "1 UNION select 2"',
        "after urlDecodeUni, compressWhitespace",
        r"by @rx (?i)union\s+select",
        "found in ARGS:q: 1 UNION select 2",
        "2. 930120 File access WARNING",
        "by @contains /etc/passwd",
        "rule 949110 only says what the others add up to: Score exceeded (Total Score: 8)",
    ):
        assert line in lines, line
    assert any(line.endswith(f"{log.parent}/rules/REQUEST-942.conf:2") for line in lines)


def test_what_counts_most_comes_first_and_reports_come_last(folder: Path, tmp_path: Path) -> None:
    watching = load(folder, directives_after="""
SecRule ARGS "@contains x" "id:1,phase:1,pass,log,msg:'first'"
SecRule TX:BLOCKING_INBOUND_ANOMALY_SCORE "@ge 1" "id:980170,phase:5,pass,log,msg:'scores',tag:'reporting'"
""")  # fmt: skip
    path = tmp_path / "events.jsonl"
    path.write_bytes(event(watching, "/etc/passwd?x=1&a=x&q=union+select", "refeeee5").to_json() + b"\n")
    shown = explain(path, "refeeee5")
    places = [shown.find(text) for text in ("1. 942100", "2. 930120", "3. 1 ", "rule 949110 only", "rule 980170 only")]
    assert places == sorted(places)
    assert -1 not in places


def test_the_score_adds_up(log: Path) -> None:
    lines = [line.split() for line in explain(log, "refaaaa1").splitlines()]
    assert ["942100", "+5", "5", "SQL", "injection"] in lines
    assert ["930120", "+3", "8", "File", "access"] in lines
    assert "8 reaches the threshold of 5." in explain(log, "refaaaa1")
    assert "3 stays below the threshold of 5." in explain(log, "refcccc3")


def test_what_is_only_detected_or_only_noted_is_said(log: Path) -> None:
    assert "passed, for the firewall only detects; in block mode: refused with 403" in explain(log, "refbbbb2")
    assert "none: it was noticed, and passed" in explain(log, "refcccc3")


def test_points_of_rules_that_do_not_log_are_accounted_for() -> None:
    found = LoggedEvent("r", scores={"blocking_inbound_anomaly_score": "7", "inbound_anomaly_score_threshold": "5"})
    assert next(line.split()[:3] for line in _text(found) if line.startswith("others")) == ["others", "+7", "7"]


@pytest.mark.parametrize(
    ("reference", "target", "cookie"),
    [("refaaaa1", ATTACK, ""), ("refdddd4", "/", "prefs=union select"), ("refcccc3", "/?f=/etc/passwd", "")],
)
def test_the_exception_it_proposes_lets_that_request_pass_and_nothing_else(
    log: Path, folder: Path, reference: str, target: str, cookie: str
) -> None:
    shown = explain(log, reference)
    text = shown[shown.index("waf:") - 2 :]
    text = "\n".join(line for line in text.splitlines() if line.startswith("  "))
    proposed = YAML(typ="safe").load(text)["waf"]["exclusions"]
    assert all(item["owner"] and reference in item["reason"] and item["expires"] for item in proposed)
    config = WafConfig.model_validate({"mode": "block", "crs": str(folder), "exclusions": proposed})
    waf = Waf.load(settings_of(config))

    def blocked(target: str) -> bool:
        transaction = waf.begin(ConnectionFacts(b"192.0.2.7", 1, b"127.0.0.1", 80))
        fields = [(b"host", b"shop.example"), *([(b"cookie", cookie.encode())] if cookie else [])]
        transaction.request_head(b"GET", target.encode(), b"1.1", fields)
        return transaction.request_end() is not None

    assert not blocked(target)
    if reference == "refaaaa1":
        assert blocked("/other?q=union+select")
        assert blocked("/search%20here/x?p=union+select")


def test_json_is_the_event(log: Path) -> None:
    found = json.loads(explain(log, "refaaaa1", "--json"))
    assert found["reference"] == "refaaaa1"
    assert [rule["id"] for rule in found["rules"]] == [942100, 930120, 949110]


def test_a_configuration_names_the_log(log: Path, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "bascule.yaml"
    file.write_text(
        f"listen: 127.0.0.1:8080\nevents: {{path: {log}}}\nsites: {{'*': 127.0.0.1:9001}}\n"
        f"waf: {{mode: detect, crs: {folder}}}\n"
    )
    result = CliRunner().invoke(app, ["explain", "refbbbb2", "--config", str(file)])
    assert result.exit_code == 0
    file.write_text("listen: 127.0.0.1:8080\nevents: {path: 'syslog:'}\nsites: {'*': 127.0.0.1:9001}\n")
    result = CliRunner().invoke(app, ["explain", "refbbbb2", "--config", str(file)])
    assert result.exit_code == 1
    assert "events go to syslog:, not to a file" in result.output


def test_the_default_log_of_this_account(log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # where no instance runs
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["explain", "refbbbb2"])
    assert result.exit_code == 1
    assert "no running instance" in result.output
    assert f"no log at {tmp_path}/bascule/events.jsonl" in result.output
    (tmp_path / "bascule").mkdir()
    (tmp_path / "bascule" / "events.jsonl").write_bytes(log.read_bytes())
    assert CliRunner().invoke(app, ["explain", "refbbbb2"]).exit_code == 0


def test_what_is_not_there_is_said_with_the_remedy(log: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "refzzzz9", "--events", str(log)])
    assert result.exit_code == 1
    assert "no event 'refzzzz9'" in result.output
    assert "events.jsonl.1" in result.output
    result = CliRunner().invoke(app, ["explain", "x", "--events", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "there is no event log" in result.output


def _text(found: LoggedEvent) -> list[str]:
    console = Console(highlight=False, markup=False, emoji=False, width=160)
    with console.capture() as capture:
        for part in render(found):
            console.print(part)
    return capture.get().splitlines()


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_event_can_act_on_the_terminal_or_break_the_view(text: str, name: str) -> None:
    rule = Fired(1, text, data=text, severity=text, file=text, matched=[Matched(f"ARGS:{name}", text, [text], text)])
    shown = "".join(_text(LoggedEvent(text, text, text, text, text, text, rules=[rule], notes=[text], mode=text)))
    assert all(char.isprintable() for char in shown)


def test_visible() -> None:
    assert visible("a\x1b[31m\u202e\r\n\x9b") == "a\\x1b[31m\\u202e\\r\\n\\x9b"
    assert normal_path("/a b%2Fc%c3%A9") == "/a%20b/c%C3%A9"


def test_a_line_that_half_another_line_precedes_is_found(log: Path) -> None:
    line = log.read_bytes().splitlines()[0]
    torn = decode(line[: len(line) // 2] + line)
    assert torn is not None
    assert torn.reference == "refbbbb2"
    assert decode(line[: len(line) // 2]) is None
    assert decode(b"[]") is None
