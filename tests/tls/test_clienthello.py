"""The server name of real, cut, fragmented and hostile ClientHellos."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.tls.clienthello import MAX_HELLO, HelloError, server_name


def hello(name: str | None, *, alpn: list[str] | None = None) -> bytes:
    """What Python's OpenSSL sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(alpn)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def records(message: bytes, size: int) -> bytes:
    """Put a handshake message into records of `size` bytes."""
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def built(extensions: bytes | None, session: bytes = b"") -> bytes:
    """A ClientHello of our own making, as a handshake message."""
    body = b"\x03\x03" + bytes(32) + bytes((len(session),)) + session + b"\x00\x02\x13\x01" + b"\x01\x00"
    if extensions is not None:
        body += len(extensions).to_bytes(2, "big") + extensions
    return b"\x01" + len(body).to_bytes(3, "big") + body


def sni(name: bytes, kind: int = 0) -> bytes:
    entry = bytes((kind,)) + len(name).to_bytes(2, "big") + name
    names = len(entry).to_bytes(2, "big") + entry
    return b"\x00\x00" + len(names).to_bytes(2, "big") + names


@pytest.mark.parametrize(
    ("name", "found"),
    [("Shop.Example.com", b"shop.example.com"), ("bücher.example", b"xn--bcher-kva.example"), (None, b"")],
)
def test_a_real_hello_however_it_is_cut(name: str | None, found: bytes) -> None:
    data = hello(name, alpn=["h2", "http/1.1"])
    assert server_name(data) == found
    for cut in range(len(data)):
        assert server_name(data[:cut]) is None
    for size in (len(data) // 30, 100, 512):
        assert server_name(records(data[5:], size)) == found


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (built(None), b""),
        (built(b""), b""),
        (built(b"\x00\x0a\x00\x02\x00\x1d"), b""),
        (built(b"\x00\x0a\x00\x02\x00\x1d" + sni(b"a.example.")), b"a.example"),
        (built(sni(b"A-B.example"), session=bytes(32)), b"a-b.example"),
    ],
)
def test_hellos_by_hand(message: bytes, found: bytes) -> None:
    assert server_name(records(message, 16384)) == found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not_tls"),
        (b"\x16\x02", "not_tls"),  # SSL 2 and worse
        (b"\x80\x2e\x01", "not_tls"),
        (b"\x16\x03\x01\x00\x00", "bad_hello"),
        (b"\x16\x03\x01\xff\xff\x01", "bad_hello"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "bad_hello"),
        (b"\x16\x03\x01\x00\x04\x01\x01\x00\x00", "hello_too_large"),
        (b"\x16\x03\x01\x00\x01\x01\x17\x03\x01\x00\x01", "bad_hello"),
        (records(built(sni(b"a b")), 16384), "bad_hello"),
        (records(built(sni(b"a\0b")), 16384), "bad_hello"),
        (records(built(sni(b"")), 16384), "bad_hello"),
        (records(built(sni(b"a", kind=1)), 16384), "bad_hello"),
        (records(built(sni(b"a")[:-1]), 16384), "bad_hello"),
        (records(built(b"\x00\x00\x00\x00"), 16384), "bad_hello"),
        (records(built(b"\x00\x0a\x00"), 16384), "bad_hello"),
        (records(b"\x01\x00\x00\x02\x03\x03", 16384), "bad_hello"),
        (records(built(None) + b"", 16384)[:-2] + b"\xff\x00", "bad_hello"),
        (records(b"\x01\x00\x3f\xf0" + bytes(60), 1), "hello_too_large"),  # too many records
        (
            records(b"\x01\x00\x3f\xf0" + bytes(100), 10) + b"\x16\x03\x01\x3f\xff" + bytes(MAX_HELLO - 160),
            "hello_too_large",
        ),
    ],
)
def test_what_can_never_be_a_hello_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(HelloError) as caught:
        server_name(data)
    assert caught.value.reason == reason


REAL = hello("shop.example.com")


@given(
    st.binary(max_size=400)
    | st.builds(
        lambda start, junk, end: REAL[:start] + junk + REAL[end:],
        st.integers(0, len(REAL)),
        st.binary(max_size=20),
        st.integers(0, len(REAL)),
    )
)
def test_junk_gives_a_name_or_the_one_error(data: bytes) -> None:
    with suppress(HelloError):
        name = server_name(data)
        assert name is None or (name.isascii() and b" " not in name)
