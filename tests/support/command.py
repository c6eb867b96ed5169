"""The command line without a process of its own, whose start costs more than most commands do."""

from __future__ import annotations

import subprocess

from typer.testing import CliRunner

from bascule.cli.main import app
from tests.support.program import Bascule


def command(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Return what ``bascule WORDS`` does; `text` is its standard input. Raises what it should have caught."""
    done = CliRunner().invoke(app, words, input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def tell(bascule: Bascule, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Return what ``bascule WORDS`` does of an instance with a folder of its own."""
    return command(*words, "--run-dir", str(bascule.folder / "run"), text=text)
