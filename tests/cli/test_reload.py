"""The commands that speak to a running instance, as an operator types them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from bascule.cli.main import app
from tests.server.harness import Program, running, wait_for


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    with running() as found:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(found.folder))
        yield found


def bascule(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.output


def test_reload_tells_the_new_generation(program: Program) -> None:
    assert bascule("reload") == (0, "bascule: generation 2 serves\n")


def test_failed_reload_tells_the_error_and_fails(program: Program) -> None:
    program.write(test={"load": "fail"})
    status, output = bascule("reload")
    assert status == 1
    assert output.startswith("bascule: reload failed, nothing was changed: ")
    assert "config.json:1: the configuration is wrong" in output
    assert "last reload failed: " in bascule("status")[1]


def test_status_for_people_and_for_programs(program: Program) -> None:
    status, output = bascule("status", "--pid", str(program.process.pid))
    assert status == 0
    assert f"pid {program.process.pid}: running, generation 1, up" in output
    for name in ("keeper", "worker 0", "worker 1"):
        assert name in output
    found = json.loads(bascule("status", "--json", "--run-dir", str(program.instance().path))[1])
    assert found["pid"] == program.process.pid


def test_upgrade_tells_the_new_process(program: Program) -> None:
    status, output = bascule("upgrade")
    assert (status, output) == (0, f"bascule: process {program.instance().pid} serves\n")


def test_stop_waits_for_the_end(program: Program) -> None:
    assert bascule("stop") == (0, f"bascule: process {program.process.pid} has ended\n")
    wait_for(lambda: not program.family(), "the end")


@pytest.mark.parametrize("command", ["reload", "status", "stop", "upgrade"])
def test_without_an_instance_each_says_where_it_looked(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    status, output = bascule(command)
    assert status == 1
    assert output.startswith(f"bascule: no running instance found in {tmp_path}/bascule")
