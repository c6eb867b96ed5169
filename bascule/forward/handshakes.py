"""What Bascule says to a parent before a tunnel stands: CONNECT (RFC 9110 9.3.6) and SOCKS 5 (RFC 1928). Sans-I/O.

Send `opening`, then what `feed` returns for each read, until `done`; `rest` are then the tunnel's first bytes.
"""

from __future__ import annotations

import base64
from typing import Protocol

from bascule.forward.socks import CONNECT, NAME, SIZES, host_5
from bascule.forward.socks_udp import packed
from bascule.forward.target import Target
from bascule.http.errors import HttpError
from bascule.http.h1.head import HEAD_END, ResponseParser
from bascule.telemetry import causes

MAX_ANSWER = 65536
"""Bytes of a parent's answer to CONNECT, page of its refusal not counted."""
MAX_INTERIM = 8
"""1xx answers before the final one."""
_NO_AUTH, _PASSWORD = 0, 2


class RefusedError(Exception):
    """The parent does not open the way. `cause` is one of telemetry/causes.py."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause


class Handshake(Protocol):
    """One handshake with a parent."""

    opening: bytes
    done: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """Take what the parent sent; return what is to be sent. Raises RefusedError."""


def basic(user: str, password: str) -> bytes:
    """Return the ``Basic`` credentials of a name and a password (RFC 7617 2)."""
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


class ConnectHandshake:
    """A CONNECT request with its answer; `credentials` as `basic` gives them, or empty."""

    __slots__ = ("_buffer", "_interim", "_parser", "done", "opening", "rest")

    def __init__(self, target: Target, credentials: bytes = b"") -> None:
        authority = target.authority.encode()
        login = b"proxy-authorization: %b\r\n" % credentials if credentials else b""
        self.opening = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (authority, authority, login)
        self.done = False
        self.rest = b""
        self._buffer = b""
        self._interim = 0
        self._parser = ResponseParser()

    def feed(self, data: bytes) -> bytes:
        """See Handshake."""
        self._buffer += data
        while (end := self._buffer.find(HEAD_END)) >= 0:
            raw, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
            try:
                status = self._parser.parse(raw, b"CONNECT").status
            except HttpError as error:
                raise RefusedError(causes.PARENT_REFUSED, f"malformed answer: {error}") from None
            if status >= 200:
                self._judge(status)
                return b""
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise RefusedError(causes.PARENT_REFUSED, "no final answer")
        if len(self._buffer) > MAX_ANSWER:
            raise RefusedError(causes.PARENT_REFUSED, "answer too long")
        return b""

    def _judge(self, status: int) -> None:
        if status == 407:
            raise RefusedError(causes.PARENT_AUTHENTICATION, "status 407")
        if status >= 300:
            raise RefusedError(causes.PARENT_REFUSED, f"status {status}")
        self.done = True
        self.rest, self._buffer = self._buffer, b""


class SocksHandshake:
    """SOCKS 5 as a client speaks it: greeting, name and password where the parent asks for them, request.

    A host name is sent as a name (RFC 1928 5, type 3): it is the parent that resolves it.
    """

    __slots__ = ("_buffer", "_login", "_next", "_request", "bound", "done", "opening", "rest")

    def __init__(self, target: Target, user: str = "", password: str = "", command: int = CONNECT) -> None:
        name, word = user.encode(), password.encode()
        self._login = bytes((1, len(name))) + name + bytes((len(word),)) + word if user else b""
        self._request = bytes((5, command, 0)) + place(target)
        self.opening = bytes((5, 2, _NO_AUTH, _PASSWORD)) if user else bytes((5, 1, _NO_AUTH))
        self.done = False
        self.rest = b""
        self.bound = b"", 0
        """Host, as in `SocksRequest`, and port that the parent tells: of use to datagrams only."""
        self._buffer = b""
        self._next = self._method

    def feed(self, data: bytes) -> bytes:
        """See Handshake."""
        self._buffer += data
        said = b""
        while not self.done:
            answer = self._next()
            if answer is None:
                return said
            said += answer
        self.rest, self._buffer = self._buffer, b""
        return said

    def _take(self, size: int) -> bytes:
        """Return the first bytes, or nothing while there are fewer."""
        if len(self._buffer) < size:
            return b""
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _method(self) -> bytes | None:
        message = self._take(2)
        if not message:
            return None
        if message[0] != 5:
            raise RefusedError(causes.PARENT_REFUSED, "not SOCKS 5")
        if message[1] == _NO_AUTH:
            self._next = self._reply
            return self._request
        if message[1] != _PASSWORD or not self._login:
            raise RefusedError(causes.PARENT_AUTHENTICATION, "no common authentication method")
        self._next = self._verdict
        return self._login

    def _verdict(self) -> bytes | None:
        message = self._take(2)
        if not message:
            return None
        if message[1]:
            raise RefusedError(causes.PARENT_AUTHENTICATION, "name or password refused")
        self._next = self._reply
        return self._request

    def _reply(self) -> bytes | None:
        """RFC 1928 6: the bound address has one of three lengths."""
        buffer = self._buffer
        if len(buffer) < 5:
            return None
        if buffer[0] != 5:
            raise RefusedError(causes.PARENT_REFUSED, "not SOCKS 5")
        if buffer[1]:
            raise RefusedError(causes.PARENT_REFUSED, f"code {buffer[1]}")
        size = 1 + buffer[4] if buffer[3] == NAME else SIZES.get(buffer[3])
        if size is None:
            raise RefusedError(causes.PARENT_REFUSED, "unknown address type")
        message = self._take(6 + size)
        if not message:
            return None
        self.bound = host_5(message[3], message[4:-2]), int.from_bytes(message[-2:], "big")
        self.done = True
        return b""


def place(target: Target) -> bytes:
    """Return host and port as SOCKS 5 writes them."""
    if target.address:
        return packed(target.address, target.port)
    name = target.host.encode()
    return bytes((NAME, len(name))) + name + target.port.to_bytes(2, "big")
