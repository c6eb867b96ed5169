"""Frames of JSON: any split of the bytes gives the same messages; nonsense is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.server.framing import MAX_MESSAGE, Decoder, FramingError, encode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_messages_come_out_as_they_went_in_however_they_are_cut(messages: list[object], sizes: list[int]) -> None:
    data = b"".join(map(encode, messages))
    decoder, out, position, turn = Decoder(), [], 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        out += list(decoder.feed(data[position : position + size]))
        position += size
        turn += 1
    assert out == messages


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_an_error(data: bytes) -> None:
    try:
        list(Decoder().feed(data))
    except FramingError:
        return


def test_too_long_is_refused_on_both_sides() -> None:
    with pytest.raises(FramingError, match="longer than"):
        encode("x" * MAX_MESSAGE)
    with pytest.raises(FramingError, match="a message of 5 bytes is longer than the 4 allowed"):
        list(Decoder(4).feed(b"\0\0\0\5"))
