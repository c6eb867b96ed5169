"""Interception over TLS to the proxy, through parents, of WebSockets, and over a reload."""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
import subprocess
from typing import Any

import pytest

from tests.forward.interception_lab import Lab, Tls, curl, lab
from tests.support.clients import Message, Wire, connect
from tests.support.origins import mirror
from tests.support.program import COMMAND, ROOT, Bascule, wait_for

__all__ = ["lab"]


def test_over_tls_to_the_proxy(lab: Lab) -> None:
    """TLS within TLS: that of the tunnel runs inside that to the proxy."""
    pair = lab.web.issue("localhost", file="proxy")
    listen = {"address": "127.0.0.1:0", "tls": {"certificates": [{"cert": pair.cert, "key": pair.key}]}}
    with Bascule(lab.config(listen=[listen])) as bascule:
        url = f"https://localhost:{lab.origin.port}/within"
        proxy = ("--proxy", f"https://localhost:{bascule.port}", "--proxy-cacert", lab.web.path)
        for _ in range(2):
            done = curl(lab, bascule.port, *proxy, "--cacert", str(lab.ca), url, url)
            assert done.stdout.count('"/within"') == 2, done.stderr
        large = lab.folder / "large"
        large.write_bytes(b"x" * 3_000_000)
        sent = curl(
            lab, bascule.port, *proxy, "--cacert", str(lab.ca), "--data-binary", f"@{large}", "-o", str(large), url
        )
        assert sent.returncode == 0, sent.stderr
        assert len(json.loads(large.read_text())["body"]) == 3_000_000


@pytest.mark.parametrize("protocol", ["http", "socks5"])
def test_through_a_parent(lab: Lab, protocol: str) -> None:
    with Bascule(
        {"access_log": {"path": "-"}, "forward": {"listen": ["127.0.0.1:0"], "allow_private": True}}
    ) as parent:
        up: dict[str, Any] = {"parents": {"up": f"{protocol}://127.0.0.1:{parent.port}"}, "ways": [{"through": "up"}]}
        with (
            Bascule(lab.config(**up)) as bascule,
            Tls(bascule.port, f"localhost:{lab.origin.port}", lab.ca, "localhost") as tls,
        ):
            assert tls.certificate.issuer.rfc4514_string() == "CN=Test interception"
            assert tls.ask("/through").json()["start"][1] == "/through"
            assert tls.ask("/denied/x").status == 403
        wait_for(parent.logged, "the parent's lines")
        assert not [line for line in parent.logged() if "/through" in line["target"]]  # it sees tunnels only


def test_websockets_inside(lab: Lab) -> None:
    def upgrade(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        wire.send(wire.sock.recv(100).upper())
        return False

    lab.origin.handler = upgrade
    try:
        with (
            Bascule(lab.config(waf="off")) as bascule,
            Tls(bascule.port, f"localhost:{lab.origin.port}", lab.ca, "localhost") as tls,
        ):
            fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
            assert tls.ask("/ws", *fields, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").status == 101
            tls.wire.send(b"hello")
            assert tls.wire.exactly(5) == b"HELLO"
    finally:
        lab.origin.handler = mirror


def test_a_reload_lets_opened_tunnels_end(lab: Lab) -> None:
    with Bascule(lab.config()) as bascule:
        with Tls(bascule.port, f"localhost:{lab.origin.port}", lab.ca, "localhost") as tls:
            assert tls.ask("/before").status == 200
            bascule.process.send_signal(signal.SIGHUP)
            wait_for(lambda: any("generation 2" in line for line in bascule.lines), "the reload")
            assert tls.wire.at_end()  # idle, as any kept connection
        with Tls(bascule.port, f"localhost:{lab.origin.port}", lab.ca, "localhost") as tls:
            assert tls.ask("/after").status == 200


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
    with Bascule(lab.config(quotas={"little": {"bytes": 100_000, "per": "all"}})) as bascule:
        authority = f"localhost:{lab.origin.port}"
        with Tls(bascule.port, authority, lab.ca, "localhost") as tls:
            body = b"x" * 60_000
            assert tls.ask("/", f"Content-Length: {len(body)}", method="POST", body=body).status == 200
            assert tls.ask("/again").status == 403
        with connect(bascule.port) as wire:
            wire.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
            assert wire.response("GET").status == 403


def test_explain_says_what_becomes_of_a_tunnel(lab: Lab) -> None:
    argv = (*COMMAND, "forward", "explain", "-c", str(lab.bascule.folder / "bascule.json"), "--json")
    done = subprocess.run((*argv, "https://www.bank.test/"), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["tunnel"] == "splice: rule 1"
