"""Content codings (RFC 9110 8.4), decoded for inspection: always bounded, never trusted.

A decompression bomb costs its sender bytes and us at most `limit`: every decoder here is told when to stop.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import brotli
import zstandard

MAX_CODINGS = 3
"""Codings applied one over the other; more is an attempt to hide."""


class CodingError(ValueError):
    """The content is not what its Content-Encoding says, or uses a coding that is not known."""


class GrowthError(CodingError):
    """The content grows beyond MAX_RATIO."""


MAX_RATIO = 200
"""Plain bytes for an encoded one, over a whole stream; text compresses to a tenth, rarely to a fiftieth."""
_SLACK = 1 << 20
_SLICE = 256
"""Bytes of zstd decoded in one go: 8 MiB at most, for the smallest block is of four bytes and stands for 128 KiB."""
_PIECE = 4096
"""Bytes of gzip decoded at a time: at each end of a member zlib copies the rest, and members may be 20 bytes short."""


class Decoder:
    """Decodes a stream in pieces."""

    def __init__(self, codings: list[bytes]) -> None:
        """`codings` are as listed in Content-Encoding; that there is one we do not know, `feed` tells."""
        self._taken = self._given = 0
        self._stages = [_stage(coding) for coding in reversed(codings) if coding not in (b"identity", b"")]

    def feed(self, data: bytes) -> bytes:
        """Return what a piece decodes to. Raises CodingError, and GrowthError for content that grows beyond MAX_RATIO,
        of which hardly more is decoded."""
        self._taken += len(data)
        room = self._taken * MAX_RATIO + _SLACK - self._given
        try:
            for stage in self._stages:
                data = stage(data, room + 1)
                if len(data) > room:
                    raise GrowthError(f"it decodes to more than {MAX_RATIO} times its size")
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise CodingError(str(error)) from None
        self._given += len(data)
        return data


def grows_beyond(content: bytes, codings: list[bytes]) -> bool:
    """Tell whether the start of a stream grows beyond MAX_RATIO."""
    try:
        Decoder(codings).feed(content)
    except GrowthError:
        return True
    except CodingError:  # what cannot be decoded grows nowhere
        return False
    return False


class _Members:
    """Decodes gzip, which may have several members, one after the other (RFC 1952 2.2): servers read them all."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    def decompress(self, data: bytes, limit: int) -> bytes:
        """Return what a piece decodes to, `limit` bytes of it at most."""
        found: list[bytes] = []
        size = 0
        for start in range(0, len(data), _PIECE):
            rest = data[start : start + _PIECE]
            while rest:
                if self._member.eof:
                    self._member = zlib.decompressobj(31)
                found.append(self._member.decompress(rest, limit - size))
                size += len(found[-1])
                if size >= limit:
                    return b"".join(found)
                rest = self._member.unused_data
        return b"".join(found)


def _zstd() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(max_window_size=1 << 27)


def _stage(coding: bytes) -> Callable[[bytes, int], bytes]:
    """Return what decodes pieces, each to its end, or to at least so many bytes and not many more."""
    if coding in (b"gzip", b"x-gzip"):
        return _Members().decompress
    if coding == b"deflate":
        return zlib.decompressobj(15).decompress
    if coding == b"br":
        decoder = brotli.Decompressor()
        return lambda data, limit: decoder.process(data, output_buffer_limit=limit)
    if coding == b"zstd":
        return _zstd_stage()

    def unknown(data: bytes, limit: int) -> bytes:
        raise CodingError(f"unknown content coding {coding.decode('latin-1')!r}")

    return unknown


def _zstd_stage() -> Callable[[bytes, int], bytes]:
    frames = _zstd().decompressobj(read_across_frames=True)

    def decompress(data: bytes, limit: int) -> bytes:
        found: list[bytes] = []
        size = 0
        for start in range(0, len(data), _SLICE):
            found.append(frames.decompress(data[start : start + _SLICE]))
            size += len(found[-1])
            if size >= limit:
                break
        return b"".join(found)

    return decompress


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
            return _Members().decompress(content, limit)
        if coding == b"deflate":
            return _deflate(content, limit)
        if coding == b"br":
            return _brotli(content, limit)
        if coding == b"zstd":
            return _zstd().stream_reader(io.BytesIO(content), read_across_frames=True).read(limit)
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
