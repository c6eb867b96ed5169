"""Parents: the ways they are spoken to, what they are told, and what happens while they cannot be reached."""

from __future__ import annotations

import socket
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from passlib.hash import apr_md5_crypt

from tests.forward.test_protocols import FORWARD, ask, get, tunnel
from tests.support.certs import Authority
from tests.support.clients import Message, Wire, connect
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program
from tests.support.squid import squid

BASIC = "Basic " + b64encode(b"bascule:hop secret").decode()
LOGIN = {"user": "bascule", "password": "hop secret"}


def through(parent: Any, *ways: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration in which all goes through one parent."""
    forward = {**FORWARD, "parents": {"up": parent}, "ways": list(ways) or [{"through": "up"}], **more}
    return {"forward": forward, "access_log": {"path": "-"}}


@pytest.fixture(scope="module")
def upper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bascule]:
    """A second Bascule as parent: HTTP and SOCKS 5 with a login, in the clear and over TLS."""
    folder = tmp_path_factory.mktemp("upper")
    (folder / "users").write_text(f"bascule:{apr_md5_crypt.hash('hop secret')}\n")
    pair = Authority(folder).issue("127.0.0.1")
    secure = {"address": "127.0.0.1:0", "tls": {"certificates": [{"cert": pair.cert, "key": pair.key}]}}
    forward = {**FORWARD, "listen": ["127.0.0.1:0", secure], "auth": {"users": str(folder / "users")}}
    with Bascule({"forward": forward, "access_log": {"path": "-"}}) as program:
        program.authority = str(folder / "test-authority.pem")  # type: ignore[attr-defined]
        yield program


@pytest.fixture(params=["http", "https", "socks5"])
def parent(request: pytest.FixtureRequest, upper: Bascule) -> dict[str, Any]:
    """The same parent, spoken to in each of the ways."""
    port = upper.ports[1 if request.param == "https" else 0]
    tls = {"tls": {"ca": upper.authority}} if request.param == "https" else {}  # type: ignore[attr-defined]
    return {"servers": [f"{request.param}://127.0.0.1:{port}"], **LOGIN, **tls}


def test_every_way_through_every_kind(upper: Bascule, parent: dict[str, Any], origin: Origin) -> None:
    before = len(upper.logged())
    with Bascule(through(parent)) as program:
        message = ask(program.port, f"POST http://{origin.address}/a?b HTTP/1.1\nHost: x\nContent-Length: 3", b"abc")
        told = message.json()
        assert (told["start"][1], told["body"]) == ("/a?b", "abc")
        assert "proxy-authorization" not in dict(told["fields"])
        with tunnel(program.port, origin.address) as wire:
            wire.send(b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.response().json()["start"][1] == "/inside"
        curl = require_program("curl")
        done = subprocess.run(
            [curl, "-sS", "--max-time", "20", "-x", f"socks5h://127.0.0.1:{program.port}", f"http://{origin.address}/s"],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert '"/s"' in done.stdout, done.stderr
        wait_for(lambda: len(program.logged()) == 3, "the lines")
        assert {line["status"] for line in program.logged()} == {200}
    seen = wait_for(lambda: upper.logged()[before + 2 :], "the parent's lines")
    assert {line["user"] for line in seen} == {"bascule"}


def test_the_server_speaks_first(upper: Bascule, parent: dict[str, Any]) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Bascule(through(parent)) as program,
        connect(program.port) as wire,
    ):
        target = f"127.0.0.1:{server.getsockname()[1]}"
        wire.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        with Wire(server.accept()[0]) as far:
            far.send(b"220 hello")
            assert wire.head().status == 200
            assert wire.exactly(9) == b"220 hello"


def test_the_proxy_itself_speaks_tls_inside_the_parents_tunnel(parent: dict[str, Any], tmp_path: Path) -> None:
    trusted = Authority(tmp_path)
    contexts = []
    for authority, staple in ((trusted, False), (Authority(tmp_path, "Strangers"), False), (trusted, True)):
        pair = authority.issue("127.0.0.1", file=str(len(contexts)), staple=staple)
        contexts.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        contexts[-1].load_cert_chain(pair.cert, pair.key)
    settings = through(parent, authorities=trusted.path)
    with Bascule(settings) as program:
        with Origin(context=contexts[0]) as good:
            assert get(program.port, f"https://{good.address}/deep").json()["start"][1] == "/deep"
        for context in contexts[1:]:
            with Origin(context=context) as bad:
                message = get(program.port, f"https://{bad.address}/deep")
                assert message.status == 502
                assert b"could not prove who it is" in message.body
                assert not bad.seen


def test_squid_with_a_login(origin: Origin) -> None:
    with squid(("bascule", "hop secret")) as (port, log):
        with Bascule(through({"servers": [f"http://127.0.0.1:{port}"], **LOGIN})) as program:
            assert get(program.port, f"http://{origin.address}/plain").json()["start"][1] == "/plain"
            with tunnel(program.port, origin.address) as wire:
                wire.send(b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n")
                assert wire.response().json()["start"][1] == "/inside"
        with Bascule(through({"servers": [f"http://127.0.0.1:{port}"]})) as program:
            for head in (f"GET http://{origin.address}/ HTTP/1.1", f"CONNECT {origin.address} HTTP/1.1"):
                message = ask(program.port, f"{head}\nHost: a")
                assert (message.status, message["proxy-authenticate"]) == (
                    502,
                    None,
                )  # it is not the client that is asked
            wait_for(lambda: len(program.logged()) == 2, "the lines")
            assert {line["cause"] for line in program.logged()} == {"parent_authentication"}
        assert "bascule" in log.read_text()


def test_names_are_the_parents_to_resolve_and_nobody_gets_anothers_password(origin: Origin) -> None:
    """A scripted parent sees what it is told."""

    def parent(wire: Wire, message: Message) -> bool:
        if message.start[0] == "CONNECT":
            wire.send(b"HTTP/1.1 200 Yes\r\nContent-Length: 9\r\n\r\nfrom afar")  # RFC 9110 9.3.6: no body, a tunnel
            return False
        wire.read_body(message)
        wire.send(answer(b"from the parent"))
        return True

    with Origin(parent) as up:
        config = through(
            {"servers": [f"http://{up.address}"], **LOGIN},
            {"through": "direct", "domain": "=localhost"},
            {"through": "direct", "ip": "127.0.0.0/8"},
            {"through": "up"},
        )
        with Bascule(config) as program:
            own = "Proxy-Authorization: Basic Y2xpZW50Om93bg=="
            assert get(program.port, "http://only-there.invalid/x?y", own).body == b"from the parent"
            with tunnel(program.port, "only-there.invalid:443") as wire:
                assert wire.exactly(9) == b"from afar"
            direct = get(program.port, f"http://localhost:{origin.port}/", own).json()
            get(program.port, f"http://{origin.address}/", own)
        first, second = up.seen
        assert first.start[:2] == ("GET", "http://only-there.invalid/x?y")
        assert first["host"] == "only-there.invalid"
        assert second.start[:2] == ("CONNECT", "only-there.invalid:443")
        assert first.values("proxy-authorization") == second.values("proxy-authorization") == [BASIC]
    assert "proxy-authorization" not in dict(direct["fields"])
    assert [message["proxy-authorization"] for message in origin.seen] == [None, None]


def test_inside_addresses_are_not_asked_of_a_parent(origin: Origin) -> None:
    with Origin(lambda wire, message: False) as up:
        forward = {"listen": ["127.0.0.1:0"], "parents": {"up": f"http://{up.address}"}, "ways": [{"through": "up"}]}
        with Bascule({"forward": forward}) as program:
            for host in ("127.0.0.1", "localhost", "a.localhost", "[::1]", "169.254.169.254"):
                assert get(program.port, f"http://{host}:8000/").status == 403
                assert ask(program.port, f"CONNECT {host}:8000 HTTP/1.1\nHost: a").status == 403
        assert up.seen == []


def test_rules_about_addresses_are_asked_before_the_parent(origin: Origin) -> None:
    with Origin(lambda wire, message: wire.send(answer(b"up")) or True) as up:
        rules = [{"deny": {"ip": "127.0.0.0/8"}}]
        with Bascule(through(f"http://{up.address}", rules=rules)) as program:
            assert get(program.port, f"http://localhost:{origin.port}/").status == 403
            assert get(program.port, "http://no-such-name.invalid/").status == 502
        assert up.seen == []


# --- what cannot be reached


@pytest.fixture
def dead() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_another_server_stands_in(upper: Bascule, dead: str, scheme: str, origin: Origin) -> None:
    parent = {"servers": [f"{scheme}://{dead}", f"{scheme}://127.0.0.1:{upper.ports[0]}"], **LOGIN}
    with Bascule(through(parent)) as program:
        for number in range(3):
            assert get(program.port, f"http://{origin.address}/{number}").status == 200
            tunnel(program.port, origin.address).__exit__()


def test_the_next_on_the_way_or_direct(upper: Bascule, dead: str, origin: Origin) -> None:
    parents = {
        "gone": f"http://{dead}",
        "other": {"servers": [f"socks5://127.0.0.1:{upper.ports[0]}"], **LOGIN},
        "away": f"socks5://{dead}",
    }
    ways = [
        {"through": ["gone", "other"], "path": "/other"},
        {"through": "gone", "path": "/gone"},
        {"through": ["gone", "away", "direct"]},
    ]
    config = {"forward": {**FORWARD, "parents": parents, "ways": ways}, "access_log": {"path": "-"}}
    before = len(upper.logged())
    with Bascule(config) as program:
        assert get(program.port, f"http://{origin.address}/other").status == 200
        assert get(program.port, f"http://{origin.address}/gone").status in (502, 503)
        assert get(program.port, f"http://{origin.address}/direct").json()["start"][1] == "/direct"
        tunnel(program.port, origin.address).__exit__()
        with connect(program.port) as wire:
            wire.send(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + origin.port.to_bytes(2, "big"))
            assert wire.exactly(12)[3] == 0
    wait_for(lambda: len(upper.logged()) == before + 1, "the parent's only line")


def test_a_refusal_says_so_and_is_not_passed_by(upper: Bascule, origin: Origin) -> None:
    """A parent that says no has answered: the next on the way is for those that cannot be reached."""
    with Origin(lambda wire, message: wire.send(answer(b"no", "403 No")) and False) as up:
        config = through(f"http://{up.address}", {"through": ["up", "direct"]})
        with Bascule(config) as program:
            message = ask(program.port, f"CONNECT {origin.address} HTTP/1.1\nHost: a")
            assert message.status == 502
            assert b"did not open the way" in message.body
            assert get(program.port, f"http://{origin.address}/").status == 403  # the parent's own page
            with connect(program.port) as wire:
                wire.send(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + origin.port.to_bytes(2, "big"))
                assert wire.exactly(4)[3] == 4
            wait_for(lambda: len(program.logged()) == 3, "the lines")
            lines = program.logged()
    assert [line["cause"] for line in lines] == ["parent_refused", "", "parent_refused"]
    assert origin.seen == []


def test_explain_tells_the_way(tmp_path: Path) -> None:
    from bascule.config.loader import load
    from bascule.forward.preview import preview

    file = tmp_path / "b.yaml"
    file.write_text(
        "forward:\n  listen: 127.0.0.1:3128\n  parents: {tor: 'socks5://127.0.0.1:9050'}\n"
        "  ways: [{through: [tor, direct], domain: onion}]\n"
    )
    plan = load(file)
    assert plan.forward is not None
    for host, way in (("a.onion", ["tor", "direct"]), ("a.example", ["direct"])):
        told = preview(
            plan.forward.config, f"GET http://{host}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode(), client="127.0.0.1"
        )
        assert told["through"] == way
