"""What clients speak to the forward proxy, byte by byte and with real programs."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certs import Authority
from tests.support.clients import Message, Wire, connect
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program

FORWARD: dict[str, Any] = {
    "listen": ["127.0.0.1:0"],
    "allow_private": True,
    "clients": "127.0.0.1",
    "timeouts": {"connect": "2s"},
}


def config(origin: Origin) -> dict[str, Any]:
    return {"forward": FORWARD}


def ask(port: int, head: str, body: bytes = b"") -> Message:
    with connect(port) as wire:
        wire.send(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
        return wire.response(head.partition(" ")[0])


def get(port: int, url: str, *fields: str) -> Message:
    return ask(port, "\n".join([f"GET {url} HTTP/1.1", "Host: ignored.example", *fields]))


# --- absolute-form


def test_the_request_is_written_anew(port: int, origin: Origin) -> None:
    told = get(
        port,
        f"http://{origin.address}/a/../b%2fc?q",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic YTpi",
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "X-Forwarded-For: 192.0.2.1",
        "X_Odd: kept",
        "Cookie: a=b",
    ).json()
    assert told["start"] == ["GET", "/a/../b%2fc?q", "HTTP/1.1"]  # whose path it is decides what it means
    assert dict(told["fields"]) == {"host": origin.address, "x_odd": "kept", "cookie": "a=b"}


def test_response_fields_come_through(port: int, origin: Origin) -> None:
    origin.handler = lambda wire, message: (
        wire.send(answer(b"x", "200 OK", "Server: s", "Location: http://127.0.0.1:1/", "X-Powered-By: p")) or True
    )
    message = get(port, f"http://{origin.address}/")
    assert (message["server"], message["x-powered-by"]) == ("s", "p")
    assert message["location"] == "http://127.0.0.1:1/"
    assert message["via"] is None


def test_both_sides_are_kept_alive(port: int, origin: Origin) -> None:
    before = origin.connections
    with connect(port) as wire:
        for number in range(3):
            wire.send(f"GET http://{origin.address}/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert wire.response().json()["start"][1] == f"/{number}"
    assert origin.connections - before <= 1


def test_a_kept_connection_that_broke_is_replaced(port: int, origin: Origin) -> None:
    def once(wire: Wire, message: Message) -> bool:
        wire.send(answer(b"one"))
        return False

    origin.handler = once
    for _ in range(3):
        assert get(port, f"http://{origin.address}/").body == b"one"


def test_bodies(port: int, origin: Origin) -> None:
    body = b"x" * 300_000
    told = ask(port, f"POST http://{origin.address}/ HTTP/1.1\nHost: a\nContent-Length: {len(body)}", body).json()
    assert len(told["body"]) == len(body)
    head = f"POST http://{origin.address}/ HTTP/1.1\nHost: a\nTransfer-Encoding: chunked"
    assert ask(port, head, b"3\r\nabc\r\n0\r\n\r\n").json()["body"] == "abc"


def test_http_1_0(port: int, origin: Origin) -> None:
    assert ask(port, f"GET http://{origin.address}/ HTTP/1.0").json()["start"][2] == "HTTP/1.1"


@pytest.mark.parametrize(
    ("head", "status", "cause"),
    [
        ("GET / HTTP/1.1\nHost: a", 400, "not_for_a_proxy"),
        ("GET ftp://a.example/ HTTP/1.1\nHost: a", 501, "unknown_scheme"),
        ("GET http://u:p@a.example/ HTTP/1.1\nHost: a", 400, "bad_host"),
        ("GET http://127.0.0.1:25/ HTTP/1.1\nHost: a", 403, "egress_port"),
        ("CONNECT 127.0.0.1:25 HTTP/1.1\nHost: a", 403, "egress_port"),
        ("CONNECT 127.0.0.1 HTTP/1.1\nHost: a", 400, "bad_target"),
        ("CONNECT 127.0.0.1:70000 HTTP/1.1\nHost: a", 400, "bad_host"),
        ("CONNECT [fe80::1%25lo]:443 HTTP/1.1\nHost: a", 400, "bad_host"),
        ("CONNECT 127.0.0.1:443 HTTP/1.1\nHost: a\nContent-Length: 3", 400, "bad_request"),
        ("GET http://no-such-name.invalid/ HTTP/1.1\nHost: a", 502, "dns_failed"),
        ("CONNECT no-such-name.invalid:443 HTTP/1.1\nHost: a", 502, "dns_failed"),
        ("GET http://127.0.0.1:1025/ HTTP/1.1\nHost: a", 502, "connect_failed"),
    ],
)
def test_refusals_say_why(bascule: Bascule, head: str, status: int, cause: str) -> None:
    message = ask(bascule.port, head)
    assert message.status == status
    assert message["x-bascule-ref"]
    line = wait_for(lambda: [line for line in bascule.logged() if line["ref"] == message["x-bascule-ref"]], "the line")
    assert line[0]["cause"] == cause
    if cause == "dns_failed":
        assert b"no-such-name.invalid" in message.body
    if cause == "unknown_scheme":
        assert b"FTP" in message.body


# --- CONNECT


def tunnel(port: int, target: str) -> Wire:
    wire = connect(port)
    wire.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    assert wire.head().status == 200
    return wire


def test_what_follows_a_refused_connect_is_no_request(port: int, origin: Origin) -> None:
    """A client may send ahead what another made up: it is for the tunnel, and asks the proxy for nothing."""
    ahead = f"GET http://{origin.address}/ HTTP/1.1\r\nHost: a\r\n\r\n"
    for target in ("127.0.0.1:1", "127.0.0.1:25"):  # nobody listens there; a port that is not reached
        with connect(port) as wire:
            wire.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n{ahead}".encode())
            message = wire.response()
            assert (message.status >= 403, message["connection"]) == (True, "close")
            assert wire.rest() == b""
    assert origin.seen == []


@pytest.mark.parametrize("scheme", ["NTLM TlRMTVNTUAADAAAA", "Negotiate YII="])
def test_a_connection_that_was_logged_in_carries_nobody_elses_requests(port: int, scheme: str) -> None:
    with Origin() as intranet:
        url = f"http://{intranet.address}/"
        for fields, connections in (((), 1), ((f"Authorization: {scheme}",), 1), ((), 2), ((), 2)):
            assert get(port, url, *fields).status == 200
            assert intranet.connections == connections


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def test_tunnel_with_half_close_each_way(bascule: Bascule) -> None:
    with listening() as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with tunnel(bascule.port, address) as client, Wire(server.accept()[0]) as far:
            client.send(b"ping")
            assert far.exactly(4) == b"ping"
            client.end()
            assert far.rest() == b""
            far.send(b"late answer")
            far.end()
            assert client.rest() == b"late answer"
        with tunnel(bascule.port, address) as client, Wire(server.accept()[0]) as far:
            far.send(b"all")
            far.end()
            assert client.rest() == b"all"
            client.send(b"thanks")
            client.end()
            assert far.rest() == b"thanks"
    lines = wait_for(lambda: [line for line in bascule.logged() if line["host"] == address][1:], "the lines")
    assert (lines[0]["method"], lines[0]["status"], lines[0]["cause"]) == ("CONNECT", 200, "")
    assert (lines[0]["bytes_in"], lines[0]["bytes_out"]) == (6, 3)


def test_bytes_sent_ahead_reach_the_other_end(port: int) -> None:
    with listening() as server, connect(port) as client:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\nhello".encode())
        with Wire(server.accept()[0]) as far:
            assert far.exactly(5) == b"hello"
            assert client.head().status == 200


def test_a_slow_reader_stops_the_writer(bascule: Bascule) -> None:
    """Back-pressure: what the far end sends does not pile up in the proxy."""
    with listening() as server, tunnel(bascule.port, f"127.0.0.1:{server.getsockname()[1]}") as client:
        far, _ = server.accept()
        far.setblocking(False)
        sent, chunk = 0, bytes(1 << 20)
        with contextlib.suppress(BlockingIOError):
            while sent < 1 << 28:
                sent += far.send(chunk)
        before = bascule.memory()
        assert sent < 1 << 26
        assert bascule.memory() < before + (8 << 20)
        far.setblocking(True)
        far.shutdown(socket.SHUT_WR)
        assert len(client.rest()) == sent
        far.close()


def test_the_other_end_resets(port: int) -> None:
    with listening() as server, tunnel(port, f"127.0.0.1:{server.getsockname()[1]}") as client:
        far, _ = server.accept()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        assert client.at_end()


# --- SOCKS


@pytest.mark.parametrize("scheme", ["http", "socks4", "socks4a", "socks5", "socks5h"])
def test_curl(port: int, origin: Origin, scheme: str) -> None:
    curl = require_program("curl")
    done = subprocess.run(
        [curl, "-sS", "--max-time", "20", "-x", f"{scheme}://127.0.0.1:{port}", f"http://{origin.address}/{scheme}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert f'"/{scheme}"' in done.stdout, done.stderr


def test_socks_refusals(bascule: Bascule) -> None:
    with connect(bascule.port) as wire:
        wire.send(b"\x05\x01\x00\x05\x01\x00\x03\x14no-such-name.invalid\x00\x50")
        assert wire.exactly(4) == b"\x05\x00\x05\x04"
    with connect(bascule.port) as wire:
        wire.send(b"\x04\x01\x00\x19\x7f\x00\x00\x01\x00")  # port 25
        assert wire.rest() == b"\x00\x5b" + bytes(6)
    with connect(bascule.port) as wire:
        wire.send(b"\x05\x01\x00\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50")  # UDP ASSOCIATE
        assert wire.rest()[:4] == b"\x05\x00\x05\x07"
    with connect(bascule.port) as wire:
        wire.send(b"\x05\x01\x00\x05\x01\x00\x03\x01\xff\x00\x50")
        assert wire.rest()[:4] == b"\x05\x00\x05\x01"
    with connect(bascule.port) as wire:
        wire.send(b"\x05" + b"\xff" * 2000)
        assert wire.at_end() or wire.rest() == b"\x05\xff"
    wanted = {"egress_port", "bad_socks", "dns_failed"}
    wait_for(lambda: wanted <= {line["cause"] for line in bascule.logged()}, "the lines")


# --- TLS at the proxy, TLS through it, WebSocket


def test_tls_to_the_proxy_and_through_it_beside_sites(origin: Origin, tmp_path: Path) -> None:
    curl = require_program("curl")
    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    listen = {"address": "127.0.0.1:0", "tls": {"certificates": [{"cert": pair.cert, "key": pair.key}]}}
    config = {
        "listen": ["127.0.0.1:0"],
        "sites": {"*": origin.address},
        "forward": {**FORWARD, "listen": [listen]},
    }
    with Origin(context=context) as secure, Bascule(config) as program:
        site, proxy = program.ports
        ca = ["--proxy-cacert", str(authority.path), "--cacert", str(authority.path)]
        done = subprocess.run(
            [curl, "-sS", "--max-time", "20", *ca, "-x", f"https://127.0.0.1:{proxy}", f"https://{secure.address}/tls"],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert '"/tls"' in done.stdout, done.stderr
        assert get(site, f"http://{secure.address}/x").json()["start"][1] == "/x"  # its own server: no open proxy


def test_https_urls_are_verified(bascule: Bascule, port: int, tmp_path: Path) -> None:
    """``GET https://...`` asks the proxy itself to speak TLS: never to somebody who cannot prove who it is."""
    pair = Authority(tmp_path).issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with Origin(context=context) as origin:
        message = get(port, f"https://{origin.address}/unproven")
        found = wait_for(lambda: [line for line in bascule.logged() if line["target"] == "/unproven"], "the line")
    assert (message.status, found[0]["version"]) == (502, "HTTPS")
    assert b"could not prove who it is" in message.body


def test_websocket(port: int, origin: Origin) -> None:
    def switch(wire: Wire, message: Message) -> bool:
        assert message["upgrade"] == "websocket"
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        wire.send(wire.exactly(4).upper())
        return False

    origin.handler = switch
    with connect(port) as wire:
        fields = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
        wire.send(f"GET http://{origin.address}/ HTTP/1.1\r\n{fields}\r\n".encode())
        assert wire.head().status == 101
        wire.send(b"ping")
        assert wire.exactly(4) == b"PING"


# --- what must not be


def test_loops_are_broken(bascule: Bascule) -> None:
    message = get(bascule.port, f"http://127.0.0.1:{bascule.port}/")
    assert message.status == 508
    assert ask(bascule.port, f"CONNECT localhost:{bascule.port} HTTP/1.1\nHost: a").status == 508


@pytest.fixture(scope="module")
def other() -> Iterator[Bascule]:
    """A proxy that names itself, does not speak SOCKS 4, and ends idle tunnels soon."""
    forward = {**FORWARD, "privacy": "off", "protocols": ["http", "socks5"], "timeouts": {"response_idle": "500ms"}}
    with Bascule({"forward": forward}) as program:
        yield program


def test_loops_over_other_proxies_are_known_by_via(other: Bascule, origin: Origin) -> None:
    told = get(other.port, f"http://{origin.address}/").json()
    (via,) = [value for name, value in told["fields"] if name == "via"]
    assert get(other.port, f"http://{origin.address}/", f"Via: 1.1 other, {via}").status == 508
    assert get(other.port, f"http://{origin.address}/", "Via: 1.1 other").status == 200


def test_what_requests_tell_of_the_client(bascule: Bascule, other: Bascule, origin: Origin) -> None:
    fields = (
        "From: me@a.example",
        "X-UIDH: 1",
        "Sec-CH-UA-Model: m",
        "User-Agent: odd/1",
        "Referer: http://a/",
        "X: y",
    )
    strict = {**FORWARD, "privacy": "strict", "headers": {"request": {"set": {"Accept-Language": "de"}}}}
    with Bascule({"forward": strict, "access_log": {"path": "-"}}) as program:
        told = [
            dict(get(proxy.port, f"http://{origin.address}/", *fields).json()["fields"])
            for proxy in (other, bascule, program)
        ]
        (line,) = wait_for(program.logged, "the line")
    off, standard, most = told
    assert {"from", "x-uidh", "via", "referer"} <= off.keys()
    assert {"from", "x-uidh", "via"}.isdisjoint(standard)
    assert (standard["user-agent"], standard["referer"], standard["x"]) == ("odd/1", "http://a/", "y")
    assert most.keys() == {"host", "x", "user-agent", "accept-language", "sec-gpc"}
    assert "Firefox" in most["user-agent"]
    assert most["accept-language"] == "de"
    assert (line["user_agent"], line["referer"]) == ("odd/1", "http://a/")  # the log knows what was said


def test_only_the_protocols_that_are_wished(other: Bascule) -> None:
    with connect(other.port) as wire:
        wire.send(b"\x04\x01\x20\x00\x7f\x00\x00\x01\x00")
        assert wire.at_end()


def test_idle_tunnels_end(other: Bascule, origin: Origin) -> None:
    with tunnel(other.port, origin.address) as client:
        assert client.at_end()


def test_inside_addresses_are_refused_after_the_name_is_resolved(origin: Origin) -> None:
    with Bascule({"forward": {"listen": ["127.0.0.1:0"]}, "access_log": {"path": "-"}}) as program:
        for host in ("127.0.0.1", "localhost", "[::1]", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"):
            message = get(program.port, f"http://{host}:{origin.port}/")
            assert message.status == 403, host
            assert b"private or reserved" in message.body
            assert ask(program.port, f"CONNECT {host}:{origin.port} HTTP/1.1\nHost: a").status == 403
        lines = wait_for(lambda: program.logged()[13:], "the lines")
        assert {line["cause"] for line in lines} == {"egress_private"}
    assert origin.seen == []


def test_strangers_are_refused(port: int, origin: Origin) -> None:
    with connect(port, source="127.0.0.2") as wire:
        wire.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert wire.response().status == 403
    with connect(port, source="127.0.0.2") as wire:
        wire.send(b"\x04\x01\x20\x00\x7f\x00\x00\x01\x00")
        assert wire.rest() == b"\x00\x5b" + bytes(6)
    assert origin.seen == []
