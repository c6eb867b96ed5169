"""WebSocket frames: what `websockets`' sans-I/O client writes is read back; what breaks RFC 6455 is refused."""

from __future__ import annotations

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from bascule.http.websocket import (
    ClientFrames,
    Inflater,
    Piece,
    ServerFrames,
    WebSocketError,
    close_frame,
    compression,
    unmask,
)

LIMIT = 1000
MESSAGES = st.lists(st.tuples(st.booleans(), st.binary(max_size=300), st.integers(1, 4), st.booleans()), max_size=8)


def frame(first: int, payload: bytes, mask: bytes = b"abcd") -> bytes:
    """A client's frame with this first byte."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes((first,)) + length + mask + unmask(payload, mask)


def written(messages: list[tuple[bool, bytes, int, bool]], deflate: PerMessageDeflate | None) -> bytes:
    """What a client writes for messages (text?, payload, fragments, a ping within?)."""
    out = b""
    extensions = [deflate] if deflate is not None else []
    for text, payload, count, ping in messages:
        size = len(payload) // count + 1
        pieces = [payload[n * size : (n + 1) * size] for n in range(count)]
        for number, piece in enumerate(pieces):
            opcode = Opcode.CONT if number else Opcode.TEXT if text else Opcode.BINARY
            one = Frame(opcode, piece, fin=number == count - 1)
            out += one.serialize(mask=True, extensions=extensions)
            if ping:
                out += Frame(Opcode.PING, b"hi").serialize(mask=True, extensions=extensions)
    return out


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, over and over."""
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


@given(MESSAGES, st.lists(st.integers(1, 400), min_size=1, max_size=5), st.sampled_from([None, True, False]))
def test_texts_are_read_whole_and_no_byte_is_lost(
    messages: list[tuple[bool, bytes, int, bool]], sizes: list[int], takeover: bool | None
) -> None:
    deflate = None if takeover is None else PerMessageDeflate(True, not takeover, 15, 15)
    reader = ClientFrames(LIMIT, None if takeover is None else Inflater(takeover))
    data = written(messages, deflate)
    pieces = [piece for part in cut(data, sizes) for piece in reader.feed(part)]
    assert [piece.text for piece in pieces if piece.text is not None] == [p for text, p, _, _ in messages if text]
    # A ping within a text message may overtake it; otherwise the bytes keep their order.
    if not any(ping and text for text, _, _, ping in messages):
        assert b"".join(piece.raw for piece in pieces) == data
    assert sum(len(piece.raw) for piece in pieces) == len(data)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, compressed: bool) -> None:
    reader = ClientFrames(LIMIT, Inflater() if compressed else None)
    passed, code = 0, 1002
    try:
        for piece in reader.feed(data):
            passed += len(piece.raw)
    except WebSocketError as error:
        code = error.code
    assert passed <= len(data)
    assert code in (1002, 1007, 1009)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01a", 1002),  # no mask
        (frame(0xA1, b"a"), 1002),  # RSV2
        (frame(0xC1, b"a"), 1002),  # RSV1, no compression agreed
        (frame(0x83, b"a"), 1002),  # unknown data opcode
        (frame(0x8B, b""), 1002),  # unknown control opcode
        (frame(0x09, b""), 1002),  # fragmented ping
        (frame(0x89, b"a" * 126), 1002),  # ping of more than 125 bytes
        (frame(0x80, b"a"), 1002),  # continuation of nothing
        (frame(0x01, b"a") + frame(0x81, b"b"), 1002),  # message within a message
        (frame(0x01, b"a") + frame(0x82, b"b"), 1002),
        (b"\x81\xfe\x00\x01abcdx", 1002),  # length not in its shortest form
        (b"\x82\xff" + b"\xff" * 8 + b"abcd", 1002),  # 64-bit length with its highest bit
        (frame(0x81, b"a" * (LIMIT + 1))[:8], 1009),  # refused by its header already
        (frame(0x01, b"a" * LIMIT) + frame(0x80, b"a"), 1009),
        (frame(0x01, b"") + frame(0x00, b"") * LIMIT, 1009),  # empty fragments without end
    ],
)
def test_malformed_and_oversized(data: bytes, code: int) -> None:
    with pytest.raises(WebSocketError) as caught:
        list(ClientFrames(LIMIT).feed(data))
    assert caught.value.code == code


def test_binary_flows_before_it_is_complete() -> None:
    data = frame(0x82, os.urandom(70000))
    reader = ClientFrames(LIMIT)
    assert list(reader.feed(data[:20])) == [Piece(data[:14]), Piece(data[14:20])]
    assert list(reader.feed(data[20:])) == [Piece(data[20:])]


def test_nothing_follows_a_close() -> None:
    data = frame(0x88, b"\x03\xe8")
    assert list(ClientFrames(LIMIT).feed(data + frame(0x81, b"late"))) == [Piece(data)]


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize("opcode", [0xC1, 0xC2])
def test_bombs(opcode: int) -> None:
    bomb = frame(opcode, deflated(b"\0" * (64 << 20)))
    assert len(bomb) < 70000
    with pytest.raises(WebSocketError) as caught:
        list(ClientFrames(100_000, Inflater()).feed(bomb))
    assert caught.value.code == 1009


@pytest.mark.parametrize("opcode", [0xC1, 0xC2])
def test_garbage_instead_of_compression(opcode: int) -> None:
    with pytest.raises(WebSocketError) as caught:
        list(ClientFrames(LIMIT, Inflater()).feed(frame(opcode, b"\xff\xff\xff")))
    assert caught.value.code == 1007


def test_extensions() -> None:
    assert compression([]) is None
    assert compression([b"permessage-deflate; client_max_window_bits=9; client_no_context_takeover"]) is not None
    for odd in (b"x-webkit-deflate-frame", b"permessage-deflate, permessage-foo"):
        with pytest.raises(WebSocketError):
            compression([odd])


@given(st.lists(st.binary(max_size=70000), max_size=4), st.lists(st.integers(1, 9000), min_size=1, max_size=5))
def test_ends_of_a_servers_frames(payloads: list[bytes], sizes: list[int]) -> None:
    data = b"".join(Frame(Opcode.BINARY, payload).serialize(mask=False) for payload in payloads)
    frames = ServerFrames()
    for piece in cut(data, sizes):
        assert frames.feed(piece) == len(piece)
    assert frames.between
    started = Frame(Opcode.TEXT, b"hello").serialize(mask=False)
    frames.feed(started[:3])
    assert not frames.between
    assert frames.feed(started[3:] + started, stop=True) == len(started) - 3
    assert frames.between


def test_close_frames() -> None:
    assert close_frame(1008, "no") == b"\x88\x04\x03\xf0no"
    assert [piece.raw[:2] for piece in ClientFrames(LIMIT).feed(close_frame(1001, "x" * 300, masked=True))] == [
        b"\x88\xfa"
    ]
