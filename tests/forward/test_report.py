"""``bascule report egress``: sums of the logs, also of real ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from tests.forward.test_protocols import FORWARD, get, tunnel
from tests.support.command import command
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for


def line(**more: Any) -> str:
    found = {"time": "2026-01-01T10:00:00.000Z", "route": "forward", "host": "a.example", "status": 200, "user": "anna",
             "cause": "", "bytes_in": 10, "bytes_out": 100, "duration": 1.5, "target": "/"}  # fmt: skip
    return json.dumps({**found, **more})


def report(*arguments: str) -> dict[str, Any]:
    done = command("report", "egress", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def test_sums(tmp_path: Path) -> None:
    (tmp_path / "games").write_text("play.example\n")
    (tmp_path / "b.yaml").write_text("forward: {listen: 3128, categories: {games: games}}\n")
    lines = [
        line(),
        line(host="www.play.example:443", bytes_out=5000),
        line(user="ben", host="PLAY.example", status=403, cause="egress_denied", bytes_out=0),
        line(user="", host="[2001:db8::1]:443", time="2026-01-02T00:00:00.000Z"),
        line(route="shop.example /"),
        "no json",
    ]
    (tmp_path / "log").write_text("\n".join(lines[:3]) + "\n")
    with gzip.open(tmp_path / "log.1.gz", "wt") as stream:
        stream.write("\n".join(lines[3:]) + "\n\n")
    logs = (str(tmp_path / "log"), str(tmp_path / "log.1.gz"))
    told = report(*logs, "--config", str(tmp_path / "b.yaml"))
    assert (told["requests"], told["unreadable"]) == (4, 1)
    assert (told["first"], told["last"]) == ("2026-01-01T10:00:00.000Z", "2026-01-02T00:00:00.000Z")
    assert {row["name"]: (row["requests"], row["refused"], row["bytes_out"]) for row in told["users"]} == {
        "anna": (2, 0, 5100), "ben": (1, 1, 0), "": (1, 0, 100),
    }  # fmt: skip
    assert {row["name"]: row["requests"] for row in told["categories"]} == {"games": 2, "(none)": 2}
    assert [row["name"] for row in told["domains"]] == ["play.example", "a.example", "2001:db8::1"]
    assert told["refused"] == [{"cause": "egress_denied", "requests": 1}]
    assert report(*logs, "--user", "anna")["requests"] == 2
    assert report(*logs, "--since", "2026-01-02")["requests"] == 1
    assert report(*logs, "--until", "2026-01-02")["requests"] == 3
    assert report(*logs, "--since", "2026-01-01T12:00+02:00")["requests"] == 4  # 10:00 in UTC, as the log has it
    assert report(*logs, "--since", "2026-01-01 23:00")["requests"] == 1
    assert len(report(*logs, "--top", "1")["domains"]) == 1
    shown = command("report", "egress", *logs)
    assert "4.9 KiB" in shown.stdout
    assert "(nobody)" in shown.stdout
    yesterday = command("report", "egress", *logs, "--since", "yesterday")
    assert yesterday.returncode == 2
    assert "2026-01-31T08:00" in yesterday.stderr
    none = command("report", "egress", *logs, "--user", "nobody").stdout
    assert none.splitlines()[0] == "no line of the forward proxy (its route is forward) is among these"
    gone = command("report", "egress", "/nowhere")
    assert gone.returncode
    assert "/nowhere" in gone.stderr


def test_a_log_that_was_really_written(origin: Origin) -> None:
    origin.handler = lambda wire, message: wire.send(answer(bytes(1000))) or True
    config = {"forward": {**FORWARD, "rules": [{"deny": {"path": "/no"}}]}, "access_log": {"path": "-"}}
    with Bascule(config) as program:
        get(program.port, f"http://{origin.address}/")
        get(program.port, f"http://{origin.address}/no")
        tunnel(program.port, origin.address).__exit__()
        wait_for(lambda: len(program.logged()) == 3, "the lines")
        told = report(str(program.folder / "stdout"))
    (row,) = told["domains"]
    assert (row["name"], row["requests"], row["refused"]) == ("127.0.0.1", 3, 1)
    assert row["bytes_out"] >= 1000
