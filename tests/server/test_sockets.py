"""Listening sockets: opening, sharing, matching, and errors that say what to do."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.config.schema import Listener
from bascule.server import sockets as room
from bascule.server.sockets import ListenError, Sockets, address_text, keyed


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    found = Sockets()
    yield found
    found.release(set())


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="b-") as path:
        yield Path(path)


def claim(sockets: Sockets, *addresses: str | dict[str, object]) -> list[socket.socket]:
    listeners = [Listener.model_validate(address) for address in addresses]
    return [sock for _listener, sock in sockets.claim((key, lis, None) for key, lis in keyed(listeners))]


def test_claimed_sockets_listen_and_do_not_block(sockets: Sockets) -> None:
    (sock,) = claim(sockets, "127.0.0.1:0")
    socket.create_connection(sock.getsockname()).close()
    assert not sock.getblocking()
    assert not os.get_inheritable(sock.fileno())


def test_same_address_keeps_its_socket_and_another_gets_its_own(sockets: Sockets) -> None:
    (first,) = claim(sockets, "127.0.0.1:0")
    again, other = claim(sockets, "127.0.0.1:0", "127.0.0.1:0")
    assert again is first
    assert other.getsockname() != first.getsockname()


def test_address_given_twice_is_refused() -> None:
    with pytest.raises(ListenError, match=r"listen 127\.0\.0\.1:80: the address is given twice"):
        keyed([Listener.model_validate("127.0.0.1:80"), Listener.model_validate("127.0.0.1:80")])


def test_released_sockets_are_closed_and_the_others_kept(sockets: Sockets) -> None:
    kept, gone = claim(sockets, "127.0.0.1:0", "127.0.0.1:0")
    sockets.release({"127.0.0.1:0"})
    assert (kept.fileno() >= 0, gone.fileno()) == (True, -1)


def test_all_or_none_are_opened(sockets: Sockets) -> None:
    with pytest.raises(ListenError):
        claim(sockets, "127.0.0.1:0", "192.0.2.1:80")
    assert sockets.export({"127.0.0.1:0"}) == {}


@pytest.mark.skipif(not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_both_families_can_have_the_same_port(sockets: Sockets) -> None:
    (four,) = claim(sockets, "0.0.0.0:0")
    port = four.getsockname()[1]
    (six,) = claim(sockets, f"[::]:{port}")
    assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_name_stands_for_the_families_the_machine_has(sockets: Sockets) -> None:
    assert claim(sockets, "localhost:0")


@pytest.mark.parametrize(
    ("error", "port", "remedy"),
    [
        (PermissionError(13, "Permission denied"), 80, "setcap cap_net_bind_service=+ep"),
        (PermissionError(13, "Permission denied"), 80, "socket activation"),
        (OSError(99, "Cannot assign"), 80, "no interface of this machine has that address"),
        (OSError(12, "Out of memory"), 80, "Out of memory"),
    ],
)
def test_errors_say_what_to_do(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, error: OSError, port: int, remedy: str
) -> None:
    class Refusing(socket.socket):
        def bind(self, _address: object) -> None:
            raise error

    monkeypatch.setattr(room.socket, "socket", Refusing)
    with pytest.raises(ListenError, match=remedy.replace("+", r"\+")):
        claim(sockets, f"127.0.0.1:{port}")


def test_address_in_use_is_told(sockets: Sockets) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=f"listen 127.0.0.1:{port}: another program listens there already"):
            claim(sockets, f"127.0.0.1:{port}")


def test_unresolvable_host_is_told(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(room.socket, "getaddrinfo", unknown)
    with pytest.raises(ListenError, match="listen nowhere:80: the host cannot be resolved: Name or service not known"):
        claim(sockets, "nowhere:80")


def test_unix_socket_has_its_mode_and_is_removed(sockets: Sockets, folder: Path) -> None:
    path = folder / "s"
    (sock,) = claim(sockets, {"address": f"unix:{path}", "mode": "606"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o606
    assert address_text(sock) == f"unix:{path}"
    sockets.release(set())
    assert not path.exists()


def test_stale_unix_socket_is_replaced(sockets: Sockets, folder: Path) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    claim(sockets, f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_unix_socket_in_use_or_another_file_is_not_touched(sockets: Sockets, folder: Path) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(ListenError, match="another program listens there already"):
            claim(sockets, f"unix:{path}")
    path.unlink()
    path.write_text("precious")
    with pytest.raises(ListenError, match="a file that is no socket is there"):
        claim(sockets, f"unix:{path}")
    assert path.read_text() == "precious"


def test_long_unix_path_is_told(sockets: Sockets, folder: Path) -> None:
    with pytest.raises(ListenError, match="at most 107 bytes"):
        claim(sockets, f"unix:{folder}/{'x' * 108}")


def test_abstract_unix_socket(sockets: Sockets) -> None:
    (sock,) = claim(sockets, f"unix:@bascule-test-{os.getpid()}")
    assert address_text(sock) == f"unix:@bascule-test-{os.getpid()}"


def test_sockets_of_systemd_serve_the_listeners_of_their_address_or_name(sockets: Sockets) -> None:
    by_address = socket.create_server(("127.0.0.1", 0))
    by_name = socket.create_server(("127.0.0.1", 0))
    port = by_address.getsockname()[1]
    there = by_address.getsockname(), by_name.getsockname()
    sockets.activate([(by_address.detach(), ""), (by_name.detach(), "192.0.2.1:80")])
    found = claim(sockets, f"127.0.0.1:{port}", "192.0.2.1:80")
    assert tuple(sock.getsockname() for sock in found) == there


def test_sockets_of_systemd_that_no_listener_has_are_told(sockets: Sockets, capfd: pytest.CaptureFixture[str]) -> None:
    used, left = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    used_text, left_text = (f"127.0.0.1:{sock.getsockname()[1]}" for sock in (used, left))
    sockets.activate([(used.detach(), "web"), (left.detach(), "spare")])
    claim(sockets, used_text)
    sockets.tell_unclaimed()
    (line,) = capfd.readouterr().err.splitlines()
    assert f"systemd opened {left_text}, but no `listen` names it" in line
    sockets.leave_only(())


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_dual_stack_socket_of_systemd_serves_the_ipv4_wildcard(sockets: Sockets) -> None:
    given = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    fd = given.detach()
    sockets.activate([(fd, "")])
    with socket.socket(fileno=os.dup(fd)) as copy:
        port = copy.getsockname()[1]
    (found,) = claim(sockets, f"0.0.0.0:{port}")
    assert found.fileno() == fd


def test_inherited_unix_sockets_keep_their_file_until_owned(sockets: Sockets, folder: Path) -> None:
    path = folder / "s"
    (old,) = claim(sockets, f"unix:{path}")
    heir = Sockets()
    heir.inherit({f"unix:{path}": [os.dup(old.fileno())]})
    heir.release(set())
    assert path.exists(), "a successor that failed leaves it"
    heir.inherit({f"unix:{path}": [os.dup(old.fileno())]})
    heir.own()
    sockets.disown({f"unix:{path}"})
    sockets.release(set())
    assert path.exists(), "the predecessor leaves it"
    heir.release(set())
    assert not path.exists()


def test_child_keeps_only_its_own(sockets: Sockets) -> None:
    mine, other = claim(sockets, "127.0.0.1:0", "127.0.0.1:0")
    sockets.leave_only([mine])
    assert (mine.fileno() >= 0, other.fileno()) == (True, -1)
