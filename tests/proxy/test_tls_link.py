"""What TLS adds to an answer in pieces on the wire: each is a system call here, and wakes the client there."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, cast

import pytest

from bascule.proxy.client import ClientConnection
from bascule.proxy.prelude import TlsLink
from tests.proxy.test_door import App
from tests.support.certs import Authority
from tests.tls.support import client_context, listener

REQUEST = b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n"


class Wire:
    """The transport below, which keeps every piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.7", 4000) if name == "peername" else default

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing waits here."""

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True


class Served(ClientConnection):
    """Answers whatever comes, and closes."""

    __slots__ = ()

    def __init__(self) -> None:
        """Without an app."""

    def begin(self, transport: Any, peer: Any, local: Any = None) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.write_last(b"answer to " + data)
        self.transport.close()


class Silent(Served):
    """Takes what comes."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Say nothing."""


class Visit:
    """A client that has the server's first flight, and the link that serves it."""

    def __init__(self, folder: Path, served: ClientConnection, most: ssl.TLSVersion) -> None:
        authority, self.wire = Authority(folder), Wire()
        pair = authority.issue("shop.test")
        contexts = listener({"shop.test": {"certificates": [{"cert": pair.cert, "key": pair.key}]}})
        context = client_context(authority.path)
        context.maximum_version = most
        self.link = TlsLink(cast(Any, App("block")), contexts, lambda tls: served)
        self.link.connection_made(cast(Any, self.wire))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="shop.test")
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.speak()

    def speak(self) -> list[bytes]:
        """Send what there is; return the pieces that come back."""
        self.wire.pieces.clear()
        self.link.data_received(self.outgoing.read())
        for piece in self.wire.pieces:
            self.incoming.write(piece)
        return list(self.wire.pieces)


def test_tickets_answer_and_end_are_one_piece(tmp_path: Path) -> None:
    visit = Visit(tmp_path, Served(), ssl.TLSVersion.TLSv1_3)
    visit.tls.do_handshake()
    visit.tls.write(REQUEST)
    assert len(visit.speak()) == 1
    assert visit.tls.read() == b"answer to " + REQUEST
    assert visit.tls.session is not None
    assert visit.tls.session.has_ticket
    assert visit.tls.read() == b""  # close_notify, and no truncation
    assert visit.wire.closed


def test_who_asks_nothing_yet_has_its_ticket_at_once(tmp_path: Path) -> None:
    visit = Visit(tmp_path, Silent(), ssl.TLSVersion.TLSv1_3)
    visit.tls.do_handshake()
    assert len(visit.speak()) == 1
    with pytest.raises(ssl.SSLWantReadError):
        visit.tls.read()
    assert visit.tls.session is not None
    assert visit.tls.session.has_ticket


def test_a_handshake_of_tls_1_2_does_not_wait_for_the_answer(tmp_path: Path) -> None:
    """Its last flight is the server's: nobody may hold that back from who waits for it."""
    visit = Visit(tmp_path, Silent(), ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLWantReadError):
        visit.tls.do_handshake()
    assert len(visit.speak()) == 1
    visit.tls.do_handshake()
