"""Responses in UTF-16 and UTF-32: read in UTF-8 and written back, wherever the pieces are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.response.masking import Masker
from bascule.waf.response.wide import Wide

MASKER = Masker(["card", "email"], ["böse", "🦊 plan"])
TEXT = (
    "Card 4111 1111 1111 1111 of jane.doe@example.com, BÖSE, 中文 4111111111111111 and the 🦊 Plan " + "ä🦊" * 200 + "."
)
MASKED = TEXT.replace("4111 1111 1111 1111", "**** **** **** 1111").replace("4111111111111111", "************1111")
MASKED = MASKED.replace("jane.doe@example.com", "****.***@*******.***").replace("BÖSE", "****")


def through(pieces: list[bytes], kind: bytes = b"text/plain", pause: bool = False) -> bytes:
    """What comes of a response in pieces; with `pause`, what is kept back is called for after each piece."""
    wide, masks = Wide(kind), MASKER.stream()
    out = b""
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        text = wide.read(piece, last, wait=not pause)
        if wide.codec:
            masks.measure = wide.units
        out += wide.write(masks.feed(text, last or pause), last)
    return out


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)] or [b""]


def expected(codec: str) -> str:
    return MASKED.replace("🦊 Plan", "*" * (7 if codec.startswith("utf-16") else 6))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("told", ["mark", "charset", "looks"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 100, 4096])
def test_every_encoding_however_it_is_told(codec: str, told: str, size: int) -> None:
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}" if told == "mark" else ""
    kind = b"text/html; charset=" + codec.replace("-", "", 2).replace("utf", "utf-").encode() * (told == "charset")
    data, result = (mark + TEXT).encode(codec), (mark + expected(codec)).encode(codec)
    assert through(cut(data, size), kind) == result
    assert len(result) == len(data)


@pytest.mark.parametrize("kind", [b"text/plain", b"text/plain; charset=utf-8", b"text/plain; charset=UTF-16"])
def test_all_others_stay_as_they_are(kind: bytes) -> None:
    for text in (b"", b"A", b"Card 4111111111111111.", b"\xff\xfb\x90", b"\xe4\xf6 4111111111111111"):
        out = through(cut(text, 1), kind)
        assert out == (text.replace(b"411111111111", b"*" * 12) if text[:1] != b"\xe4" else out)
        assert len(out) == len(text)


@given(st.binary(max_size=60), st.lists(st.integers(0, 64), max_size=6), st.sampled_from(["utf-16-le", "utf-32-be"]))
def test_what_is_no_text_keeps_its_length(text: bytes, cuts: list[int], codec: str) -> None:
    data = "\N{ZERO WIDTH NO-BREAK SPACE}".encode(codec) + text
    places = [0, *sorted(cuts), len(data)]
    whole = through([data])
    assert len(whole) == len(data)
    assert through([data[a:b] for a, b in itertools.pairwise(places)]) == whole


def test_a_pause_gives_out_all_whole_characters_and_goes_on_right() -> None:
    data = TEXT.encode("utf-16")
    paused = through([data[:300], data[300:601], data[601:]], pause=True)
    assert paused == expected("utf-16").encode("utf-16")
