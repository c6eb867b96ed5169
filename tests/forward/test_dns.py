"""Names by DNS over HTTPS and over TLS, nothing by the system; and the addresses that destinations see."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from bascule.config.egress import Outgoing
from bascule.forward.outgoing import OutgoingAddresses
from tests.forward.test_protocols import FORWARD, ask, get
from tests.support.certs import Authority
from tests.support.clients import Message, Wire, connect
from tests.support.origins import Origin
from tests.support.program import Bascule
from tests.support.programs import require_program


class Dns:
    """A resolver over HTTPS and over TLS: it knows the names of `records`; `asked` are the names that came."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        pair = authority.issue("127.0.0.1", "resolver.test")
        self.ca = authority.path
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair.cert, pair.key)
        self.records: dict[str, list[tuple[str, str]]] = {}
        self.asked: list[str] = []
        self.links = 0
        self.change: Callable[[bytes], bytes] = lambda wire: wire

    def answer(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        assert len(wire) % 128 == 0
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.asked.append(name)
        response = dns.message.make_response(query)
        known = self.records.get(name)
        if known is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        at = question.name.to_text()
        for type_, value in known or ():
            if type_ in (kind, "CNAME"):
                response.answer.append(dns.rrset.from_text(at, 60, "IN", type_, value))
                at = value
        return self.change(response.to_wire())

    def over_http(self, wire: Wire, message: Message) -> bool:
        assert message.start[:2] == ("POST", "/dns-query")
        assert message["content-type"] == "application/dns-message"
        body = self.answer(wire.read_body(message).body)
        wire.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: %d\r\nX-Last: 1\r\n\r\n"
            % len(body)
            + body
        )
        return True

    def over_tls(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, Exception), Wire(self.context.wrap_socket(sock, server_side=True)) as wire:
            self.links += 1
            while True:
                answer = self.answer(wire.exactly(int.from_bytes(wire.exactly(2), "big")))
                wire.send(len(answer).to_bytes(2, "big") + answer)


@pytest.fixture
def resolver(tmp_path: Path) -> Dns:
    return Dns(tmp_path)


@contextlib.contextmanager
def serving(resolver: Dns, way: str) -> Iterator[dict[str, Any]]:
    """The `dns` of a configuration, with the server behind it."""
    if way == "https":
        with Origin(resolver.over_http, context=resolver.context) as origin:
            yield {"servers": [f"https://{origin.address}/dns-query"], "ca": resolver.ca}
        return
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=resolver.over_tls, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        url = f"tls://resolver.test:{server.getsockname()[1]}"
        yield {"servers": [{"url": url, "address": "127.0.0.1"}], "ca": resolver.ca}
        server.shutdown(socket.SHUT_RDWR)


def config(dns: Any, **more: Any) -> dict[str, Any]:
    return {"forward": {**FORWARD, "dns": dns, **more}, "access_log": {"path": "-"}}


@pytest.mark.parametrize("way", ["https", "tls"])
def test_names_are_resolved_there_and_nowhere_else(resolver: Dns, way: str, origin: Origin, tmp_path: Path) -> None:
    """strace sees every connection of the worker: none goes to port 53 or to a resolver's socket."""
    strace = require_program("strace")
    resolver.records = {
        "here.test": [("CNAME", "there.test."), ("A", "127.0.0.1")],
        "nothing.test": [],
    }
    with serving(resolver, way) as dns, Bascule(config(dns)) as program:
        log = tmp_path / "calls"
        pids = [argument for pid in program.children() for argument in ("-p", str(pid))]
        trace = subprocess.Popen(
            [strace, "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg,openat", "-o", str(log), *pids],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert trace.stderr
        for _ in range(len(program.children())):
            assert "attached" in trace.stderr.readline()
        for number in range(3):
            assert get(program.port, f"http://here.test:{origin.port}/{number}").json()["start"][1] == f"/{number}"
        assert get(program.port, f"http://localhost:{origin.port}/").status == 200
        for name in ("absent.test", "nothing.test", "intranet", "printer.local", "secret.onion"):
            message = get(program.port, f"http://{name}:{origin.port}/")
            assert message.status == 502, name
            assert b"no address" in message.body
        trace.send_signal(signal.SIGINT)
        trace.wait(30)
        trace.stderr.close()
    calls = log.read_text()
    assert re.search(rf"connect\(.*sin_port=htons\({origin.port}\)", calls)
    assert not re.search(r"htons\(53\)|htons\(5353\)|nscd|resolve1|resolv\.conf|/etc/hosts", calls)
    assert set(resolver.asked) == {"here.test", "absent.test", "nothing.test"}
    if way == "tls":
        assert resolver.links <= 4  # connections are used again


def test_answers_are_judged_like_any_other(resolver: Dns, origin: Origin) -> None:
    resolver.records = {"rebound.test": [("A", "127.0.0.1")], "mapped.test": [("A", "169.254.169.254")]}
    with serving(resolver, "https") as dns, Bascule({"forward": {"listen": ["127.0.0.1:0"], "dns": dns}}) as program:
        for name in resolver.records:
            assert get(program.port, f"http://{name}:{origin.port}/").status == 403
            assert ask(program.port, f"CONNECT {name}:{origin.port} HTTP/1.1\nHost: a").status == 403
    assert origin.seen == []


def test_who_cannot_prove_who_it_is_and_answers_to_other_questions(
    resolver: Dns, origin: Origin, tmp_path: Path
) -> None:
    resolver.records = {"here.test": [("A", "127.0.0.1")], "other.test": [("A", "127.0.0.1")]}
    url = f"http://here.test:{origin.port}/"
    (tmp_path / "stranger").mkdir()
    with serving(resolver, "https") as dns:
        with Bascule(config({**dns, "ca": Authority(tmp_path / "stranger").path})) as program:
            assert get(program.port, url).status == 502
        assert resolver.asked == []
        with Bascule(config({**dns, "servers": ["tls://127.0.0.1:1", *dns["servers"]]})) as program:
            assert get(program.port, url).status == 200  # the next one answers
        resolver.change = lambda wire: wire.replace(b"\x04here", b"\x04hare")
        with Bascule(config(dns)) as program:
            assert get(program.port, url).status == 502
        resolver.change = lambda wire: wire[:20]
        with Bascule(config(dns)) as program:
            assert get(program.port, url).status == 502


# --- where from


def test_where_requests_leave_from() -> None:
    chosen = OutgoingAddresses(Outgoing.model_validate({"addresses": ["192.0.2.1", "192.0.2.2", "2001:db8::1"]}))
    by_user = {user: chosen.source(user, "a.example") for user in ("anna", "ben", "cleo", "dora")}
    assert {source.four for source in by_user.values()} == {"192.0.2.1", "192.0.2.2"}
    assert all(chosen.source(user, "b.example") == source for user, source in by_user.items())
    assert by_user["anna"].to("2001:db8::2") == "2001:db8::1"
    only_four = OutgoingAddresses(Outgoing.model_validate("192.0.2.1"))
    assert only_four.source("anna", "a").to("2001:db8::2") == ""
    turns = OutgoingAddresses(
        Outgoing.model_validate({"addresses": ["192.0.2.1", "192.0.2.2"], "rotate": "connection"})
    )
    assert [turns.source("anna", "a").four for _ in range(4)] == ["192.0.2.1", "192.0.2.2"] * 2


@pytest.mark.parametrize("rotate", ["user", "destination", "connection"])
def test_destinations_see_the_chosen_addresses(rotate: str) -> None:
    seen: list[str] = []

    def tell(wire: Wire, message: Message) -> bool:
        seen.append(wire.sock.getpeername()[0])
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return rotate != "connection"

    forward = {
        **FORWARD,
        "clients": "127.0.0.0/8",
        "outgoing": {"addresses": ["127.0.0.21", "127.0.0.22"], "rotate": rotate},
    }
    with Origin(tell) as origin, Bascule({"forward": forward}) as program:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4") * 2:
            with connect(program.port, source=source) as wire:
                wire.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert wire.response().status == 200
    assert set(seen) <= {"127.0.0.21", "127.0.0.22"}
    if rotate == "user":
        assert seen[:4] == seen[4:]
        assert len(set(seen)) == 2
    else:
        assert len(set(seen)) == (1 if rotate == "destination" else 2)
