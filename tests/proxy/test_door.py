"""The door beside handshakes: what is over a limit in `detect` mode costs nobody its place, and what is refused no TLS."""

from __future__ import annotations

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.config.overload import Arrivals
from bascule.defence.arrivals import Gatekeeper
from bascule.defence.clients import ClientPrefix
from bascule.http.addresses import TrustedNetworks
from bascule.proxy.app import ProxyApp
from bascule.proxy.door import Door
from bascule.proxy.prelude import Prelude, TlsLink
from bascule.state.arena import Arena
from bascule.telemetry import causes
from bascule.telemetry.recorder import Recorder
from bascule.tls.filter import TlsFilter
from tests.telemetry.support import make_plan

HEADER = b"PROXY TCP4 192.0.2.9 192.0.2.1 4711 443\r\n"


class Transport:
    """A connection from the balancer."""

    def __init__(self) -> None:
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 4000), "socket": SimpleNamespace(setsockopt=lambda *_: None)}.get(
            name, default
        )

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing waits here."""

    def set_protocol(self, protocol: Any) -> None:
        """Nothing comes from here."""

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


class App:
    """What the door asks of an app whose workers may have one handshake in progress."""

    def __init__(self, mode: str) -> None:
        config = Arrivals.model_validate({"mode": mode, "handshakes_at_once": 1})
        self.now = 1000.0
        self.tls_handshake = 30.0
        self.limits = SimpleNamespace(connections_per_address=0)
        self.client_prefix = ClientPrefix()
        self.trusted = TrustedNetworks([ip_network("192.0.2.200/32")])
        self.arrivals = Gatekeeper(config, ClientPrefix(), {}, memoryview(bytearray(8)).cast("Q"), 0)
        nobody = TrustedNetworks(())
        self.counted: list[str] = []
        self.noted: list[str] = []
        reports = SimpleNamespace(count=lambda _, rule, decision: self.counted.append(decision))
        self.shield = SimpleNamespace(closes=False, allowed=nobody, trusted=self.trusted, reports=reports)
        self.recorder = Recorder(make_plan(), Arena(16 << 20), 0)
        self.draining = self.resting = False
        self.door = Door(cast(ProxyApp, self), None, 100)
        self.admit, self.forget = self.door.admit, self.door.forget

    def note(self, _address: bytes, _port: int, cause: str, _status: int) -> None:
        self.noted.append(cause)

    def silent(self) -> TlsLink:
        """Return a handshake that has lasted for longer than it may under pressure."""
        link = TlsLink(cast(ProxyApp, self), Contexts(), cast(Any, None), (("192.0.2.7", 4000), None))
        link.connection_made(cast(Any, Transport()))
        self.now += 3.0
        return link


class Contexts:
    """TLS that must not see a byte."""

    def filter(self) -> TlsFilter:
        return TlsFilter(cast(Any, None))


@pytest.mark.parametrize(("mode", "is_ended", "decisions"), [("block", True, []), ("detect", False, ["detect"])])
def test_only_who_enforces_makes_room(mode: str, is_ended: bool, decisions: list[str]) -> None:
    app = App(mode)
    silent = app.silent()
    newcomer = TlsLink(cast(ProxyApp, app), Contexts(), cast(Any, None), (("192.0.2.8", 4000), None))
    newcomer.connection_made(cast(Any, Transport()))
    assert silent.is_closing() is is_ended
    assert newcomer in app.door.clients
    assert app.counted == decisions


def test_a_handshake_that_is_refused_behind_a_proxy_header_is_not_begun() -> None:
    app = App("block")
    app.silent()
    app.now -= 2.5  # it has not lasted for long: it keeps its place
    transport = Transport()
    networks = TrustedNetworks((ip_network("127.0.0.0/8"),))
    prelude = Prelude(cast(ProxyApp, app), Contexts(), networks, cast(Any, None))
    prelude.connection_made(cast(Any, transport))
    prelude.data_received(HEADER + b"\x16\x03\x01")
    assert transport.closing
    assert app.counted == ["refuse"]


def test_who_finds_no_place_is_not_blamed_for_a_header_that_was_not_read_yet() -> None:
    app = App("block")
    app.admit = Door(cast(ProxyApp, app), None, 0).admit
    networks = TrustedNetworks((ip_network("127.0.0.0/8"),))
    prelude = Prelude(cast(ProxyApp, app), None, networks, cast(Any, None))
    prelude.connection_made(cast(Any, transport := Transport()))
    assert transport.closing
    assert app.noted == [causes.OVER_LIMIT_CONNECTIONS]


def test_tls_in_a_tunnel_is_a_handshake_but_no_new_connection() -> None:
    class Within(TlsLink):
        __slots__ = ()
        within = True

    app = App("block")
    seen = []
    app.arrivals = cast(Any, SimpleNamespace(
        detect=False, fits=True, over=lambda _address, _now, *counted: seen.append(counted) or "",
        begin_handshake=lambda: True, end_handshake=lambda: None,
    ))  # fmt: skip
    for kind in (TlsLink, Within):
        kind(cast(ProxyApp, app), Contexts(), cast(Any, None), (("192.0.2.7", 4000), None)).connection_made(
            cast(Any, Transport())
        )
    assert seen == [(True, True), (False, True)]


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    app = App("detect")
    app.limits.connections_per_address = 2
    app.door = Door(cast(ProxyApp, app), None, 100)
    app.admit, app.forget = app.door.admit, app.door.forget
    links = []
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"):
        link = TlsLink(cast(ProxyApp, app), Contexts(), cast(Any, None), ((address, 4000), None))
        link.connection_made(cast(Any, transport := Transport()))
        links.append((link, transport.closing))
    assert [closing for _, closing in links] == [False, False, True, False]
    app.forget(links[0][0])
    assert app.admit(links[2][0])


def test_a_trusted_proxy_is_no_client() -> None:
    """A feed has its network, and many clients come by it."""
    app = App("detect")
    app.limits.connections_per_address = 1
    app.shield.closes = app.shield.any_banned = True
    app.shield.banned = lambda address: "feed" if address.startswith(b"192.0.2.") else ""
    app.door = Door(cast(ProxyApp, app), None, 100)
    app.admit = app.door.admit
    outcomes = []
    for address in ("192.0.2.200", "192.0.2.200", "192.0.2.201", "198.51.100.1", "198.51.100.1"):
        link = TlsLink(cast(ProxyApp, app), Contexts(), cast(Any, None), ((address, 4000), None))
        link.connection_made(cast(Any, transport := Transport()))
        outcomes.append(not transport.closing)
    assert outcomes == [True, True, False, True, False]


def test_who_sends_proxy_headers_is_no_client() -> None:
    app = App("detect")
    app.limits.connections_per_address = 1
    app.shield.closes = app.shield.any_banned = True
    app.shield.banned = lambda address: "feed" if address == b"127.0.0.1" else ""
    app.door = Door(cast(ProxyApp, app), None, 100)
    app.admit = app.door.admit
    networks = TrustedNetworks((ip_network("127.0.0.0/8"),))
    for _ in range(2):
        prelude = Prelude(cast(ProxyApp, app), None, networks, cast(Any, None))
        prelude.connection_made(cast(Any, transport := Transport()))
        assert not transport.closing
    assert not app.noted
