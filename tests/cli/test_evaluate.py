"""``bascule evaluate``: what it says of what it cannot read or reach."""

from __future__ import annotations

import socket
from pathlib import Path

from typer.testing import CliRunner

from bascule.cli.main import app


def invoke(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["evaluate", *arguments])
    return found.exit_code, found.output


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    assert invoke(str(missing)) == (1, f"error: {missing} cannot be read: No such file or directory\n")
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(b"{}\n")
    assert invoke(str(packed)) == (1, f"error: {packed} cannot be read: Not a gzipped file (b'{{}}')\n")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "1", "class": "sqli"}\n')
    with socket.socket() as bound:  # which does not listen: nobody else can, either
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        refused = invoke(str(rows), "--url", url)
    assert refused == (1, f"error: {url} cannot be reached: Connection refused\n")
