"""sqlmap against an application that it takes apart without the firewall, and through it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import require_program
from tests.waf.attackers.vulnerable import vulnerable
from tests.waf.wire.world import guarded

LEVEL = os.environ.get("SQLMAP_LEVEL", "1")
RISK = os.environ.get("SQLMAP_RISK", "1")
TAMPERS = ("", "space2comment", "between,randomcase", "charunicodeencode", "versionedkeywords", "equaltolike")
"""No disguise, then some of the usual ones; SQLMAP_TAMPER names another (`all`: each that sqlmap ships, one by one)."""
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
"""Else the firewall would refuse sqlmap for its name, and nothing would be learned."""
TARGETS = ("/item?id=1", "/find?name=boat")


def sqlmap(folder: Path, url: str, *options: str) -> str:
    """Run sqlmap to its end and return what it says."""
    program = require_program("sqlmap")
    command = [program, "--batch", "--flush-session", "--disable-coloring", "--dbms=sqlite", "-A", BROWSER, "-u", url]
    command += ["--level", LEVEL, "--risk", RISK, "--output-dir", str(folder), *options]
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("SQLMAP_")
    }  # it reads them, too
    environ["HOME"] = str(folder)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def injectable(said: str) -> bool:
    """Whether sqlmap found a way in."""
    return re.search(r"identified the following injection point|is vulnerable", said) is not None


def tampers() -> list[str]:
    """Return the disguises to try."""
    chosen = os.environ.get("SQLMAP_TAMPER")
    if chosen == "all":
        folder = Path(require_program("sqlmap")).resolve().parent / "tamper"
        return ["", *sorted(script.stem for script in folder.glob("*.py") if script.stem != "__init__")]
    return [chosen] if chosen else list(TAMPERS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sqlmap_takes_the_application_apart_without_a_firewall(tmp_path: Path) -> None:
    with vulnerable() as (_, port):
        said = sqlmap(tmp_path, f"http://127.0.0.1:{port}{TARGETS[1]}", "--dump", "-T", "users")
    assert injectable(said)
    assert "hunter2" in said


@pytest.mark.slow
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("tamper", tampers())
def test_sqlmap_finds_no_way_in(tmp_path: Path, tamper: str) -> None:
    with vulnerable() as (application, port), guarded(f"127.0.0.1:{port}", {"mode": "block"}) as bascule:
        address = f"http://{bascule.address[0]}:{bascule.address[1]}"
        for target in TARGETS:
            said = sqlmap(tmp_path, address + target, *(["--tamper", tamper] if tamper else []))
            assert not injectable(said), said
        assert application.queries, "harmless requests reach the application"
        assert not any("hunter2" in query or "users" in query for query in application.queries)
