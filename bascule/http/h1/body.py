"""HTTP/1.1 bodies (RFC 9112 sections 6 and 7): three ways to know where one ends.

`LengthBody`, `ChunkedBody` and `UntilClose` share one shape: ``feed(data)`` returns ``(content, rest)``,
where `rest` is not None once the body is complete and holds what follows it.
"""

from __future__ import annotations

import re
from typing import Protocol

from bascule.http.errors import HttpError
from bascule.http.fields import Field, FieldParser, Kind
from bascule.telemetry import causes

MAX_CHUNK_LINE = 4096
MAX_OVERHEAD = 16384
"""Chunk extensions are ignored, but not for ever: what lines of sizes take beyond 16 bytes and twice their chunk's
content adds up to no more (CVE-2023-39326). Otherwise a body within its limit could be of any length on the wire."""
MAX_TRAILERS = 16384
MAX_TRAILER_FIELDS = 64

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t \x21-\x7e\x80-\xff]*)?")
"""RFC 9112 7.1; 15 digits keep the size far below any overflow."""

_FORBIDDEN_TRAILERS = frozenset(
    b"content-encoding content-type content-range authorization cookie cache-control age expires vary "
    b"www-authenticate range max-forwards".split()
)
"""RFC 9110 6.5.1: fields that framing, routing or trust depend on may not arrive late.

The same goes for every field that means something to the proxy: only those of kind PLAIN pass.
"""


class Body(Protocol):
    """A body decoder."""

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return the content in `data` and, once complete, what follows the body (else None)."""

    @property
    def trailers(self) -> list[Field]:
        """Trailer fields, known once the body is complete."""


_NONE: list[Field] = []


class LengthBody:
    """A body of a known length."""

    __slots__ = ("left",)
    trailers = _NONE

    def __init__(self, length: int) -> None:
        self.left = length

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """See Body."""
        size = len(data)
        left = self.left
        if size < left:
            self.left = left - size
            return data, None
        self.left = 0
        if size == left:
            return data, b""
        return data[:left], data[left:]


class UntilClose:
    """A response body that ends with its connection (RFC 9112 6.3, item 8)."""

    __slots__ = ()
    trailers = _NONE

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """See Body."""
        return data, None


class ChunkedBody:
    """The chunked coding. Strict: exact CRLF, hexadecimal sizes only, bounded extensions and trailers."""

    __slots__ = ("_buffer", "_count", "_fields", "_last", "_left", "_overhead", "_trailer_bytes", "trailers")

    def __init__(self, fields: FieldParser) -> None:
        self._fields = fields
        self._buffer = b""
        self._left = 0  # bytes of the current chunk still to come, its CRLF included
        self._last = False
        self._overhead = 0
        self._trailer_bytes = 0
        self._count = 0
        self.trailers: list[Field] = []

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """See Body. Raises HttpError(400)."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        content: list[bytes] = []
        position = 0
        while True:
            if self._left:
                position = self._take(data, position, content)
                if self._left:
                    return b"".join(content), None
            end = data.find(b"\r\n", position)
            if end < 0:
                self._keep(data[position:])
                return b"".join(content), None
            line = data[position:end]
            position = end + 2
            if self._last:
                if not line:
                    return b"".join(content), data[position:]
                self._trailer(line)
                continue
            match = _CHUNK_LINE.fullmatch(line)
            if match is None or len(line) > MAX_CHUNK_LINE:
                raise HttpError(400, causes.BAD_CHUNK, "size line")
            size = int(match.group(1), 16)
            self._overhead = max(0, self._overhead + len(line) - 14 - 2 * size)  # its CRLF are two of the 16
            if self._overhead > MAX_OVERHEAD:
                raise HttpError(400, causes.BAD_CHUNK, "more extensions than content")
            if size:
                self._left = size + 2
            else:
                self._last = True

    def _take(self, data: bytes, position: int, content: list[bytes]) -> int:
        """Move chunk content from `data` and check the CRLF that closes the chunk."""
        end = position + self._left
        available = len(data)
        if available >= end:
            if data[end - 1] != 0x0A or (self._left > 1 and data[end - 2] != 0x0D):
                raise HttpError(400, causes.BAD_CHUNK, "end")
            if self._left == 1:  # its CR was in what came before
                self._left = 0
                return end
            content.append(data[position : end - 2])
            self._left = 0
            return end
        taken = min(available, end - 2)
        if taken > position:
            content.append(data[position:taken])
        if available == end - 1 and data[available - 1] != 0x0D:
            raise HttpError(400, causes.BAD_CHUNK, "end")
        self._left = end - available
        return available

    def _keep(self, rest: bytes) -> None:
        """Hold an incomplete line; a bare LF in it can never become valid."""
        if b"\n" in rest or b"\r" in rest[:-1]:
            raise HttpError(400, causes.BAD_CHUNK, "line ending")
        if len(rest) > MAX_CHUNK_LINE:
            raise HttpError(400, causes.BAD_CHUNK, "line too long")
        self._buffer = rest

    def _trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > MAX_TRAILERS or self._count >= MAX_TRAILER_FIELDS:
            raise HttpError(400, causes.BAD_TRAILER, "too many")
        field = self._fields.get(line) or self._fields.parse(line)
        self._count += 1
        if field[2] == Kind.PLAIN and field[0] not in _FORBIDDEN_TRAILERS:
            self.trailers.append(field)


def chunk(content: bytes) -> bytes:
    """Return `content` (not empty) as one chunk."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def last_chunk(trailers: list[Field]) -> bytes:
    """Return the closing chunk with its trailer fields."""
    if not trailers:
        return b"0\r\n\r\n"
    return b"0\r\n%b\r\n" % b"".join([field[3] for field in trailers])
