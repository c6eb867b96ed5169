"""The filter against an OpenSSL client in memory: data both ways, ends, alerts, bounds."""

from __future__ import annotations

import ssl

import pytest

from bascule.tls.clienthello import MAX_HELLO
from bascule.tls.filter import TlsError, TlsFilter
from bascule.tls.server import ListenerContexts
from tests.support.certs import Authority
from tests.tls.support import Client, certificates, client_context, listener


@pytest.fixture
def contexts(authority: Authority) -> ListenerContexts:
    return listener({"shop.test": {"certificates": certificates(authority.issue("shop.test"))}})


@pytest.fixture
def client(authority: Authority, contexts: ListenerContexts) -> Client:
    return Client(contexts, client_context(authority.path), "shop.test").handshake()


def test_what_is_known_after_the_handshake(client: Client) -> None:
    tls = client.filter
    assert (tls.sni, tls.alpn, tls.version, tls.resumed, tls.peer_subject) == (
        b"shop.test",
        "http/1.1",
        "TLSv1.3",
        False,
        "",
    )
    assert tls.cipher.startswith("TLS_")
    assert tls.hello[0] == 22


@pytest.mark.parametrize("size", [1, 16383, 16384, 16385, 1_000_000])
def test_data_goes_both_ways_whole(client: Client, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert client.send(data[:size]) == data[:size]
    client.filter.write(data[:size])
    assert client.receive() == data[:size]


def test_ciphertext_may_come_in_any_pieces(authority: Authority, contexts: ListenerContexts) -> None:
    client = Client(contexts, client_context(authority.path), "shop.test")

    def trickle() -> bytes:
        plain = b"".join([client.filter.feed(bytes((byte,))) for byte in client.outgoing.read()])
        client.incoming.write(client.filter.take())
        return plain

    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    assert trickle() == b""
    client.tls.do_handshake()
    client.tls.write(b"hello " * 1000)
    assert trickle() == b"hello " * 1000
    assert client.filter.done


def test_data_that_comes_with_the_end_of_the_handshake_is_not_lost(
    authority: Authority, contexts: ListenerContexts
) -> None:
    client = Client(contexts, client_context(authority.path), "shop.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.exchange()
    client.tls.do_handshake()
    client.tls.write(b"GET / HTTP/1.1\r\n\r\n")
    assert client.exchange() == b"GET / HTTP/1.1\r\n\r\n"


def test_close_notify_is_seen_and_sent(client: Client) -> None:
    client.filter.write(b"bye")
    client.filter.shutdown()
    client.incoming.write(client.filter.take())
    assert client.tls.read(10) == b"bye"
    assert client.tls.read(10) == b""  # close_notify; a cut stream would raise
    assert not client.filter.eof
    client.tls.write(b"last words")
    client.tls.unwrap()
    assert client.exchange() == b"last words"
    assert client.filter.eof


def test_a_damaged_record_ends_the_connection_with_an_alert(client: Client) -> None:
    client.tls.write(b"hello")
    record = bytearray(client.outgoing.read())
    record[-1] ^= 1
    with pytest.raises(TlsError, match=r"bad_record|decryption"):
        client.filter.feed(bytes(record))
    client.incoming.write(client.filter.take())
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        client.tls.read(10)


def test_renegotiation_is_refused(authority: Authority, contexts: ListenerContexts) -> None:
    context = contexts.select(b"shop.test")
    assert context is not None
    assert context.context.options & ssl.OP_NO_RENEGOTIATION
    assert context.context.options & ssl.OP_NO_COMPRESSION


@pytest.mark.parametrize(
    ("data", "reason", "alert"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not_tls", b""),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "bad_hello", b"\x15\x03\x03\x00\x02\x02\x32"),
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", "hello_too_large", b"\x15\x03\x03\x00\x02\x02\x32"),
    ],
)
def test_what_is_not_a_hello_is_refused_before_openssl(
    contexts: ListenerContexts, data: bytes, reason: str, alert: bytes
) -> None:
    tls = TlsFilter(contexts)
    with pytest.raises(TlsError) as caught:
        tls.feed(data)
    assert caught.value.reason == reason
    assert tls.take() == alert
    tls.shutdown()
    assert (tls.version, tls.cipher, tls.alpn) == ("", "", None)


def test_a_client_that_trickles_its_hello_is_held_within_bounds(contexts: ListenerContexts) -> None:
    tls = TlsFilter(contexts)
    start = b"\x16\x03\x01\x3f\xff\x01\x00\x3f\xfc"
    for byte in start + bytes(MAX_HELLO - len(start) - 1):
        assert tls.feed(bytes((byte,))) == b""
    with pytest.raises(TlsError, match="hello_too_large"):
        tls.feed(b"\0")


def test_writing_before_the_handshake_is_an_error(contexts: ListenerContexts) -> None:
    with pytest.raises(TlsError, match="write_before_handshake"):
        TlsFilter(contexts).write(b"x")


def test_a_client_without_common_protocol_version_gets_an_alert(authority: Authority) -> None:
    pair = authority.issue("shop.test")
    contexts = listener({"shop.test": {"certificates": certificates(pair)}}, min_version="1.3")
    context = client_context(authority.path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(TlsError, match="unsupported_protocol"):
        Client(contexts, context, "shop.test").handshake()
