"""WebSocket frames (RFC 6455 5) and their compression (RFC 7692), read for inspection. Sans-I/O.

`ClientFrames` cuts a client's bytes into what may be passed on at once and whole text messages, which are judged
first. `ServerFrames` only knows where a frame of the other direction ends, so that a Close can be put between two.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterator
from typing import NamedTuple

POLICY_VIOLATION, TOO_BIG, PROTOCOL_ERROR, INVALID_PAYLOAD = 1008, 1009, 1002, 1007
"""Close codes (RFC 6455 7.4.1)."""
MAX_RATIO = 100
"""How many times larger than its compressed form a binary message may be, beyond `FREE` bytes."""
FREE = 1 << 20
_STEP = 65536
_SYNC = b"\x00\x00\xff\xff"
"""What a sender leaves out at the end of each compressed message (RFC 7692 7.2.1)."""
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FIN, _RSV1, _RSV23, _MASKED = 0x80, 0x40, 0x30, 0x80


class WebSocketError(ValueError):
    """The peer broke the protocol, or a bound; `code` is what to close with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Piece(NamedTuple):
    """Bytes as they came, and the text if they are a whole text message."""

    raw: bytes
    text: bytes | None = None


class _Header(NamedTuple):
    opcode: int
    fin: bool
    compressed: bool
    size: int
    length: int
    """Of the header itself."""


def compression(extensions: list[bytes]) -> Inflater | None:
    """Return what decompresses a client's messages, by the Sec-WebSocket-Extensions that the server agreed to.

    Raises WebSocketError for an extension that would change frames in a way not known here.
    """
    agreed = [one.strip() for value in extensions for one in value.split(b",") if one.strip()]
    if not agreed:
        return None
    name, *parameters = [part.strip().lower() for part in agreed[0].split(b";")]
    if name != b"permessage-deflate" or len(agreed) > 1:
        raise WebSocketError(PROTOCOL_ERROR, f"unknown extension {b', '.join(agreed).decode('latin-1')!r}")
    return Inflater(takeover=b"client_no_context_takeover" not in parameters)


class Inflater:
    """Decompresses messages, one after the other. The output is bounded, whatever comes in."""

    def __init__(self, takeover: bool = True) -> None:
        self._takeover = takeover
        self._new()

    def _new(self) -> None:
        # A window of 32 KiB reads what was written with any smaller one.
        self._inflate = zlib.decompressobj(-15)
        self._taken = self._given = 0

    def whole(self, data: bytes, limit: int) -> bytes:
        """Return a message, decompressed. Raises WebSocketError if it is no such thing or larger than `limit`."""
        try:
            text = self._inflate.decompress(data + _SYNC, limit + 1)
        except zlib.error as error:
            raise WebSocketError(INVALID_PAYLOAD, f"not compressed as agreed: {error}") from None
        if len(text) > limit:
            raise WebSocketError(TOO_BIG, f"message of more than {limit} bytes")
        self._end()
        return text

    def skip(self, data: bytes, last: bool) -> None:
        """Follow a message that is not looked at: later ones may refer to it. Raises WebSocketError."""
        self._taken += len(data)
        data += _SYNC if last else b""
        while data:
            try:
                self._given += len(self._inflate.decompress(data, _STEP))
            except zlib.error as error:
                raise WebSocketError(INVALID_PAYLOAD, f"not compressed as agreed: {error}") from None
            if self._given > FREE and self._given > MAX_RATIO * self._taken:
                raise WebSocketError(TOO_BIG, f"message more than {MAX_RATIO} times larger than what was sent")
            data = self._inflate.unconsumed_tail
        if last:
            self._end()

    def _end(self) -> None:
        if self._takeover and not self._inflate.eof:
            self._taken = self._given = 0
        else:
            self._new()


class ClientFrames:
    """Reads what a client sends. `limit` is the largest text message, in bytes on the wire and decompressed."""

    def __init__(self, limit: int, inflater: Inflater | None = None) -> None:
        self._limit = limit
        self._inflater = inflater
        self._buffer = bytearray()
        self._held: list[bytes] = []
        self._text: list[bytes] = []
        self._size = 0
        self._message = _CONTINUATION
        """Opcode of the message in progress, or none."""
        self._compressed = False
        self._passing = _Header(0, True, False, 0, 0)
        self._left = 0
        self._mask = b""
        self._closed = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take bytes and yield the pieces that they complete. Raises WebSocketError, after which nothing goes on."""
        buffer = self._buffer
        buffer += data
        while buffer and not self._closed:
            if self._left:
                yield self._pass_payload()
                continue
            header = self._header()
            if header is None:
                return
            if header.opcode == _BINARY or (header.opcode == _CONTINUATION and self._message == _BINARY):
                yield self._begin_payload(header)
            elif len(buffer) < header.length + header.size:
                return
            elif header.opcode >= _CLOSE:
                self._closed = header.opcode == _CLOSE
                yield Piece(self._cut(header.length + header.size))
            elif (piece := self._text_frame(header)) is not None:
                yield piece

    def _header(self) -> _Header | None:
        """Return the header that the buffer begins with, if it is whole and legal (RFC 6455 5.2)."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, size, length = first & 0x0F, second & 0x7F, 6
        compressed = bool(first & _RSV1)
        self._check(opcode, bool(first & _FIN), compressed, size)
        if first & _RSV23:
            raise WebSocketError(PROTOCOL_ERROR, "reserved bit set")
        if not second & _MASKED:
            raise WebSocketError(PROTOCOL_ERROR, "frame of a client without a mask")
        if size >= 126:
            extra = 2 if size == 126 else 8
            length += extra
            if len(buffer) < 2 + extra:
                return None
            size = int.from_bytes(buffer[2 : 2 + extra], "big")
            if size < (126 if extra == 2 else 65536) or size >> 63:
                raise WebSocketError(PROTOCOL_ERROR, "length not in its shortest form")
        text = opcode == _TEXT or (opcode == _CONTINUATION and self._message == _TEXT)
        if text and self._size + size > self._limit:
            raise WebSocketError(TOO_BIG, f"text message of more than {self._limit} bytes")
        return None if len(buffer) < length else _Header(opcode, bool(first & _FIN), compressed, size, length)

    def _check(self, opcode: int, fin: bool, compressed: bool, size: int) -> None:
        """Hold a frame to its place (RFC 6455 5.4, 5.5; RFC 7692 6)."""
        if opcode >= _CLOSE:
            if opcode > _PONG or not fin or size > 125 or compressed:
                raise WebSocketError(PROTOCOL_ERROR, "malformed control frame")
        elif opcode > _BINARY:
            raise WebSocketError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        elif (opcode == _CONTINUATION) != (self._message != _CONTINUATION):
            raise WebSocketError(PROTOCOL_ERROR, "fragments of messages out of order")
        elif compressed and (opcode == _CONTINUATION or self._inflater is None):
            raise WebSocketError(PROTOCOL_ERROR, "compressed frame where none was agreed to")

    def _cut(self, size: int) -> bytes:
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    def _start(self, header: _Header) -> None:
        if header.opcode != _CONTINUATION:
            self._message, self._compressed = header.opcode, header.compressed

    def _text_frame(self, header: _Header) -> Piece | None:
        """Take a whole frame of a text message; return the message if it ends here."""
        self._start(header)
        raw = self._cut(header.length + header.size)
        self._held.append(raw)
        self._text.append(unmask(raw[header.length :], raw[header.length - 4 : header.length]))
        # An empty fragment costs its sender six bytes and us an entry: it counts.
        self._size += header.size + header.length
        if not header.fin:
            return None
        text = b"".join(self._text)
        if self._compressed and self._inflater is not None:
            text = self._inflater.whole(text, self._limit)
        piece = Piece(b"".join(self._held), text)
        self._held.clear()
        self._text.clear()
        self._size, self._message = 0, _CONTINUATION
        return piece

    def _begin_payload(self, header: _Header) -> Piece:
        """Pass on the header of a binary frame; its payload follows as it comes."""
        self._start(header)
        raw = self._cut(header.length)
        self._passing, self._left, self._mask = header, header.size, raw[-4:]
        if not header.size:
            self._payload_passed(b"")
        return Piece(raw)

    def _pass_payload(self) -> Piece:
        raw = self._cut(self._left)
        self._left -= len(raw)
        self._payload_passed(raw)
        return Piece(raw)

    def _payload_passed(self, raw: bytes) -> None:
        over = self._passing.fin and not self._left
        if self._compressed and self._inflater is not None:
            self._inflater.skip(unmask(raw, self._mask), over)
            turn = len(raw) % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
        if over:
            self._message = _CONTINUATION


class ServerFrames:
    """Follows the frames of a server, which are not looked at."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    @property
    def between(self) -> bool:
        """Whether the bytes up to now end with a frame."""
        return not self._left and not self._head

    def feed(self, data: bytes, stop: bool = False) -> int:
        """Follow `data`, with `stop` only to the end of the frame in progress; return how many bytes were taken."""
        at, size = 0, len(data)
        while at < size and not (stop and self.between):
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                at += step
                continue
            self._head += data[at : at + 1]
            at += 1
            self._complete_head()
        return at

    def _complete_head(self) -> None:
        head = self._head
        if len(head) < 2:
            return
        short = head[1] & 0x7F
        extra = {126: 2, 127: 8}.get(short, 0)
        if len(head) < 2 + extra:
            return
        size = int.from_bytes(head[2:], "big") if extra else short
        self._left = size + (4 if head[1] & _MASKED else 0)
        self._head = b""


def unmask(data: bytes, mask: bytes) -> bytes:
    """Undo a client's masking (RFC 6455 5.3)."""
    size = len(data)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")


def close_frame(code: int, reason: str, masked: bool = False) -> bytes:
    """Return a Close frame: masked as a client's, or not as a server's. `reason` is cut to fit."""
    payload = code.to_bytes(2, "big") + reason.encode()[:120]
    if not masked:
        return bytes((_FIN | _CLOSE, len(payload))) + payload
    mask = secrets.token_bytes(4)
    return bytes((_FIN | _CLOSE, _MASKED | len(payload))) + mask + unmask(payload, mask)
