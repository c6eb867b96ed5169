"""The SOCKS codec: whole, in pieces, with a password, and junk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.forward.socks import MAX_HANDSHAKE, Reply, SocksError, SocksHandshake, SocksRequest, reply, reply_for
from bascule.telemetry import causes

HELLO = b"\x05\x01\x00"
NAME = b"\x05\x01\x00\x03\x09a.example\x01\xbb"
FOUR = b"\x04\x01\x00\x50\x7f\x00\x00\x01me\x00"
FOUR_A = b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00A.Example\x00"

GOOD = [
    (HELLO + NAME, b"\x05\x00", SocksRequest(5, b"a.example", 443), b""),
    (HELLO + NAME + b"early", b"\x05\x00", SocksRequest(5, b"a.example", 443), b"early"),
    (HELLO + b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00", SocksRequest(5, b"127.0.0.1", 80), b""),
    (HELLO + b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50", b"\x05\x00", SocksRequest(5, b"[::1]", 80), b""),
    (HELLO + b"\x05\x01\x00\x03\x03::1\x00\x50", b"\x05\x00", SocksRequest(5, b"[::1]", 80), b""),
    (FOUR, b"", SocksRequest(4, b"127.0.0.1", 80, b"me"), b""),
    (FOUR_A + b"x", b"", SocksRequest(4, b"a.example", 80, b"me"), b"x"),
]


@pytest.mark.parametrize(("sent", "answer", "request_", "rest"), GOOD)
def test_whole_and_in_pieces(sent: bytes, answer: bytes, request_: SocksRequest, rest: bytes) -> None:
    whole = SocksHandshake()
    assert whole.feed(sent) == answer
    assert (whole.request, whole.rest) == (request_, rest)
    pieces = SocksHandshake()
    given_ = b""
    for position in range(len(sent)):
        if pieces.request is None:
            given_ += pieces.feed(sent[position : position + 1])
    assert (given_, pieces.request) == (answer, request_)


def test_password() -> None:
    handshake = SocksHandshake(needs_login=True)
    assert handshake.feed(b"\x05\x02\x00\x02") == b"\x05\x02"
    assert handshake.feed(b"\x01\x04anna\x06secret" + NAME) == b""
    assert handshake.login == (b"anna", b"secret")
    assert handshake.request is None
    assert handshake.verdict(True) == b"\x01\x00"
    assert handshake.feed(b"") == b""
    assert handshake.request == SocksRequest(5, b"a.example", 443)
    assert SocksHandshake(True).verdict(False) == b"\x01\x01"


@pytest.mark.parametrize(
    ("sent", "login", "answer"),
    [
        (b"\x05\x01\x01", False, b"\x05\xff"),
        (HELLO, True, b"\x05\xff"),
        (b"\x05\x00", False, b"\x05\xff"),
        (HELLO + b"\x05\x02\x00\x03\x01a\x00\x50", False, reply(5, Reply.UNKNOWN_COMMAND)),
        (HELLO + b"\x05\x03\x00\x03\x01a\x00\x50", False, reply(5, Reply.UNKNOWN_COMMAND)),
        (HELLO + b"\x05\x01\x00\x07\x01a\x00\x50", False, reply(5, Reply.UNKNOWN_ADDRESS_TYPE)),
        (HELLO + b"GET / HTTP/1.1", False, reply(5, Reply.FAILURE)),
        (b"\x05\x01\x02\x02\x04anna", True, b"\x01\x01"),
        (b"\x04\x02\x00\x50\x7f\x00\x00\x01\x00", False, reply(4, Reply.FAILURE)),
        (FOUR, True, reply(4, Reply.FAILURE)),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01" + b"u" * 300, False, reply(4, Reply.FAILURE)),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00" + b"h" * 300, False, reply(4, Reply.FAILURE)),
        (b"\x07", False, b""),
    ],
)
def test_refused(sent: bytes, login: bool, answer: bytes) -> None:
    with pytest.raises(SocksError) as caught:
        SocksHandshake(login).feed(sent)
    greeted = b"\x05\x00" if sent.startswith(HELLO) and not login else b"\x05\x02" if sent[1:3] == b"\x01\x02" else b""
    assert caught.value.answer == greeted + answer


@given(st.binary(max_size=64), st.booleans(), st.lists(st.binary(max_size=700), max_size=8))
def test_any_bytes(first: bytes, login: bool, pieces: list[bytes]) -> None:
    """Whatever comes: an error of its own kind or an answer, and never more held than the bound and one read."""
    handshake = SocksHandshake(login)
    for piece in (b"\x05" + first, *pieces):
        try:
            answer = handshake.feed(piece)
        except SocksError:
            return
        assert len(answer) <= 4
        if handshake.request is not None:
            assert handshake.request.host
            assert handshake.request.host == handshake.request.host.lower()
            return
        if handshake.login is not None:
            handshake.verdict(True)
        assert len(handshake._buffer) <= MAX_HANDSHAKE + 700


def test_replies() -> None:
    assert reply(4, Reply.SUCCEEDED) == b"\x00\x5a" + bytes(6)
    assert reply(5, Reply.SUCCEEDED) == b"\x05\x00\x00\x01" + bytes(6)
    assert reply_for(causes.EGRESS_PRIVATE) is Reply.NOT_ALLOWED
    assert reply_for(causes.CONNECT_TIMEOUT) is Reply.TIMED_OUT
    assert reply_for(causes.BAD_HOST) is Reply.FAILURE
