"""`bascule check` and `bascule schema` as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from bascule.cli.check import check
from bascule.cli.schema import schema

GOOD = """
listen: 127.0.0.1:8080
workers: 2
admin: {token: hunter2-and-hunter3}
timeouts: {header: 5s}
sites:
  a.example:
    aliases: ["www.a.example"]
    routes:
      /:
        servers: [{address: "10.0.0.1:8000", weight: 3}, "10.0.0.2:8000"]
        balance: least-time
        health: /healthz
      /api/: {discover: {dns: "api.internal:80"}, tls: {verify: false}}
      =/old: {redirect: /new}
      ~[xy]: {respond: {status: 404}}
"""


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(check)
    app.command()(schema)
    return app


def run(app: typer.Typer, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_prints_what_would_run(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    result = run(app, "check", tmp_path / "c.yaml")
    assert result.exit_code == 0
    for text in (
        "listeners (2 workers)",
        "127.0.0.1:8080  plain",
        "timeouts.header: 5.0",
        "a.example, www.a.example",
        "/  to http://10.0.0.1:8000, http://10.0.0.2:8000  (least-time, pool a.example /)  waf off",
        "/api/  to discovered servers",
        "=/old  redirect 308 /new",
        "~[xy]  answer 404",
        "http://10.0.0.1:8000  weight 3",
        "check: GET /healthz every 5 s, up after 2 good, down after 3 bad",
        "dns: api.internal:80",
        "c.yaml: good, 2 warnings",
    ):
        assert text in result.stdout
    assert "c.yaml:14:65: warning: " in result.stderr
    assert "hunter2" not in result.output


def test_prints_of_a_firewall_what_it_is_told(app: typer.Typer, tmp_path: Path) -> None:
    waf = "waf: {mode: detect, response: {mask: [card], cookies: {secret: abcdefghijklmnopqrstuvwxyz012345}}}\n"
    (tmp_path / "c.yaml").write_text(f"listen: 80\n{waf}sites: {{a.example: 'b.example:1'}}")
    lines = run(app, "check", tmp_path / "c.yaml").stdout.splitlines()
    shown = [line.rpartition("─ ")[2] for line in lines if "waf." in line]
    assert shown == [
        "waf.mode: detect",
        "waf.rules: logic",
        "waf.preset: standard",
        'waf.response.mask: ["card"]',
        'waf.response.cookies: {"secret": "***"}',
    ]


def test_prints_limits_by_their_names(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nlimit: 50/s per client\n")
    shown = json.loads(run(app, "check", tmp_path / "c.yaml", "--json").stdout)
    assert shown["settings"] == {"limit": ["50-per-1s-client"]}


def test_prints_json(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    shown = json.loads(run(app, "check", tmp_path / "c.yaml", "--json").stdout)
    assert shown["ok"] is True
    assert shown["pools"][0]["servers"][0] == {"address": "http://10.0.0.1:8000", "weight": 3}
    assert shown["sites"][0]["routes"][0]["answer"] == {"pool": "a.example /"}
    assert shown["settings"] == {"workers": 2, "timeouts.header": 5.0, "admin.token": "***"}
    assert [warning["line"] for warning in shown["warnings"]] == [14, 14]


def test_prints_mistakes(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD.replace("least-time", "'[bold]fastest[/bold]'"))
    result = run(app, "check", tmp_path / "c.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    first, excerpt, caret, *_ = result.stderr.splitlines()
    assert "c.yaml:12:18: error: sites" in first
    assert "'[bold]fastest[/bold]' is not one of: round-robin" in first
    assert excerpt.strip() == "balance: '[bold]fastest[/bold]'"
    assert caret.index("^") == excerpt.index("'[bold]")
    errors = json.loads(run(app, "check", tmp_path / "c.yaml", "--json").stdout)
    assert errors["ok"] is False
    assert errors["errors"][0]["line"] == 12


def test_schema(app: typer.Typer, tmp_path: Path) -> None:
    printed = json.loads(run(app, "schema").stdout)
    assert printed["title"] == "Bascule"
    assert run(app, "schema", "-o", tmp_path / "s.json").exit_code == 0
    assert json.loads((tmp_path / "s.json").read_text()) == printed
    result = run(app, "schema", "-o", tmp_path / "no" / "s.json")
    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


RULES = """
SecRule ARGS "@rx (?R)" "id:1,phase:2,deny"
SecRule ARGS "@contains x" "id:2,phase:2,deny"
SecNothing On
"""


def test_rules_are_loaded_too(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(RULES)
    (tmp_path / "c.yaml").write_text(
        "listen: 127.0.0.1:8080\nwaf: {mode: block, directives: [own.conf]}\nsites: {a.example: {routes: {/: ['10.0.0.1:80']}}}\n"
    )
    result = run(app, "check", tmp_path / "c.yaml")
    assert result.exit_code == 1
    assert f"{tmp_path}/own.conf:2: error: SecRule: @rx: " in result.stderr
    assert f"{tmp_path}/own.conf:4: error: SecNothing: there is no such directive" in result.stderr
    errors = json.loads(run(app, "check", tmp_path / "c.yaml", "--json").stdout)["errors"]
    assert [(error["file"], error["line"]) for error in errors] == [(f"{tmp_path}/own.conf", n) for n in (2, 4)]


def test_rules_that_are_good_are_compiled_once_though_others_are_refused(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text(RULES)
    (tmp_path / "good.conf").write_text('SecRule ARGS "@rx a[0-9]b" "id:1,phase:2,deny"\n')
    (tmp_path / "c.yaml").write_text(
        "listen: 127.0.0.1:8080\ncache_dir: cache\nwaf: {mode: block, directives: [bad.conf]}\nsites:\n"
        "  a.example: {routes: {/: ['10.0.0.1:80']}}\n"
        "  b.example: {waf: {directives: [good.conf]}, routes: {/: ['10.0.0.1:80']}}\n"
    )
    assert run(app, "check", tmp_path / "c.yaml").exit_code == 1
    assert list((tmp_path / "cache").iterdir())


def test_what_rules_have_to_remark_is_a_warning(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("SecChrootDir /srv\n")
    (tmp_path / "c.yaml").write_text(
        "listen: 127.0.0.1:8080\nwaf: {mode: block, directives: [own.conf]}\nsites: {a.example: {routes: {/: ['10.0.0.1:80']}}}\n"
    )
    result = run(app, "check", tmp_path / "c.yaml")
    assert result.exit_code == 0
    assert "own.conf:1: SecChrootDir has no effect here" in result.stderr


def test_answers_name_rules_that_there_are(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "listen: 127.0.0.1:8080\nwaf: {mode: block, answers: {sqll: log}}\nsites: {a.example: {routes: {/: ['10.0.0.1:80']}}}\n"
    )
    result = run(app, "check", tmp_path / "c.yaml")
    assert result.exit_code == 1
    assert "c.yaml:2:36: error: waf.answers.sqll: there is no rule or family 'sqll'" in result.stderr
    assert "hint: did you mean sql?" in result.stderr


SITES = """listen: 127.0.0.1:8080
waf: {mode: block}
sites:
  a.example:
    routes:
      /: ['10.0.0.1:80']
  b.example:
    waf:
      answers:
        xss: log
        %s
    routes:
      /: ['10.0.0.1:80']
      /x/: {servers: ['10.0.0.1:80'], waf: {answers: {ldap: log}}}
"""


@pytest.mark.parametrize(
    ("line", "column", "key", "told", "remedy"),
    [
        ("sqli: log", 15, "answers.sqli", "there is no rule or family 'sqli'", "did you mean"),
        ("qwertz: log", 17, "answers.qwertz", "there is no rule or family 'qwertz'", "`bascule rules list` has all"),
        ("request-method: mask", 25, "answers.request-method", "cannot mask", "log, block, a status"),
    ],
)
def test_what_is_wrong_with_answers_has_its_place_and_its_site(
    app: typer.Typer, tmp_path: Path, line: str, column: int, key: str, told: str, remedy: str
) -> None:
    (tmp_path / "c.yaml").write_text(SITES % line)
    result = run(app, "check", tmp_path / "c.yaml")
    assert result.exit_code == 1
    assert f'c.yaml:11:{column}: error: sites."b.example".waf.{key}: ' in result.stderr
    assert told in result.stderr
    assert f"hint: {remedy}" in result.stderr
    assert result.stderr.count("error:") == 1, "told once, though two routes have it"


def test_what_cannot_be_turned_on_has_its_place(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        SITES.replace("answers:\n", "filters: {enable: [upload-script, upload-size]}\n      answers:\n") % "sql: log"
    )
    result = run(app, "check", tmp_path / "c.yaml")
    assert 'c.yaml:9:41: error: sites."b.example".waf.filters.enable[1]: ' in result.stderr
    assert "hint: upload-size runs once configured: see waf.filters.uploads.max_size" in result.stderr


def test_pages_without_copies_have_their_place(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "listen: 127.0.0.1:8080\nwaf:\n  mode: block\n  response:\n    pages:\n      paths: [/]\n      copies: none\n"
        "sites: {a.example: {routes: {/: ['10.0.0.1:80']}}}\n"
    )
    result = run(app, "check", tmp_path / "c.yaml")
    assert "c.yaml:7:15: error: waf.response.pages.copies: there is no copy of /" in result.stderr
