"""Content codings in pieces: what came out is what went in, and a bomb is given up before it is unpacked."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from bascule.http import coding as room
from bascule.http.coding import CodingError, Decoder, GrowthError, grows_beyond
from tests.support.codings import ENCODERS

BOMB = 64 << 20
TEXT = b"".join(b"%d little pieces, " % number for number in range(20_000))
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


class _Counting:
    """A decompressor that counts the bytes it is given: zlib copies those behind the end of a member."""

    given = 0

    def __init__(self, wbits: int) -> None:
        self._real = zlib.decompressobj(wbits)

    def decompress(self, data: bytes, limit: int) -> bytes:
        _Counting.given += len(data)
        return self._real.decompress(data, limit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("whole", [True, False])
def test_short_members_cost_by_their_number_not_its_square(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "zlib", SimpleNamespace(decompressobj=_Counting, error=zlib.error))
    costs = []
    for count in (2_000, 8_000):
        content = gzip.compress(b"") * count + gzip.compress(b"end")
        monkeypatch.setattr(_Counting, "given", 0)
        found = room.decode(content, [b"gzip"], 1 << 20) if whole else room.Decoder([b"gzip"]).feed(content)
        assert found == b"end"
        costs.append(_Counting.given)
    assert costs[1] < 5 * costs[0]


@pytest.mark.parametrize("limit", [1, 4_999, 5_000, 5_001, 60_000, 1 << 20])
def test_members_over_slices_decode_to_all_or_the_limit(limit: int) -> None:
    pieces = [bytes((i * j * j >> 3) & 255 for j in range(5_000)) for i in range(12)]
    content = b"".join(gzip.compress(piece, level) for level, piece in enumerate(pieces, start=-1) if level < 10)
    assert room.decode(content, [b"gzip"], limit) == b"".join(pieces[:11])[:limit]
