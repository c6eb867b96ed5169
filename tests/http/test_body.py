"""HTTP/1.1 bodies: where they end, what of a chunked one is refused, and that it does not matter how it is split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.http.errors import HttpError
from bascule.http.fields import REQUEST_KINDS, FieldParser
from bascule.http.h1.body import (
    MAX_CHUNK_LINE,
    MAX_TRAILER_FIELDS,
    MAX_TRAILERS,
    Body,
    ChunkedBody,
    LengthBody,
    UntilClose,
    chunk,
    last_chunk,
)
from bascule.telemetry import causes

Outcome = tuple[bytes, bytes | None, list[bytes]]


def chunked() -> ChunkedBody:
    return ChunkedBody(FieldParser(REQUEST_KINDS, {b"x-watched"}))


def decode(body: Body, data: bytes, cuts: list[int]) -> Outcome:
    """Feed `data` split at `cuts`; return content, what follows, and the trailers. Raises HttpError."""
    content, places = b"", sorted({min(cut, len(data)) for cut in cuts} - {0, len(data)})
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    for number, piece in enumerate(pieces):
        more, rest = body.feed(piece)
        content += more
        if rest is not None:
            return content, rest + b"".join(pieces[number + 1 :]), [field[3] for field in body.trailers]
    return content, None, []


def test_a_length_says_where_the_body_ends() -> None:
    body = LengthBody(5)
    assert body.feed(b"abc") == (b"abc", None)
    assert body.feed(b"deGET") == (b"de", b"GET")
    assert LengthBody(3).feed(b"abc") == (b"abc", b"")
    assert LengthBody(0).feed(b"GET") == (b"", b"GET")


def test_until_close_never_ends_by_itself() -> None:
    assert UntilClose().feed(b"abc") == (b"abc", None)


GOOD: list[tuple[bytes, bytes, bytes | None, list[bytes]]] = [
    (b"0\r\n\r\n", b"", b"", []),
    (b"3\r\nabc\r\n0\r\n\r\nGET", b"abc", b"GET", []),
    (b"3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789", b"", []),
    (b"a\r\n0123456789\r\n000\r\n\r\n", b"0123456789", b"", []),
    (b"3;a\r\nabc\r\n0;b=c\r\n\r\n", b"abc", b"", []),
    (b'3 ; a = "b;c\xe9"\r\nabc\r\n0\r\n\r\n', b"abc", b"", []),
    (b"3\r\n\r\n0\r\n0\r\n\r\n", b"\r\n0", b"", []),
    (b"0\r\nDigest: x\r\nX-Y:  z \r\n\r\nrest", b"", b"rest", [b"digest: x\r\n", b"x-y: z\r\n"]),
    (b"3\r\nabc\r\n", b"abc", None, []),
]


@pytest.mark.parametrize(("data", "content", "rest", "trailers"), GOOD)
def test_chunked(data: bytes, content: bytes, rest: bytes | None, trailers: list[bytes]) -> None:
    assert decode(chunked(), data, []) == (content, rest, trailers)
    assert decode(chunked(), data, list(range(len(data)))) == (content, rest, trailers)


BAD: list[tuple[bytes, str]] = [
    # RFC 9112 7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF, chunk-size = 1*HEXDIG
    (b"\r\n", causes.BAD_CHUNK),
    (b"x\r\n", causes.BAD_CHUNK),
    (b"0x3\r\nabc\r\n", causes.BAD_CHUNK),
    (b"+3\r\nabc\r\n", causes.BAD_CHUNK),
    (b"-3\r\nabc\r\n", causes.BAD_CHUNK),
    (b" 3\r\nabc\r\n", causes.BAD_CHUNK),
    (b"3_0\r\nabc\r\n", causes.BAD_CHUNK),
    (b"3,3\r\nabc\r\n", causes.BAD_CHUNK),
    (b"3 a\r\nabc\r\n", causes.BAD_CHUNK),
    (b"3 \r\nabc\r\n", causes.BAD_CHUNK),
    (b"ffffffffffffffff\r\n", causes.BAD_CHUNK),
    (b"3\nabc\r\n", causes.BAD_CHUNK),
    (b"3\rabc\r\n", causes.BAD_CHUNK),
    (b"3;a\nb\r\nabc\r\n", causes.BAD_CHUNK),
    (b"3;a\rb\r\nabc\r\n", causes.BAD_CHUNK),
    (b"3;\0\r\nabc\r\n", causes.BAD_CHUNK),
    (b"3\r\nabcd\r\n", causes.BAD_CHUNK),
    (b"3\r\nabc\n0\r\n\r\n", causes.BAD_CHUNK),
    (b"3\r\nabc\r0\r\n\r\n", causes.BAD_CHUNK),
    (b"3\r\nabc0\r\n\r\n", causes.BAD_CHUNK),
    (b"3;" + b"a" * MAX_CHUNK_LINE + b"\r\nabc\r\n", causes.BAD_CHUNK),
    (b"1" * (MAX_CHUNK_LINE + 1), causes.BAD_CHUNK),
    (b"0\r\n\n", causes.BAD_CHUNK),
    # RFC 9112 7.1.2, RFC 9110 6.5: trailer fields are fields
    (b"0\r\nA : b\r\n\r\n", causes.BAD_FIELD_NAME),
    (b"0\r\nabc\r\n\r\n", causes.BAD_FIELD_NAME),
    (b"0\r\nA: b\r\n c\r\n\r\n", causes.OBS_FOLD),
    (b"0\r\nA: \0\r\n\r\n", causes.BAD_FIELD_VALUE),
    (b"0\r\nA: b\nC: d\r\n\r\n", causes.BARE_LF),
    (b"0\r\n" + b"A: b\r\n" * (MAX_TRAILER_FIELDS + 1) + b"\r\n", causes.BAD_TRAILER),
    (b"0\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 5 + b"\r\n", causes.BAD_TRAILER),
]


@pytest.mark.parametrize(("data", "cause"), BAD)
def test_what_is_not_chunked_is_refused(data: bytes, cause: str) -> None:
    with pytest.raises(HttpError) as error:
        decode(chunked(), data, [])
    assert (error.value.status, error.value.cause) == (400, cause)
    with pytest.raises(HttpError) as error:  # byte by byte it is refused as well, if perhaps for what is seen first
        decode(chunked(), data, list(range(len(data))))
    assert error.value.status == 400


FORBIDDEN = [
    # RFC 9110 6.5.1: framing, routing, request modifiers, authentication, content
    b"Transfer-Encoding", b"Content-Length", b"Host", b"Connection", b"Trailer", b"TE", b"Upgrade", b"Expect",
    b"Authorization", b"Cookie", b"Content-Encoding", b"Content-Type", b"Content-Range", b"Via",
    # what says who asks: it is Bascule's to write
    b"Forwarded", b"X-Forwarded-For", b"X-Forwarded-Port", b"X-Forwarded-Server", b"X-Real-IP",
    # hop-by-hop, confusable, and what a route decides about
    b"Keep-Alive", b"Proxy-Authorization", b"X_Forwarded_For", b"X-Watched",
]  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_trailers_are_left_out(name: bytes) -> None:
    assert decode(chunked(), b"0\r\n" + name + b": 1\r\nX-Good: 1\r\n\r\n", []) == (b"", b"", [b"x-good: 1\r\n"])


def test_trailers_that_are_left_out_are_counted_all_the_same() -> None:
    with pytest.raises(HttpError):
        decode(chunked(), b"0\r\n" + b"Host: b\r\n" * (MAX_TRAILERS // 7 + 1) + b"\r\n", [])


def test_extensions_may_not_outweigh_the_content() -> None:
    assert decode(chunked(), b"1;a=bcdef\r\nx\r\n" * 20_000 + b"0\r\n\r\n", [])[0] == b"x" * 20_000
    with pytest.raises(HttpError) as refused:
        decode(chunked(), b"1;%b\r\nx\r\n" % (b"a" * 4000) * 5 + b"0\r\n\r\n", [])
    assert refused.value.cause == causes.BAD_CHUNK


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.booleans(),
    st.binary(max_size=10),
    st.lists(st.integers(0, 300), max_size=12),
)
def test_it_does_not_matter_how_a_chunked_body_is_split(
    chunks: list[bytes], trailer: bool, rest: bytes, cuts: list[int]
) -> None:
    fields = [(b"x", b"y", 0, b"x: y\r\n")] if trailer else []
    data = b"".join(map(chunk, chunks)) + last_chunk(fields) + rest
    assert decode(chunked(), data, cuts) == (b"".join(chunks), rest, [field[3] for field in fields])


@given(
    st.lists(st.sampled_from([b"0", b"3", b"a", b"\r\n", b"\r", b"\n", b";x", b" ", b"abc", b"\0", b"A: b"])),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_no_split_makes_a_bad_body_good(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)

    def outcome(cuts: list[int]) -> Outcome | None:
        try:
            return decode(chunked(), data, cuts)
        except HttpError:
            return None

    whole, split = outcome([]), outcome(cuts)
    if whole is None or split is None:
        assert whole is split
    else:
        assert whole == split
