"""Interception over TLS to the proxy, through parents, of WebSockets, and over a reload."""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from bascule.cli.forward import app
from tests.forward.interception_lab import Lab, Tls, curl
from tests.support.clients import Message, Wire, connect
from tests.support.origins import mirror
from tests.support.program import Bascule, wait_for

POOR = "127.0.0.6"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """It has a second listener, of TLS; one client has a quota."""
    lab = Lab(tmp_path_factory.mktemp("ways"))
    pair = lab.web.issue("localhost", file="proxy")
    secure = {"address": "127.0.0.1:0", "tls": {"certificates": [{"cert": pair.cert, "key": pair.key}]}}
    quotas = {"little": {"bytes": 100_000, "per": "client", "source": POOR}}
    with lab.running(lab.config(listen=["127.0.0.1:0", secure], quotas=quotas)):
        yield lab


def test_over_tls_to_the_proxy(lab: Lab) -> None:
    """TLS within TLS: that of the tunnel runs inside that to the proxy."""
    url, port = f"https://{lab.authority}/within", lab.bascule.ports[1]
    proxy = ("--proxy", f"https://localhost:{port}", "--proxy-cacert", lab.web.path, "--cacert", str(lab.ca))
    for _ in range(2):
        done = curl(lab, port, *proxy, url, url)
        assert done.stdout.count('"/within"') == 2, done.stderr
    large = lab.folder / "large"
    large.write_bytes(b"x" * 3_000_000)
    sent = curl(lab, port, *proxy, "--data-binary", f"@{large}", "-o", str(large), url)
    assert sent.returncode == 0, sent.stderr
    assert len(json.loads(large.read_text())["body"]) == 3_000_000


def test_through_parents(lab: Lab) -> None:
    """One program is both parents, for it speaks both protocols; the client's address says which is asked."""
    plain = {"listen": ["127.0.0.1:0"], "allow_private": True, "waf": "off"}
    clients = {"http": "127.0.0.7", "socks5": "127.0.0.8"}
    with Bascule({"access_log": {"path": "-"}, "forward": plain}) as parent:
        parents = {protocol: f"{protocol}://127.0.0.1:{parent.port}" for protocol in clients}
        ways = [{"through": protocol, "source": client} for protocol, client in clients.items()]
        with Bascule(lab.config(parents=parents, ways=ways)) as bascule:
            for client in clients.values():
                with Tls(bascule.port, lab.authority, lab.ca, source=client) as tls:
                    assert tls.certificate.issuer.rfc4514_string() == "CN=Test interception"
                    assert tls.ask("/through").json()["start"][1] == "/through"
                    assert tls.ask("/denied/x").status == 403
            wait_for(lambda: {line["version"] for line in parent.logged()} == {"HTTP/1.1", "SOCKS5"}, "both lines")
        assert not [line for line in parent.logged() if "/through" in line["target"]]  # it sees tunnels only


def test_websockets_inside(lab: Lab) -> None:
    def upgrade(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        wire.send(wire.sock.recv(100).upper())
        return False

    lab.origin.handler = upgrade
    try:
        with lab.tls() as tls:
            fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
            assert tls.ask("/ws", *fields, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").status == 101
            tls.wire.send(b"hello")
            assert tls.wire.exactly(5) == b"HELLO"
    finally:
        lab.origin.handler = mirror


def reload(lab: Lab) -> None:
    """Have the configuration read anew; return when the new workers serve."""

    def count() -> int:
        return sum("reloaded: generation" in line for line in lab.bascule.lines)

    before = count()
    lab.bascule.process.send_signal(signal.SIGHUP)
    wait_for(lambda: count() > before, "the reload")


def test_a_reload_lets_opened_tunnels_end(lab: Lab) -> None:
    with lab.tls() as tls:
        assert tls.ask("/before").status == 200
        reload(lab)
        assert tls.wire.at_end()  # idle, as any kept connection
    with lab.tls() as tls:
        assert tls.ask("/after").status == 200


def test_who_pins_is_let_go_over_a_reload(lab: Lab) -> None:
    def get() -> int:  # by who trusts only the web
        way = ("--interface", "127.0.0.8", "--cacert", lab.web.path, f"https://{lab.authority}/")
        return curl(lab, lab.bascule.port, *way).returncode

    wait_for(lambda: get() == 0, "the end of its tries")
    reload(lab)
    assert get() == 0


def test_a_client_that_ends_after_its_hello(lab: Lab) -> None:
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(coming, going, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = going.read()
    for sent in (hello, hello[:50]):
        with connect(lab.bascule.port) as wire:
            authority = f"localhost:{lab.origin.port}"
            wire.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
            assert wire.head().status == 200
            wire.send(sent)
            wire.end()
            with contextlib.suppress(ConnectionResetError):
                wire.rest()  # it ends
    with lab.tls() as tls:
        assert tls.ask("/still-there").status == 200


def test_quotas_count_what_is_inside(lab: Lab) -> None:
    with Tls(lab.bascule.port, lab.authority, lab.ca, source=POOR) as tls:

        def post(size: int) -> int:
            return tls.ask("/", f"Content-Length: {size}", method="POST", body=b"x" * size).status

        assert post(40_000) == 200, "80,000 with what comes back"
        # In small steps: a long transfer that goes over is cut short wherever it is.
        wait_for(lambda: post(1_000) == 403, "the end of the quota")
    with connect(lab.bascule.port, POOR) as wire:
        wire.send(f"CONNECT {lab.authority} HTTP/1.1\r\nHost: {lab.authority}\r\n\r\n".encode())
        assert wire.response("GET").status == 403


def test_explain_says_what_becomes_of_a_tunnel(lab: Lab) -> None:
    config = str(lab.bascule.folder / "bascule.json")
    done = CliRunner().invoke(app, ["explain", "-c", config, "--json", "https://www.bank.test/"])
    assert json.loads(done.stdout)["tunnel"] == "splice: rule 1"
