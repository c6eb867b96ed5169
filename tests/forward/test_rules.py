"""Rules, users and pages in the running proxy, with real clients."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from passlib.hash import apr_md5_crypt
from typer.testing import CliRunner, Result

from bascule.cli.forward import app
from bascule.telemetry import causes
from tests.support.clients import Message, connect
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "users").write_text(f"anna:{apr_md5_crypt.hash('secret')}\nben:{apr_md5_crypt.hash('secret')}\n")
    (folder / "games").write_text("localhost.localdomain\nlocalhost\n0.0.0.0 localhost4\n||ip6-localhost.test^\n")
    return folder


def config(origin: Origin, files: Path) -> dict[str, Any]:
    return {
        "forward": {
            "listen": ["127.0.0.1:0"],
            "allow_private": True,
            "auth": {
                "users": str(files / "users"),
                "groups": {"students": ["anna"]},
                "addresses": {"127.0.0.9": "lab"},
                "required": False,
                "lock_out": {"attempts": 3},
            },
            "categories": {"inside": str(files / "games")},
            "rules": [
                {"deny": {"path": "/denied/"}, "reason": "Not <here>.", "name": "no go"},
                {"redirect": {"path": "/old/"}, "to": "http://new.example/?from={url}"},
                {"deny": {"mime": "video/*"}},
                {"deny": {"path": "/nets/", "ip": "127.0.0.0/8"}},
                {"allow": {"path": "/staff/", "for": ["ben", "lab"]}},
                {"deny": {"path": "/staff/"}},
                {"deny": {"method": "CONNECT", "port": "1025-1030"}},
            ],
            "errors": {"contact": "it@example.com"},
        },
        "workers": 1,
        "access_log": {"path": "-"},
    }


@pytest.fixture(scope="module")
def bascule(_origin: Origin, files: Path) -> Any:
    with Bascule(config(_origin, files)) as program:
        yield program


def get(port: int, url: str, *fields: str, source: str = "") -> Message:
    with connect(port, source=source) as wire:
        wire.send("\r\n".join([f"GET {url} HTTP/1.1", "Host: h", *fields, "", ""]).encode())
        return wire.response()


def login(name: str, password: str = "secret") -> str:
    return f"Proxy-Authorization: Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


def test_the_page_of_a_refusal(bascule: Bascule, origin: Origin) -> None:
    message = get(bascule.port, f"http://{origin.address}/denied/x", "Accept: text/html")
    assert message.status == 403
    page = message.body.decode()
    assert "Not &lt;here&gt;." in page
    assert "it@example.com" in page
    ref = message["x-bascule-ref"]
    assert ref
    assert ref in page
    line = wait_for(lambda: [line for line in bascule.logged() if line["ref"] == ref], "the line")[0]
    assert (line["cause"], line["rule"], line["user"]) == (causes.EGRESS_DENIED, "no go", "")
    assert origin.seen == []


def test_redirect(port: int, origin: Origin) -> None:
    url = f"http://{origin.address}/old/x?y"
    message = get(port, url)
    assert (message.status, message["location"]) == (302, f"http://new.example/?from={url}")


def test_the_response_is_judged(port: int, origin: Origin) -> None:
    origin.handler = lambda wire, message: wire.send(answer(b"v", "200 OK", "Content-Type: video/mp4")) or True
    message = get(port, f"http://{origin.address}/film")
    assert message.status == 403
    assert b"kind or size" in message.body
    origin.handler = lambda wire, message: wire.send(answer(b"v", "200 OK", "Content-Type: text/plain")) or True
    assert get(port, f"http://{origin.address}/film").body == b"v"


def test_the_address_is_judged(port: int, origin: Origin) -> None:
    for host in ("127.0.0.1", "localhost", "2130706433"):
        assert get(port, f"http://{host}:{origin.port}/nets/").status == 403
    assert get(port, f"http://{origin.address}/other").status == 200


def test_users(bascule: Bascule, origin: Origin) -> None:
    url = f"http://{origin.address}/staff/"
    asked = get(bascule.port, url)
    assert asked.status == 407
    assert asked["proxy-authenticate"] == 'Basic realm="Bascule", charset="UTF-8"'
    let_in = get(bascule.port, url, login("ben"))
    assert let_in.status == 200
    assert "proxy-authorization" not in dict(let_in.json()["fields"])
    assert get(bascule.port, url, login("ben")).status == 200
    assert get(bascule.port, url, login("anna")).status == 403
    assert get(bascule.port, url, source="127.0.0.9").status == 200
    users = [line["user"] for line in bascule.logged() if line["target"] == "/staff/"]
    assert wait_for(lambda: len([line for line in bascule.logged() if line["target"] == "/staff/"]) >= 5, "lines")
    users = [line["user"] for line in bascule.logged() if line["target"] == "/staff/"]
    assert users == ["", "ben", "ben", "anna", "lab"]


def test_guessing_locks_out(port: int, origin: Origin) -> None:
    url = f"http://{origin.address}/staff/"
    source = "127.0.0.77"
    assert [get(port, url, login("ben", "x"), source=source).status for _ in range(3)] == [407, 407, 407]
    message = get(port, url, login("ben", "y"), source=source)
    assert message.status == 429
    assert int(message["retry-after"] or 0) > 800
    assert get(port, url, login("ben")).status == 200


def test_rules_about_tunnels(port: int) -> None:
    with connect(port) as wire:
        wire.send(b"CONNECT 127.0.0.1:1026 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert wire.response().status == 403
    with connect(port) as wire:
        wire.send(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x04\x02")
        assert wire.rest()[:4] == b"\x05\x00\x05\x02"


def test_curl_logs_in(port: int, origin: Origin) -> None:
    curl = require_program("curl")
    for proxy, expected in (
        (f"http://ben:secret@127.0.0.1:{port}", "200"),
        (f"http://ben:wrong@127.0.0.1:{port}", "407"),
    ):
        argv = [curl, "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}", "-x", proxy]
        done = subprocess.run([*argv, f"http://{origin.address}/staff/"], capture_output=True, text=True, timeout=60)
        assert done.stdout == expected, done.stderr


def test_explain(bascule: Bascule, tmp_path: Path) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["explain", "--config", str(bascule.folder / "bascule.json"), *arguments])

    done = run("--as", "anna", "http://a.example/staff/x")
    assert done.exit_code == 1
    assert "deny" in done.stdout
    assert "rule 6" in done.stdout
    assert "students" in done.stdout
    assert run("--as", "ben", "http://a.example/staff/").exit_code == 0
    assert run("http://a.example/staff/").exit_code == 2
    assert "not what a proxy can be asked for" in run("ftp://a.example/").stderr


def test_socks_login(origin: Origin, files: Path) -> None:
    whole = config(origin, files)
    whole["forward"]["auth"]["required"] = True
    with Bascule(whole) as program:
        address = b"\x05\x01\x00\x01\x7f\x00\x00\x01" + origin.port.to_bytes(2, "big")
        with connect(program.port) as wire:
            wire.send(b"\x05\x02\x00\x02\x01\x03ben\x06secret" + address)
            assert wire.exactly(2 + 2 + 10) == b"\x05\x02\x01\x00\x05\x00\x00\x01" + bytes(6)
            wire.send(b"GET /in HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.response().json()["start"][1] == "/in"
        with connect(program.port) as wire:
            wire.send(b"\x05\x01\x02\x01\x03ben\x05wrong")
            assert wire.rest() == b"\x05\x02\x01\x01"
        for refused in (b"\x05\x01\x00", b"\x04\x01\x20\x00\x7f\x00\x00\x01\x00"):
            with connect(program.port) as wire:
                wire.send(refused)
                assert wire.rest() in (b"\x05\xff", b"\x00\x5b" + bytes(6))
        assert get(program.port, f"http://{origin.address}/").status == 407
        with connect(program.port, source="127.0.0.9") as wire:
            wire.send(b"\x05\x01\x00" + address)
            assert wire.exactly(4) == b"\x05\x00\x05\x00"
        wait_for(
            lambda: {"ben", "lab"} <= {line["user"] for line in program.logged() if line["version"] == "SOCKS5"},
            "both lines",
        )
