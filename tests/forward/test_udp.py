"""UDP ASSOCIATE: by PySocks and dnspython, and datagram by datagram."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rrset
import pytest
import socks
from hypothesis import given
from hypothesis import strategies as st

from bascule.forward.socks import SocksError
from bascule.forward.socks_udp import associated, unwrap, wrap
from tests.support.clients import connect
from tests.support.origins import Origin
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for


class Echo:
    """A UDP server: answers DNS queries with an address, anything else with the same in capitals."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.seen: list[tuple[bytes, Any]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                data, origin = self.sock.recvfrom(65535)
            except OSError:
                return
            self.seen.append((data, origin))
            self.sock.sendto(self._answer(data), origin)

    @staticmethod
    def _answer(data: bytes) -> bytes:
        if data[2:3] != b"\x01":
            return data.upper()
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        reply.answer = [dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.7")]
        return reply.to_wire()


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.sock.close()


def config(origin: Origin) -> dict[str, Any]:
    return {
        "forward": {
            "listen": ["127.0.0.1:0"],
            "allow_private": True,
            "udp": {"destinations": 2, "associations": 3},
            "rules": [{"deny": {"method": "UDP", "domain": "denied.test"}}, {"deny": {"ip": "127.0.0.3"}}],
        }
    }


class Associated:
    """An association, spoken byte by byte."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.control = connect(port)
        self.control.send(b"\x05\x01\x00" + b"\x05\x03\x00\x01" + bytes(6))
        assert self.control.exactly(2) == b"\x05\x00"
        self.code, *_ = self.control.exactly(4)[1:2]
        address, number = self.control.exactly(4), int.from_bytes(self.control.exactly(2), "big")
        self.relay = socket.inet_ntoa(address), number
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((source, 0))
        self.sock.settimeout(30)

    def __enter__(self) -> Associated:
        return self

    def __exit__(self, *_error: object) -> None:
        self.sock.close()
        self.control.sock.close()

    def send(self, content: bytes, port: int, host: str = "127.0.0.1", fragment: int = 0) -> None:
        self.sock.sendto(bytes((0, 0, fragment)) + _address(host) + port.to_bytes(2, "big") + content, self.relay)

    def ask(self, content: bytes, port: int, host: str = "127.0.0.1") -> bytes:
        self.send(content, port, host)
        host_, port_, answer = unwrap(self.sock.recv(65535))
        assert (host_, port_) == (b"127.0.0.1", port)
        return answer

    def silent(self) -> bool:
        """Whether nothing comes, once what follows has come."""
        self.sock.settimeout(0.2)
        try:
            return not self.sock.recv(65535)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(30)


def _address(host: str) -> bytes:
    try:
        return b"\x01" + socket.inet_aton(host)
    except OSError:
        return b"\x03" + bytes((len(host),)) + host.encode()


def test_by_pysocks_and_dnspython(port: int, echo: Echo) -> None:
    with closing(socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.set_proxy(socks.SOCKS5, "127.0.0.1", port)
        sock.bind(("127.0.0.1", 0))
        query = dns.message.make_query("name.test", "A")
        reply = dns.query.udp(query, "127.0.0.1", 10, echo.port, sock=sock)
        assert "192.0.2.7" in reply.answer[0].to_text()


def test_names_addresses_and_the_log(bascule: Bascule, echo: Echo) -> None:
    with Associated(bascule.port) as client:
        assert client.ask(b"by address", echo.port) == b"BY ADDRESS"
        assert client.ask(b"x" * 20_000, echo.port) == b"X" * 20_000
        assert client.ask(b"by name", echo.port, "localhost") == b"BY NAME"
    lines = wait_for(lambda: [line for line in bascule.logged() if line["host"] == f"localhost:{echo.port}"], "a line")
    assert (lines[0]["method"], lines[0]["bytes_in"], lines[0]["bytes_out"]) == ("UDP", 7, 7)
    assert [line["cause"] for line in bascule.logged() if line["method"] == "UDP-ASSOCIATE"][-1] == ""


def test_only_destinations_that_may_be_reached(bascule: Bascule, echo: Echo) -> None:
    with Associated(bascule.port) as client:
        client.send(b"to a name", echo.port, "denied.test")
        client.send(b"to an address", echo.port, "127.0.0.3")
        client.send(b"to a port", 25)
        client.send(b"to nothing", 0)
        assert client.ask(b"allowed", echo.port) == b"ALLOWED"
        assert client.silent()
    assert not [data for data, _ in echo.seen if data.startswith(b"to ")]
    wanted = {("denied.test", "egress_denied"), ("127.0.0.3", "egress_denied"), ("127.0.0.1:25", "egress_port")}
    wait_for(
        lambda: all(
            any(line["host"].startswith(host) and line["cause"] == cause for line in bascule.logged())
            for host, cause in wanted
        ),
        "the refusals",
    )


def test_inside_addresses_are_refused(echo: Echo) -> None:
    private = {"access_log": {"path": "-"}, "forward": {"listen": ["127.0.0.1:0"], "udp": {}}}
    with Bascule(private) as bascule, Associated(bascule.port) as client:
        client.send(b"inside by address", echo.port)
        client.send(b"inside by name", echo.port, "localhost")
        assert client.silent()
        client.control.sock.close()
        wait_for(lambda: len([x for x in bascule.logged() if x["cause"] == "egress_private"]) == 2, "the refusals")
    assert not [data for data, _ in echo.seen if data.startswith(b"inside")]


def test_only_the_client_and_whom_it_asked(port: int, echo: Echo) -> None:
    with Associated(port) as client, closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        client.ask(b"mine", echo.port)
        outside = echo.seen[-1][1]
        other.bind(("127.0.0.1", 0))
        other.sendto(b"\0\0\0" + _address("127.0.0.1") + echo.port.to_bytes(2, "big") + b"forged", client.relay)
        other.sendto(b"unasked", outside)  # to where the destination sees the relay
        assert client.ask(b"still mine", echo.port) == b"STILL MINE"
        assert client.silent()
    assert not [data for data, _ in echo.seen if data == b"forged"]
    with Associated(port, "127.0.0.2") as elsewhere:  # another address than that of the control connection
        elsewhere.send(b"from elsewhere", echo.port)
        assert elsewhere.silent()
    assert not [data for data, _ in echo.seen if data == b"from elsewhere"]


def test_fragments_and_junk_are_dropped(port: int, echo: Echo) -> None:
    with Associated(port) as client:
        client.send(b"fragment", echo.port, fragment=1)
        for junk in (b"", b"\0", b"\0\0\0", b"\0\0\0\x09abcdefgh", b"\0\0\0\x03\xffname", b"\x01\0\0" + bytes(20)):
            client.sock.sendto(junk, client.relay)
        assert client.ask(b"good", echo.port) == b"GOOD"
    assert not [data for data, _ in echo.seen if data == b"fragment"]


def test_destinations_and_associations_are_bounded(port: int, echo: Echo) -> None:
    second, third = Echo(), Echo()
    with Associated(port) as client, Associated(port) as two, Associated(port) as three:
        for server in (echo, second, third, echo):
            assert client.ask(b"hello", server.port) == b"HELLO"
        assert [two.code, three.code] == [0, 0]
        with Associated(port) as four:
            assert four.code == 1
    with wait_for(lambda: _works(Associated(port)), "a place"):
        pass
    for server in (second, third):
        server.sock.close()


def _works(client: Associated) -> Associated | None:
    if client.code == 0:
        return client
    client.__exit__()
    return None


@unless_stalled
def test_it_ends_with_the_control_connection_or_when_idle(port: int, echo: Echo) -> None:
    idle = {"forward": {"listen": ["127.0.0.1:0"], "allow_private": True, "udp": {"idle": "0.5s"}}}
    with Bascule(idle) as bascule, Associated(bascule.port) as client:
        assert client.ask(b"hello", echo.port) == b"HELLO"
        assert client.control.at_end()
    with Associated(port) as client:
        client.ask(b"hello", echo.port)
        client.control.end()
        assert client.control.at_end()
        client.send(b"after the end", echo.port)
        assert client.silent()
    assert not [data for data, _ in echo.seen if data == b"after the end"]


def test_quotas_count_datagrams(echo: Echo) -> None:
    quotas = {"little": {"bytes": 100}}
    forward = {"listen": ["127.0.0.1:0"], "allow_private": True, "udp": {}, "quotas": quotas}
    with Bascule({"forward": forward}) as bascule, Associated(bascule.port) as client:
        assert client.ask(b"x" * 40, echo.port) == b"X" * 40
        client.send(b"y" * 40, echo.port)
        client.send(b"z" * 40, echo.port)
        assert client.silent()


def test_off_by_default() -> None:
    with Bascule({"forward": {"listen": ["127.0.0.1:0"]}}) as bascule, connect(bascule.port) as wire:
        wire.send(b"\x05\x01\x00" + b"\x05\x03\x00\x01" + bytes(6))
        assert wire.exactly(4) == b"\x05\x00\x05\x07"


# --- The codec


def test_associated() -> None:
    assert associated("127.0.0.1", 258) == b"\x05\0\0\x01\x7f\0\0\x01\x01\x02"
    assert associated("::1", 1) == b"\x05\0\0\x04" + bytes(15) + b"\x01\0\x01"


@given(st.ip_addresses(), st.integers(0, 65535), st.binary())
def test_what_is_wrapped_is_unwrapped(address: Any, port: int, content: bytes) -> None:
    host, found, rest = unwrap(wrap(str(address), port, content))
    assert (ip_address(host.strip(b"[]").decode()), found, rest) == (address, port, content)


@given(st.binary())
def test_junk(data: bytes) -> None:
    try:
        _, port, content = unwrap(data)
    except SocksError:
        return
    assert data.endswith(content)
    assert 0 <= port < 65536
