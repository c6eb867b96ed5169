"""Content codings (RFC 9110 8.4), decoded for inspection: always bounded, never trusted.

A decompression bomb costs its sender bytes and us at most `limit`: every decoder here is told when to stop.
"""

from __future__ import annotations

import io
import zlib

import brotli
import zstandard

MAX_CODINGS = 3
"""Codings applied one over the other; more is an attempt to hide."""


class CodingError(ValueError):
    """The content is not what its Content-Encoding says, or uses a coding that is not known."""


def decode(content: bytes, codings: list[bytes], limit: int) -> bytes:
    """Return the first `limit` bytes of the decoded form of `content`, which may be cut short.

    `codings` are as listed in Content-Encoding, the last one applied last. Raises CodingError.
    """
    wanted = [coding for coding in codings if coding not in (b"identity", b"")]
    if len(wanted) > MAX_CODINGS:
        raise CodingError("too many content codings")
    for coding in reversed(wanted):
        content = _one(content, coding, limit)
    return content[:limit]


def _one(content: bytes, coding: bytes, limit: int) -> bytes:
    try:
        if coding in (b"gzip", b"x-gzip"):
            return zlib.decompressobj(31).decompress(content, limit)
        if coding == b"deflate":
            return _deflate(content, limit)
        if coding == b"br":
            return _brotli(content, limit)
        if coding == b"zstd":
            return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(io.BytesIO(content)).read(limit)
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise CodingError(f"not {coding.decode('latin-1')}: {error}") from None
    raise CodingError(f"unknown content coding {coding.decode('latin-1')!r}")


def _deflate(content: bytes, limit: int) -> bytes:
    """Decode zlib or, as many servers mean by ``deflate``, raw deflate."""
    try:
        return zlib.decompressobj(15).decompress(content, limit)
    except zlib.error:
        return zlib.decompressobj(-15).decompress(content, limit)


def _brotli(content: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    pieces = [decoder.process(content, output_buffer_limit=limit)]
    size = len(pieces[0])
    while size < limit and not decoder.can_accept_more_data():
        piece = decoder.process(b"", output_buffer_limit=limit - size)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
