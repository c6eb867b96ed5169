"""The server name of a ClientHello, read before OpenSSL sees it (RFC 8446 4.1.2, RFC 6066 3).

The name decides which context makes the connection, and with it the certificate, the client certificates asked for
and the keys of session tickets. OpenSSL's own callback comes too late for the last two: a session made for one name
could be resumed for another and pass its client authentication (CVE-2025-23419).
"""

from __future__ import annotations

from typing import Final

MAX_HELLO: Final = 16384
"""Bytes of a ClientHello, record headers included. Browsers with post-quantum key shares send about 2 KiB."""
_MAX_RECORDS: Final = 32
"""Records it may be spread over: each piece that arrives has them walked over again."""

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_FAULTS: Final = bytes(byte if 0x20 < byte < 0x7F else 0 for byte in range(256))
"""Turns what no host name holds into NUL."""


class HelloError(ValueError):
    """Not a ClientHello; `reason` is ``not_tls``, ``bad_hello`` or ``hello_too_large``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def server_name(data: bytes) -> bytes | None:
    """Return the lower-case server name of the ClientHello that `data` begins with, or ``b""`` if it names none.

    Returns None while the ClientHello is incomplete. Raises HelloError when it can never become one.
    """
    hello = body(data)
    if hello is None:
        if len(data) >= MAX_HELLO:
            raise HelloError("hello_too_large")
        return None
    try:
        return _server_name(hello)
    except IndexError:
        raise HelloError("bad_hello") from None


def body(data: bytes) -> bytes | None:
    """Return the body of the handshake message, put together from its records (RFC 8446 5.1), or None.

    Raises HelloError when it can never become a ClientHello.
    """
    if data[:1] and data[0] != _HANDSHAKE:
        raise HelloError("not_tls")
    if data[1:2] and data[1] != 3:
        raise HelloError("not_tls")
    message = b""
    position = 0
    for _ in range(_MAX_RECORDS):
        if len(data) < position + 5:
            return None
        if data[position] != _HANDSHAKE:
            raise HelloError("bad_hello")
        size = int.from_bytes(data[position + 3 : position + 5], "big")
        if not 0 < size <= MAX_HELLO:
            raise HelloError("bad_hello")
        message += data[position + 5 : position + 5 + size]
        position += 5 + size
        if message and message[0] != _CLIENT_HELLO:
            raise HelloError("bad_hello")
        if len(message) < 4:
            continue
        end = 4 + int.from_bytes(message[1:4], "big")
        if end > MAX_HELLO:
            raise HelloError("hello_too_large")
        if len(message) >= end:
            return message[4:end]
    raise HelloError("hello_too_large")


def _server_name(hello: bytes) -> bytes:
    """Walk over version, random, session id, cipher suites and compression methods to the extensions."""
    position = 34
    position += 1 + hello[position]
    position += 2 + (hello[position] << 8 | hello[position + 1])
    position += 1 + hello[position]
    if position == len(hello):
        return b""
    end = position + 2 + (hello[position] << 8 | hello[position + 1])
    position += 2
    if end != len(hello):
        raise HelloError("bad_hello")
    while position < end:
        kind = hello[position] << 8 | hello[position + 1]
        size = hello[position + 2] << 8 | hello[position + 3]
        position += 4
        if kind == _SERVER_NAME:
            return _host_name(hello[position : position + size])
        position += size
    return b""


def _host_name(extension: bytes) -> bytes:
    """RFC 6066 3: a list that holds one name of the type host_name."""
    size = extension[3] << 8 | extension[4]
    if extension[2] != _HOST_NAME or len(extension) != 5 + size or extension[0] << 8 | extension[1] != 3 + size:
        raise HelloError("bad_hello")
    name = extension[5:].lower()
    if not name or 0 in name.translate(_FAULTS):
        raise HelloError("bad_hello")
    return name.removesuffix(b".")
