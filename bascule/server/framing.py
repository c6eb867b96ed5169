"""Messages between the processes: JSON behind a length, on stream sockets. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

MAX_MESSAGE = 4 << 20
"""Bytes of a message: the members of the largest pool fit many times over."""

_LENGTH = 4
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class FramingError(ValueError):
    """The peer does not speak this protocol, or sent more than `MAX_MESSAGE`."""


def encode(message: Any) -> bytes:
    """Return the frame of a JSON-able message. Raises FramingError if it is longer than `MAX_MESSAGE`."""
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE:
        raise FramingError(f"a message of {len(body)} bytes is longer than the {MAX_MESSAGE} allowed")
    return len(body).to_bytes(_LENGTH, "big") + body


class Decoder:
    """Turns bytes into messages; holds one message of at most `limit` bytes and what came with it."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Yield the messages that `data` completes. Raises FramingError; the connection is then useless."""
        self._data += data
        while len(self._data) >= _LENGTH:
            length = int.from_bytes(self._data[:_LENGTH], "big")
            if length > self._limit:
                raise FramingError(f"a message of {length} bytes is longer than the {self._limit} allowed")
            end = _LENGTH + length
            if len(self._data) < end:
                return
            body = bytes(self._data[_LENGTH:end])
            del self._data[:end]
            try:
                yield _decoder.decode(body)
            except msgspec.DecodeError as error:
                raise FramingError(f"not JSON: {error}") from None
