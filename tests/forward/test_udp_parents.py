"""UDP ASSOCIATE through SOCKS 5 parents: another Bascule, Dante, and one that is scripted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
import socks
from passlib.hash import apr_md5_crypt

from bascule.forward.socks_udp import associated, unwrap
from bascule.forward.uplinks import MOST, _relay_address
from tests.forward.test_udp import Associated, Echo, echo
from tests.support.dante import dante
from tests.support.program import Bascule, wait_for

__all__ = ["echo"]

FORWARD = {"listen": ["127.0.0.1:0"], "allow_private": True, "udp": {}}
LOGIN = {"user": "bascule", "password": "hop secret"}


def through(*way: str, parents: dict[str, Any], **more: Any) -> dict[str, Any]:
    ways = [{"through": list(way)}]
    return {"access_log": {"path": "-"}, "forward": {**FORWARD, "parents": parents, "ways": ways, **more}}


def socks5(port: int, **more: Any) -> dict[str, Any]:
    return {"servers": [f"socks5://127.0.0.1:{port}"], **more}


@pytest.fixture(scope="module")
def upper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bascule]:
    users = tmp_path_factory.mktemp("upper") / "users"
    users.write_text(f"bascule:{apr_md5_crypt.hash('hop secret')}\n")
    forward = {**FORWARD, "auth": {"users": str(users)}, "udp": {"idle": "20s"}}
    with Bascule({"access_log": {"path": "-"}, "forward": forward}) as program:
        yield program


class Parent:
    """Speaks SOCKS 5 as told: `code` answers UDP ASSOCIATE, `told` is where its relay says it is.

    One that does not `stay` gives its relay up as soon as it is told. `number` is told in place of its relay's port.
    """

    def __init__(self, code: int = 0, told: str = "0.0.0.0", stays: bool = True, number: int | None = None) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.relay.bind(("127.0.0.1", 0))
        self.relay.settimeout(30)
        self.code, self.told, self.stays = code, told, stays
        self.number = self.relay.getsockname()[1] if number is None else number
        self.controls: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                control = self.server.accept()[0]
            except OSError:
                return
            control.recv(100)
            control.sendall(b"\x05\x00")
            assert control.recv(100)[:3] == b"\x05\x03\x00"
            answer = associated(self.told, self.number)
            self.controls.append(control)  # before the answer, which a datagram may follow at once
            control.sendall(answer if not self.code else bytes((5, self.code)) + answer[2:])
            if not self.stays:
                control.close()

    def asked(self) -> tuple[bytes, int, bytes, Any]:
        """What comes next: host, port and content, and from where."""
        datagram, origin = self.relay.recvfrom(65535)
        return *unwrap(datagram), origin

    def __enter__(self) -> Parent:
        return self

    def __exit__(self, *_error: object) -> None:
        for sock in (self.server, self.relay, *self.controls):
            sock.close()


def test_through_another_bascule_with_a_login(upper: Bascule, echo: Echo) -> None:
    with Bascule(through("up", parents={"up": socks5(upper.port, **LOGIN)})) as program:
        with closing(socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
            sock.set_proxy(socks.SOCKS5, "127.0.0.1", program.port)
            sock.bind(("127.0.0.1", 0))
            query = dns.message.make_query("name.test", "A")
            reply = dns.query.udp(query, "127.0.0.1", 10, echo.port, sock=sock)
            assert "192.0.2.7" in reply.answer[0].to_text()
        with Associated(program.port) as client:
            assert client.ask(b"by address", echo.port) == b"BY ADDRESS"
            assert client.ask(b"by name", echo.port, "localhost") == b"BY NAME"
        lines = wait_for(lambda: [x for x in program.logged() if x["method"] == "UDP"][2:], "the lines")
        assert (lines[0]["status"], lines[0]["server"]) == (200, f"http://127.0.0.1:{upper.port}")
    seen = wait_for(lambda: [x for x in upper.logged() if x["method"] == "UDP"][2:], "the parent's lines")
    assert {line["user"] for line in seen} == {"bascule"}
    assert f"localhost:{echo.port}" in [line["host"] for line in upper.logged()]  # names are the parent's to resolve


def test_through_dante(echo: Echo, tmp_path: Path) -> None:
    with (
        dante(tmp_path, udp=False) as refuses,
        dante(tmp_path) as port,
        Bascule(through("no", "up", parents={"no": socks5(refuses), "up": socks5(port)})) as program,
        Associated(program.port) as client,
    ):
        assert client.ask(b"by address", echo.port) == b"BY ADDRESS"
        assert client.ask(b"by name", echo.port, "localhost") == b"BY NAME"
        assert client.ask(b"x" * 20_000, echo.port) == b"X" * 20_000


def test_a_wrong_password_and_http_parents_carry_nothing(upper: Bascule, echo: Echo) -> None:
    parents = {"up": socks5(upper.port, user="bascule", password="wrong"), "http": f"http://127.0.0.1:{upper.port}"}
    with Bascule(through("http", "up", "direct", parents=parents)) as program:
        with Associated(program.port) as client:
            client.send(b"never straight", echo.port)
            assert client.silent()
        lines = wait_for(lambda: [x for x in program.logged() if x["method"] == "UDP"], "a line")
        assert lines[0]["cause"] == "parent_authentication"
    assert not [data for data, _ in echo.seen if data == b"never straight"]


def test_the_next_parent_or_the_straight_way(echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    with Parent(code=7) as refuses, Parent(number=0) as tells_no_port, Parent() as works:
        parents = {
            "gone": socks5(nobody),
            "no": socks5(refuses.port),
            "nowhere": socks5(tells_no_port.port),
            "yes": socks5(works.port),
        }
        way = through("gone", "no", "nowhere", "yes", parents=parents)
        with Bascule(way) as program, Associated(program.port) as client:
            client.send(b"hello", echo.port)
            assert works.asked()[:3] == (b"127.0.0.1", echo.port, b"hello")
        with (
            Bascule(through("gone", "direct", parents={"gone": socks5(nobody)})) as program,
            Associated(program.port) as client,
        ):
            assert client.ask(b"straight", echo.port) == b"STRAIGHT"


def test_policy_holds_before_a_parent_is_told(echo: Echo) -> None:
    rules = [{"deny": {"domain": "denied.test"}}, {"deny": {"ip": "127.0.0.3"}}]
    with (
        Parent() as up,
        Bascule(through("up", parents={"up": socks5(up.port)}, rules=rules)) as program,
        Associated(program.port) as client,
    ):
        for host, port in (("denied.test", 443), ("127.0.0.3", 443), ("127.0.0.1", 25)):
            client.send(b"denied", port, host)
        client.send(b"allowed", 443)
        assert up.asked()[:3] == (b"127.0.0.1", 443, b"allowed")


def test_only_the_relay_and_whom_it_was_asked_for_may_answer(echo: Echo) -> None:
    with (
        Parent() as up,
        Bascule(through("up", parents={"up": socks5(up.port)})) as program,
        Associated(program.port) as client,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger,
    ):
        client.send(b"by name", 5353, "only-there.invalid")
        host, port, _, uplink = up.asked()
        assert (host, port) == (b"only-there.invalid", 5353)
        client.send(b"by address", 5353)
        *_, other = up.asked()
        assert other != uplink
        good = associated("192.0.2.1", 5353).replace(b"\x05", b"\0", 1)
        stranger.sendto(good + b"from a stranger", uplink)
        up.relay.sendto(good + b"not asked", other)
        up.relay.sendto(good[:2] + b"\x01" + good[3:] + b"fragment", uplink)
        up.relay.sendto(b"\0\0\0\x09junk", uplink)
        up.relay.sendto(good + b"right", uplink)
        assert unwrap(client.sock.recv(65535)) == (b"192.0.2.1", 5353, b"right")
        assert client.silent()


def test_it_ends_with_either_control_connection(echo: Echo) -> None:
    with (
        Parent() as up,
        Bascule(through("up", parents={"up": socks5(up.port)})) as program,
    ):
        with Associated(program.port) as client:
            client.send(b"first", 5353)
            up.asked()
            assert len(up.controls) == 1
        up.controls[0].settimeout(30)
        with suppress(ConnectionResetError):
            assert up.controls[0].recv(1) == b""
        with Associated(program.port) as client:
            client.send(b"second", 5353)
            *_, before = up.asked()
            up.controls[1].close()  # at once: it rests, and nothing is sent to its relay
            wait_for(lambda: _is_free(before), "the end of the relay's other end")
            client.send(b"third", 5353)
            up.relay.settimeout(0.3)
            with pytest.raises(TimeoutError):
                up.asked()


def test_a_relay_that_is_given_up_at_once_is_not_sent_to_for_ever() -> None:
    """Told and ended in one go, it has ended before who waits for it hears that it is there."""
    with Parent(stays=False) as hasty, Parent() as works:
        parents = {"hasty": socks5(hasty.port), "works": socks5(works.port)}
        with Bascule(through("hasty", "works", parents=parents)) as program:
            works.relay.settimeout(0.1)
            for number in range(3):
                with Associated(program.port) as client:
                    wait_for(lambda: _arrives(client, works, b"%d" % number), f"the next parent, try {number}")  # noqa: B023


def test_many_names_take_few_relays() -> None:
    with (
        Parent() as up,
        Bascule(through("up", parents={"up": socks5(up.port)})) as program,
        Associated(program.port) as client,
    ):
        for number in range(MOST + 8):
            client.send(b"%d" % number, 5353, f"n{number}.test")
            assert up.asked()[:3] == (b"n%d.test" % number, 5353, b"%d" % number)
        wait_for(lambda: sum(map(_stands, up.controls)) == MOST, "the relays not used for longest to end")
        assert not _stands(up.controls[0])
        client.send(b"again", 5353, "n0.test")  # gets another
        assert up.asked()[:3] == (b"n0.test", 5353, b"again")


def _stands(control: socket.socket) -> bool:
    control.setblocking(False)
    try:
        return bool(control.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _arrives(client: Associated, parent: Parent, content: bytes) -> bool:
    client.send(content, 5353)
    with suppress(TimeoutError):
        return parent.asked()[2] == content
    return False


def _is_free(place: tuple[str, int]) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind(place)
        except OSError:
            return False
        return True


@pytest.mark.parametrize(
    ("told", "parent", "used"),
    [
        (b"0.0.0.0", "192.0.2.1", "192.0.2.1"),
        (b"[::]", "2001:db8::1", "2001:db8::1"),
        (b"9.9.9.9", "8.8.8.8", "9.9.9.9"),
        (b"10.0.0.5", "8.8.8.8", "8.8.8.8"),  # behind its NAT
        (b"127.0.0.1", "10.0.0.1", "10.0.0.1"),  # our own loopback
        (b"10.0.0.5", "10.0.0.1", "10.0.0.5"),
        (b"127.0.0.2", "127.0.0.1", "127.0.0.2"),
        (b"[2600::1]", "8.8.8.8", "8.8.8.8"),  # not to be reached from where we speak
    ],
)
def test_where_the_relay_is(told: bytes, parent: str, used: str) -> None:
    assert _relay_address(told, parent) == used
