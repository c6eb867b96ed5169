"""Over what it speaks: TLS on both sides, UNIX sockets on both sides, the PROXY protocol towards servers."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bascule.http.proxy_protocol import parse
from tests.support.certs import Authority
from tests.support.clients import Message, Wire, ask, connect, request, reset
from tests.support.origins import Origin, always, answer, mirror
from tests.support.program import PATIENCE, Bascule, wait_for

MIB = 1 << 20


class World:
    """Servers over TLS and at a UNIX socket; listeners of every kind."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.authority = Authority(folder)
        pair = self.authority.issue("inner.test", "127.0.0.1")
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(pair.cert, pair.key)
        self.names: list[str | None] = []
        server.sni_callback = lambda sock, name, context: self.names.append(name)
        self.plain = stack.enter_context(Origin())
        self.secure = stack.enter_context(Origin(context=server))
        self.headed = Headed(stack.enter_context(socket.create_server(("127.0.0.1", 0))), server)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.path = f"/tmp/b-{probe.getsockname()[1]}"
        self.unix = stack.enter_context(Origin(path=self.path + ".origin"))
        stack.callback(Path(self.path + ".origin").unlink)
        self.bascule = stack.enter_context(Bascule(self.config(folder)))
        self.port, self.secure_port = self.bascule.ports[:2]
        self.context = ssl.create_default_context(cafile=self.authority.path)

    def config(self, folder: Path) -> dict[str, Any]:
        site = self.authority.issue("front.test")
        secure = f"https://{self.secure.address}"
        tls = {"ca": self.authority.path, "server_name": "inner.test"}
        once = {"attempts": 0}

        def to(address: str, **more: Any) -> dict[str, Any]:
            return {"routes": {"/": {"servers": [address], "retries": once, **more}}}

        return {
            "timeouts": {"connect": 60},
            "listen": [
                "127.0.0.1:0",
                {"address": "127.0.0.1:0", "tls": {"public_port": 8443}},
                f"unix:{self.path}.front",
            ],
            "sites": {
                "site.test": self.plain.address,
                "front.test": {
                    "tls": {"cert": site.cert, "key": site.key, "hsts": "365d", "hsts_subdomains": True},
                    **to(self.plain.address),
                },
                "verified.test": to(secure, tls=tls),
                "unknown-ca.test": to(secure),
                "wrong-name.test": to(secure, tls={**tls, "server_name": "other.test"}),
                "unverified.test": to(secure, tls={"verify": False}),
                "secure-v1.test": to(f"https://{self.headed.address}", tls=tls, proxy_protocol="v1"),
                "secure-v2.test": to(f"https://{self.headed.address}", tls=tls, proxy_protocol="v2"),
                "silent.test": {
                    "timeouts": {"connect": 0.3},
                    **to(f"https://{self.headed.address}", tls=tls, proxy_protocol="v2"),
                },
                "unix.test": to(f"unix:{self.path}.origin"),
                "v1.test": to(self.headed.address, proxy_protocol="v1"),
                "v2.test": to(self.headed.address, proxy_protocol="v2"),
            },
        }


class Headed:
    """A server whose connections begin with a PROXY header, perhaps before TLS; each gets one answer."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._context = context
        self.address = f"127.0.0.1:{sock.getsockname()[1]}"

    def serve(self, secure: bool) -> tuple[str, int]:
        """Answer one connection; return the source that its header told."""
        sock, _ = self._sock.accept()
        sock.settimeout(PATIENCE)
        data = b""
        while not (parsed := parse(data)):
            data += sock.recv(1)  # no byte of what follows
        with Wire(self._context.wrap_socket(sock, server_side=True) if secure else sock) as wire:
            wire.head()
            wire.send(answer(b"x"))
            assert wire.at_end()
        source = parsed[0].source
        assert source is not None
        return source.address.decode(), source.port

    def silence(self) -> socket.socket:
        """Accept a connection and say nothing."""
        return self._sock.accept()[0]


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, tmp_path_factory.mktemp("transports"))


@pytest.fixture
def world(_world: World) -> World:
    _world.plain.handler = _world.secure.handler = mirror
    return _world


def test_servers_over_tls(world: World) -> None:
    with connect(world.port) as wire:
        for _ in range(3):
            wire.send(request("/", "POST", "verified.test", body=b"x" * 100_000))
            assert wire.response().json()["body"] == "x" * 100_000
    assert "inner.test" in world.names
    assert ask(world.port, host="unverified.test").status == 200


@pytest.mark.parametrize("host", ["unknown-ca.test", "wrong-name.test"])
def test_a_server_that_is_not_who_it_should_be_is_not_spoken_to(world: World, host: str) -> None:
    world.secure.seen.clear()
    response = ask(world.port, host=host)
    assert response.status == 502
    assert not world.secure.seen
    assert b"inner.test" not in response.raw + response.body


def test_large_bodies_over_tls_on_both_sides(world: World) -> None:
    body = hashlib.shake_128(b"x").digest(8 * MIB)
    world.secure.handler = always(answer(body))
    with connect(world.secure_port, context=world.context, name="front.test") as wire:
        wire.send(request(host="verified.test"))
        assert wire.response().body == body
    world.plain.handler = always(answer(body))
    with connect(world.secure_port, context=world.context, name="front.test") as wire:
        for _ in range(2):
            wire.send(request("/", "POST", "front.test", body=body[:MIB]))
            assert wire.response().body == body


def test_a_response_over_tls_that_breaks_off_is_not_whole(world: World) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        reset(wire.sock)
        return False

    world.plain.handler = handle
    with connect(world.secure_port, context=world.context, name="front.test") as wire:
        wire.send(request(host="front.test"))
        assert wire.head().status == 200
        with pytest.raises(OSError):  # no close_notify: TLS tells truncation from an end
            wire.rest()


def test_who_speaks_no_tls_where_it_is_due_is_told_so(world: World) -> None:
    response = ask(world.secure_port, host="front.test")
    assert (response.status, response["connection"]) == (400, "close")
    assert response.body == b"400 Bad Request\nThis port speaks TLS: ask again with https://.\n"
    with connect(world.secure_port) as wire:
        wire.send(b"SSH-2.0-x\r\n")
        assert wire.at_end()


def test_transport_security_is_told_over_tls_only(world: World) -> None:
    with connect(world.secure_port, context=world.context, name="front.test") as wire:
        wire.send(request("/ok", host="front.test"))
        assert wire.response()["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        wire.send(request("/%00", host="front.test"))
        assert wire.response().status == 400
    response = ask(world.port, "/x?y", host="front.test")
    assert (response.status, response["location"]) == (308, "https://front.test:8443/x?y")
    assert response["strict-transport-security"] is None
    with connect(world.secure_port, context=world.context, name="front.test") as wire:
        wire.send(request(host="site.test"))
        assert wire.response()["strict-transport-security"] is None


def test_pipelining_over_tls(world: World) -> None:
    with connect(world.secure_port, context=world.context, name="front.test") as wire:
        wire.send(b"".join(request(f"/{number}", host="front.test") for number in range(50)))
        assert [wire.response().json()["start"][1] for _ in range(50)] == [f"/{number}" for number in range(50)]


def test_after_an_answer_that_did_not_wait_for_the_body_the_client_is_not_reset(world: World) -> None:
    """A reset would eat the answer on its way."""
    before = world.bascule.sockets()
    with connect(world.secure_port, context=world.context, name="front.test") as wire:
        wire.send(request("/%00", method="POST", host="front.test", content_length="800000"))
        assert wire.response().status == 400
        with socket.socket(fileno=os.dup(wire.sock.fileno())) as below:
            below.settimeout(PATIENCE)
            for _ in range(20):
                below.sendall(b"\x17\x03\x03\x40\x00" + bytes(16384))  # nobody decrypts it any more
            while below.recv(65536):
                pass
            below.shutdown(socket.SHUT_WR)
    wait_for(lambda: world.bascule.sockets() <= before, "it to be closed")


def test_unix_sockets_on_both_sides(world: World) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(world.path + ".front")
        wire = Wire(sock)
        for _ in range(3):
            wire.send(request(host="unix.test"))
            fields = dict(wire.response().json()["fields"])
            assert (fields["host"], fields["x-forwarded-for"]) == ("unix.test", "127.0.0.1")
    assert oct(Path(world.path + ".front").stat().st_mode)[-3:] == "660"


@pytest.mark.parametrize("host", ["v1.test", "v2.test", "secure-v1.test", "secure-v2.test"])
def test_the_proxy_protocol_towards_servers(world: World, host: str) -> None:
    """One client, one connection: a server must never take one client for another."""
    with connect(world.port, "127.0.0.5") as first, connect(world.port, "127.0.0.6") as second:
        for wire in (first, second, first):
            wire.send(request(host=host))
            assert world.headed.serve("secure" in host) == wire.sock.getsockname()
            assert wire.response().body == b"x"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def test_failed_connections_leave_nothing_behind(world: World) -> None:
    before = world.bascule.sockets()
    for _ in range(5):
        assert ask(world.port, host="unknown-ca.test").status == 502
        with connect(world.secure_port) as wire:
            wire.send(b"GET / HTTP/1.1\r\n\r\n")  # no TLS
            assert wire.rest().startswith(b"HTTP/1.1 400 ")
    with connect(world.port) as wire:
        wire.send(request(host="silent.test"))
        with world.headed.silence(), within(25):  # although another route to the same server has more patience
            assert wire.response().status == 504
            wait_for(lambda: world.bascule.sockets() <= before + 1, "the connection to the server to be closed")
    wait_for(lambda: world.bascule.sockets() <= before, "the sockets to be closed")
