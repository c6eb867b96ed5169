"""Chunked bodies: it does not matter how the bytes are split, and what is read can be written and read again."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.http.errors import HttpError
    from bascule.http.fields import REQUEST_KINDS, Field, FieldParser
    from bascule.http.h1.body import ChunkedBody, chunk, last_chunk

Outcome = tuple[bytes, bytes | None, list[Field]] | None
_fields = FieldParser(REQUEST_KINDS)


def _decode(data: bytes, size: int) -> Outcome:
    body, content = ChunkedBody(_fields), b""
    try:
        for start in range(0, len(data), size):
            more, rest = body.feed(data[start : start + size])
            content += more
            if rest is not None:
                return content, rest + data[start + size :], body.trailers
    except HttpError:
        return None
    return content, None, []


def one_input(data: bytes) -> None:
    """The first byte says how large the pieces are."""
    if not data:
        return
    size, data = data[0] % 17 + 1, data[1:]
    whole, split = _decode(data, len(data) + 1), _decode(data, size)
    if whole is None or split is None:
        assert whole is split, (whole, split)
        return
    assert whole == split, (whole, split)
    content, rest, trailers = whole
    if rest is None:
        return
    again = _decode((chunk(content) if content else b"") + last_chunk(trailers) + rest, len(data) + 100)
    assert again == (content, rest, trailers)


def seeds() -> list[bytes]:
    """Good ones and bad ones."""
    return [
        b"\x03" + b"5\r\nhello\r\n0\r\n\r\n",
        b"\x01" + b"A;ext=1\r\n0123456789\r\n000\r\nX: y\r\n\r\nGET",
        b"\x02" + b"3\nabc\r\n0\r\n\r\n",
        b"\x05" + b"0x3\r\nabc\r\n0\r\n\r\n",
    ]


if __name__ == "__main__":
    run("h1_body", one_input, seeds())
