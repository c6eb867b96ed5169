"""Content codings in pieces: what came out is what went in, and a bomb is given up before it is unpacked."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from bascule.http.coding import CodingError, Decoder, GrowthError, grows_beyond

BOMB = 64 << 20
TEXT = b"".join(b"%d little pieces, " % number for number in range(20_000))


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


ENCODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": _zstd,
    b"gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    b"zstd, br": lambda data: brotli.compress(_zstd(data)),
}
EACH = pytest.mark.parametrize("coding", ENCODERS)


@EACH
@pytest.mark.parametrize("size", [7, 5000, 1 << 20])
def test_pieces_decode_to_the_whole(coding: bytes, size: int) -> None:
    encoded = ENCODERS[coding](TEXT)
    decoder = Decoder(coding.split(b", "))
    pieces = [decoder.feed(encoded[at : at + size]) for at in range(0, len(encoded), size)]
    assert b"".join(pieces) == TEXT
    assert not grows_beyond(encoded, coding.split(b", "))


@EACH
def test_a_bomb_is_given_up_before_it_is_unpacked(coding: bytes) -> None:
    bomb, codings = ENCODERS[coding](bytes(BOMB)), coding.split(b", ")
    tracemalloc.start()
    try:
        with pytest.raises(GrowthError):
            Decoder(codings).feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < BOMB
    finally:
        tracemalloc.stop()
    assert grows_beyond(bomb, codings)


@EACH
def test_what_is_not_of_the_coding_is_an_error_that_grows_nowhere(coding: bytes) -> None:
    with pytest.raises(CodingError):
        Decoder(coding.split(b", ")).feed(b"\xff not that\0")
    assert not grows_beyond(b"\xff not that\0", coding.split(b", "))
