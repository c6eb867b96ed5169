"""Users of a directory (slapd), and those whom a client certificate names."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bascule.cli.forward import app
from bascule.config.auth import Ldap
from bascule.forward.directory import Directory
from bascule.forward.identity import DirectoryError
from tests.forward.test_protocols import FORWARD, get
from tests.support.certs import Authority, Pair
from tests.support.clients import connect
from tests.support.origins import Origin
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program
from tests.support.slapd import BASE, SEARCHER, Slapd, slapd


@pytest.fixture(scope="module")
def directory() -> Iterator[Slapd]:
    with slapd() as found:
        yield found


def settings(directory: Slapd, **more: Any) -> dict[str, Any]:
    login = {"bind_dn": SEARCHER, "bind_password": "looks around"}
    return {"servers": [directory.secure], "ca": directory.ca, "base": BASE, **login, **more}


def asked(directory: Slapd, **more: Any) -> Directory:
    return Directory(Ldap.model_validate(settings(directory, **more)))


@pytest.mark.parametrize("way", ["ldaps", "starttls", "named"])
def test_right_and_wrong(directory: Slapd, way: str) -> None:
    more: dict[str, Any] = {
        "ldaps": {},
        "starttls": {"servers": [directory.plain], "start_tls": True},
        "named": {"user_dn": f"uid={{user}},ou=people,{BASE}"},
    }[way]
    users = asked(directory, **more)
    found, other = users.check("anna", "annas secret"), users.check("ben", "bens secret")
    assert found is not None
    assert other is not None
    assert (found.dn, found.groups, other.groups) == (f"uid=anna,ou=people,{BASE}", {"students"}, set())
    for name, password in (
        ("anna", "bens secret"), ("anna", ""), ("nobody", "x"), ("*", "annas secret"), ("an*", "annas secret"), ("", "x"),
        ("anna)(uid=*", "annas secret"), ("anna,ou=people", "annas secret"), ("anna\0", "annas secret"),
    ):  # fmt: skip
        assert users.check(name, password) is None, name


def test_a_directory_that_does_not_answer_says_nothing_of_a_password(directory: Slapd, tmp_path: Path) -> None:
    for more in (
        {"ca": Authority(tmp_path).path},  # it cannot prove who it is
        {"servers": ["ldaps://127.0.0.1:1"]},
        {"bind_password": "wrong"},
    ):
        with pytest.raises(DirectoryError):
            asked(directory, **more).check("anna", "annas secret")
    assert asked(directory, servers=["ldaps://127.0.0.1:1", directory.secure]).check("anna", "annas secret")
    with directory.silent(), pytest.raises(DirectoryError):
        asked(directory, timeout="1s").check("anna", "annas secret")


def login(name: str, password: str) -> str:
    return "Proxy-Authorization: Basic " + b64encode(f"{name}:{password}".encode()).decode()


@unless_stalled
def test_the_program_asks_the_directory_and_goes_on_meanwhile(directory: Slapd, origin: Origin) -> None:
    auth = {"ldap": settings(directory, timeout="2s"), "groups": {"staff": "ben"}, "addresses": {"127.0.0.7": "lab"}}
    rules = [{"allow": {"for": "students"}}, {"allow": {"for": ["staff", "lab"], "path": "/staff"}}, {"deny": {}}]
    forward = {**FORWARD, "clients": "127.0.0.0/8", "auth": auth, "rules": rules}
    url = f"http://{origin.address}/"
    with Bascule({"forward": forward, "access_log": {"path": "-"}}) as program:
        assert get(program.port, url).status == 407
        assert get(program.port, url, login("anna", "annas secret")).status == 200
        assert get(program.port, url, login("ben", "bens secret")).status == 403
        assert get(program.port, url + "staff", login("ben", "bens secret")).status == 200
        assert (
            get(program.port, url + "staff", login(" BEN", "bens secret")).status == 200
        )  # the directory knows but one
        assert get(program.port, url, login("anna", "wrong")).status == 407
        with directory.silent(), connect(program.port) as waits:
            begun = time.monotonic()
            waits.send(f"GET {url} HTTP/1.1\r\nHost: a\r\n{login('cleo', 'x')}\r\n\r\n".encode())
            assert get(program.port, url, login("anna", "annas secret")).status == 200  # known, and nobody waits
            with connect(program.port, source="127.0.0.7") as wire:
                wire.send(f"GET {url}staff HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert wire.response().status == 200
            assert time.monotonic() - begun < 1.5
            assert waits.response().status == 503
        wait_for(lambda: len(program.logged()) == 9, "the lines")
        assert {line["user"] for line in program.logged()} == {"", "anna", "ben", "lab"}
        assert {line["cause"] for line in program.logged() if line["status"] == 503} == {"proxy_identity"}
        assert any("forward.auth.ldap" in line for line in program.lines)


def test_client_certificates(origin: Origin, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("server", "clients", "strangers")]
    for folder in folders:
        folder.mkdir()
    server, clients, strangers = (Authority(folder) for folder in folders)
    pair, known, stranger = (
        server.issue("127.0.0.1"),
        clients.issue("anna", client=True),
        strangers.issue("anna", client=True),
    )
    tls = {
        "certificates": [{"cert": pair.cert, "key": pair.key}],
        "client_auth": {"ca": clients.path, "mode": "optional"},
    }
    forward = {
        **FORWARD,
        "listen": [{"address": "127.0.0.1:0", "tls": tls}],
        "auth": {"certificates": True},
        "rules": [{"allow": {"for": "anna"}}, {"deny": {}}],
    }
    curl = (require_program("curl"), "-sS", "--max-time", "20", "--proxy-cacert", server.path)
    with Bascule({"forward": forward, "access_log": {"path": "-"}}) as program:

        def ask(*more: str) -> subprocess.CompletedProcess[str]:
            way = ("-x", f"https://127.0.0.1:{program.port}", f"http://{origin.address}/c")
            return subprocess.run([*curl, *more, *way], capture_output=True, text=True, timeout=60)

        mine = ("--proxy-cert", known.cert, "--proxy-key", known.key)
        assert '"/c"' in ask(*mine).stdout
        assert '"/c"' in ask("-p", *mine).stdout
        assert "name and a password" in ask().stdout
        assert ask("--proxy-cert", stranger.cert, "--proxy-key", stranger.key).returncode
        wait_for(lambda: len([line for line in program.logged() if line["user"] == "anna"]) == 2, "the lines")


@unless_stalled
def test_groups_of_those_whom_a_certificate_names(directory: Slapd, origin: Origin, tmp_path: Path) -> None:
    """The directory tells the groups without their password, to the proxy and to `bascule forward explain`."""
    clients, server = Authority(tmp_path, "Clients"), Authority(tmp_path, "Servers")
    pair, anna, ben = server.issue("127.0.0.1"), *(clients.issue(name, client=True) for name in ("anna", "ben"))
    tls = {
        "certificates": [{"cert": pair.cert, "key": pair.key}],
        "client_auth": {"ca": clients.path, "mode": "optional"},
    }
    forward = {
        **FORWARD,
        "listen": [{"address": "127.0.0.1:0", "tls": tls}],
        "auth": {"certificates": True, "ldap": settings(directory, timeout="2s"), "cache": "0s"},
        "rules": [{"allow": {"for": "students"}}, {"deny": {}}],
    }
    curl = (require_program("curl"), "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20")

    def ask(program: Bascule, who: Pair) -> str:
        way = ("-x", f"https://127.0.0.1:{program.port}", "--proxy-cacert", server.path, f"http://{origin.address}/c")
        mine = ("--proxy-cert", who.cert, "--proxy-key", who.key)
        return subprocess.run([*curl, *mine, *way], capture_output=True, text=True, timeout=60).stdout

    with Bascule({"forward": forward}) as program:
        assert (ask(program, anna), ask(program, ben)) == ("200", "403")
        for name, status, groups in (("anna", 0, ["students"]), ("ben", 1, [])):
            config = str(program.folder / "bascule.json")
            argv = ["explain", "-c", config, "--as", name, "--json", "http://a.example/"]
            told = CliRunner().invoke(app, argv)
            assert (told.exit_code, json.loads(told.stdout)["groups"]) == (status, groups)
    with directory.silent(), Bascule({"forward": forward}) as program:
        assert ask(program, anna) == "503"  # a rule that denies a group must not be passed so
