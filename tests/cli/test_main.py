"""The command as a whole: what it offers, and that a small command loads little."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bascule.cli.main import COMMANDS
from tests.support.command import command


def test_every_command_is_there_and_says_what_it_is_for() -> None:
    shown = command("--help").stdout
    for name in COMMANDS:
        assert f"\n│ {name} " in shown
    for name in COMMANDS:
        assert f"Usage: bascule {name} " in command(name, "--help").stdout


def test_a_mistyped_command_gets_a_suggestion() -> None:
    done = command("statsu")
    assert done.returncode == 2
    assert "Did you mean 'status'?" in done.stderr


@pytest.mark.parametrize("words", ["--version", "status --help", "reload --help", "stop --help"])
def test_small_commands_load_neither_configuration_nor_firewall(words: str) -> None:
    code = f"""
import sys
from bascule.cli.main import app
try:
    app({words.split()})
except SystemExit:
    pass
sys.exit(any(name.startswith(("bascule.waf", "bascule.proxy", "bascule.config.schema")) for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
