"""Masks on streams: wherever the pieces are cut, the result is that of the whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.response.masking import WINDOW, Masker

MASKER = Masker(["card", "iban", "email"], ["secret plan", "böse"])
TEXT = (
    "<p>Card 4111 1111 1111 1111 and 4222222222222, " + "lorem ipsum " * 60 + "account GB82 WEST 1234 5698 7654 32 of "
    "jane.doe@example.com in the Secret Plan, BÖSE</p>" + "x" * 600 + " 5500000000000004"
).encode()
MASKED = (
    "<p>Card **** **** **** 1111 and *********2222, " + "lorem ipsum " * 60 + "account **** **** **** **** **54 32 of "
    "****.***@*******.*** in the ***********, *****</p>" + "x" * 600 + " ************0004"
).encode()


def masked(pieces: list[bytes], masker: Masker = MASKER, json: bool = False) -> bytes:
    stream = masker.stream(json)
    out = [stream.feed(piece) for piece in pieces]
    return b"".join((*out, stream.feed(b"", last=True)))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 100, 255, 256, 257, 1000, 5000])
def test_pieces_of_any_size(size: int) -> None:
    assert masked([TEXT[at : at + size] for at in range(0, len(TEXT), size)]) == MASKED


@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_cuts_anywhere(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    assert masked([TEXT[a:b] for a, b in itertools.pairwise(places)]) == MASKED


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_anything_keeps_its_length_and_is_never_kept_back_long(pieces: list[bytes]) -> None:
    stream = MASKER.stream()
    taken = given = 0
    for piece in pieces:
        taken += len(piece)
        given += len(stream.feed(piece))
        assert taken - given <= WINDOW
    assert given + len(stream.feed(b"", last=True)) == taken


@pytest.mark.parametrize("piece", [b"data: 1\n\n", b'{"a": "b"}', b"<p>text</p>", b'event: "x"\n'])
def test_a_piece_with_an_end_flows_at_once(piece: bytes) -> None:
    stream = MASKER.stream()
    assert stream.feed(piece) == piece
    assert not stream.holds


def test_what_was_masked_is_counted() -> None:
    stream = MASKER.stream()
    stream.feed(TEXT, last=True)
    assert stream.found == {"card": 3, "iban": 1, "email": 1, "word": 2}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (b'{"card": 4111111111111111, "b": 1}', b'{"card": 1111111111111111, "b": 1}'),
        (b'{"card": "4111111111111111"}', b'{"card": "************1111"}'),
        (b'["card: 4111111111111111"]', b'["card: ************1111"]'),
        (b"[4111111111111111]", b"[1111111111111111]"),
    ],
)
def test_json_stays_json(text: bytes, result: bytes) -> None:
    assert masked([text], json=True) == result
