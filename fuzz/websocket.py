"""Frames of a client: it does not matter how the bytes are split, and what is passed on is what came."""

from __future__ import annotations

import zlib
from collections import Counter

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.http.websocket import ClientFrames, Inflater, WebSocketError

LIMIT = 1024
Outcome = tuple[bytes, list[bytes], int]


def _read(data: bytes, size: int, compressed: bool) -> Outcome:
    frames, raw, texts = ClientFrames(LIMIT, Inflater() if compressed else None), b"", []
    try:
        for start in range(0, len(data), size):
            for piece in frames.feed(data[start : start + size]):
                raw += piece.raw
                if piece.text is not None:
                    texts.append(piece.text)
    except WebSocketError as error:
        return raw, texts, error.code
    return raw, texts, 0


def one_input(data: bytes) -> None:
    """The first byte says how large the pieces are, and whether messages may be compressed."""
    if not data:
        return
    size, compressed, data = data[0] % 16 + 1, data[0] >= 128, data[1:]
    whole, split = _read(data, len(data) + 1, compressed), _read(data, size, compressed)
    assert whole[1:] == split[1:], (whole, split)
    # The payload of a binary message goes on as it comes, so what was passed on before a fault may differ.
    assert whole[0].startswith(split[0]) or split[0].startswith(whole[0])
    assert not Counter(whole[0]) - Counter(data), "control frames go ahead of a message that is held"
    assert all(len(text) <= LIMIT for text in whole[1])


def _frame(first: int, payload: bytes) -> bytes:
    mask = b"\x01\x02\x03\x04"
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes((first, 0x80 | len(payload))) + mask + masked


def seeds() -> list[bytes]:
    """Text whole and in fragments, binary, control frames, and compressed messages."""
    deflate = zlib.compressobj(wbits=-15)
    packed = (deflate.compress(b"hello " * 20) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return [
        b"\x03" + _frame(0x81, b"hello") + _frame(0x89, b"ping") + _frame(0x88, b"\x03\xe8bye"),
        b"\x01" + _frame(0x01, b"he") + _frame(0x8A, b"") + _frame(0x00, b"l") + _frame(0x80, b"lo"),
        b"\x07" + _frame(0x02, b"\0\1\2") + _frame(0x80, b"\3" * 50) + _frame(0x81, b"x"),
        b"\x85" + _frame(0xC1, packed) + _frame(0xC2, packed) + _frame(0xC1, packed),
    ]


if __name__ == "__main__":
    run("websocket", one_input, seeds())
