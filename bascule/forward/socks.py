"""SOCKS 4, 4a and 5 as a server reads them (RFC 1928, RFC 1929, Ying-Da Lee's SOCKS 4 and 4A notes). Sans-I/O.

Feed what the client sends; send what `feed` returns; then look at `login` (a name and a password wait for `verdict`)
and `request` (the handshake is over, answer it with `reply`).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import IntEnum

from bascule.telemetry import causes

MAX_HANDSHAKE = 1024
"""Bytes held of an unfinished message: the longest that the protocols know has 513."""
MAX_USER = 255
"""Bytes of the SOCKS 4 user id, which has no limit of its own."""
VERSIONS = (4, 5)
"""First byte of a SOCKS connection; no HTTP request and no TLS handshake begins with one of them."""
_NO_AUTH, _PASSWORD, _NOTHING_SUITS = 0, 2, 0xFF
CONNECT, BIND, UDP_ASSOCIATE = 1, 2, 3
IPV4, NAME, IPV6 = 1, 3, 4
SIZES = {IPV4: 4, IPV6: 16}
"""Bytes of an address by its type; those of a name stand before it."""


class Reply(IntEnum):
    """What became of a request: the codes of SOCKS 5 (RFC 1928 6)."""

    SUCCEEDED = 0
    FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    REFUSED = 5
    TIMED_OUT = 6
    UNKNOWN_COMMAND = 7
    UNKNOWN_ADDRESS_TYPE = 8


class SocksError(Exception):
    """The client does not speak SOCKS, or what it asks is not served. `answer` is to be sent before the end."""

    def __init__(self, reason: str, answer: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer


@dataclass(frozen=True, slots=True)
class SocksRequest:
    """What a client asks: connect to a host (lower case; IPv6 in brackets) at a port, or relay datagrams (`udp`)."""

    version: int
    host: bytes
    port: int
    user: bytes = b""
    """The user id of SOCKS 4, which proves nothing."""
    udp: bool = False


class SocksHandshake:
    """One handshake. `needs_login` asks SOCKS 5 clients for name and password, and refuses SOCKS 4, which has none;
    with `udp` they may also ask for a relay of datagrams."""

    __slots__ = (
        "_buffer",
        "_commands",
        "_greeted",
        "_logged_in",
        "_needs_login",
        "login",
        "request",
        "rest",
        "version",
    )

    def __init__(self, needs_login: bool = False, udp: bool = False) -> None:
        self._needs_login = needs_login
        self._commands = (CONNECT, UDP_ASSOCIATE) if udp else (CONNECT,)
        self._buffer = b""
        self._greeted = False
        self._logged_in = False
        self.version = 0
        self.login: tuple[bytes, bytes] | None = None
        """Name and password that wait for a verdict; nothing further is read until then."""
        self.request: SocksRequest | None = None
        self.rest = b""
        """What came behind the request: the first bytes of the tunnel, from a client that does not wait."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the client; return those to send. Raises SocksError."""
        self._buffer += data
        if self.login is not None or self.request is not None:
            return b""
        answer = b""
        while self._buffer and self.login is None and self.request is None:
            try:
                step = self._step()
            except SocksError as error:  # what was sent before is answered, too
                raise SocksError(error.reason, answer + error.answer) from None
            if step is None:
                if len(self._buffer) > MAX_HANDSHAKE:
                    raise SocksError("handshake too long")
                break
            answer += step
        if self.request is not None:
            self.rest, self._buffer = self._buffer, b""
        return answer

    def verdict(self, accepted: bool) -> bytes:
        """Say whether name and password are right. Return the answer; after a refusal the connection must end."""
        self.login = None
        self._logged_in = accepted
        return b"\x01\x00" if accepted else b"\x01\x01"

    def _step(self) -> bytes | None:
        """Read one message and return the answer, or None if it is not whole yet."""
        if not self.version:
            self.version = self._buffer[0]
            if self.version not in VERSIONS:
                raise SocksError("not SOCKS")
        if self.version == 4:
            return self._request_4()
        if not self._greeted:
            return self._greeting()
        if self._needs_login and not self._logged_in:
            return self._password()
        return self._request_5()

    def _take(self, size: int) -> bytes | None:
        if len(self._buffer) < size:
            return None
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _greeting(self) -> bytes | None:
        """RFC 1928 3: the methods the client can, of which we choose one."""
        count = self._buffer[1] if len(self._buffer) > 1 else 0xFF
        message = self._take(2 + count)
        if message is None:
            return None
        wanted = _PASSWORD if self._needs_login else _NO_AUTH
        if wanted not in message[2:]:
            raise SocksError("no common authentication method", bytes((5, _NOTHING_SUITS)))
        self._greeted = True
        return bytes((5, wanted))

    def _password(self) -> bytes | None:
        """RFC 1929 2: version 1, name and password, each behind its length."""
        if self._buffer[0] != 1:
            raise SocksError("not a password message", b"\x01\x01")
        buffer = self._buffer
        if len(buffer) < 2 or len(buffer) < 3 + buffer[1]:
            return None
        name_end = 2 + buffer[1]
        message = self._take(name_end + 1 + buffer[name_end])
        if message is None:
            return None
        self.login = (message[2:name_end], message[name_end + 1 :])
        return b""

    def _request_5(self) -> bytes | None:
        """RFC 1928 4."""
        buffer = self._buffer
        if buffer[0] != 5:
            raise SocksError("not a SOCKS 5 request", reply(5, Reply.FAILURE))
        if len(buffer) < 5:
            return None
        kind = buffer[3]
        size = 1 + buffer[4] if kind == NAME else SIZES.get(kind)
        if size is None:
            raise SocksError("unknown address type", reply(5, Reply.UNKNOWN_ADDRESS_TYPE))
        message = self._take(6 + size)
        if message is None:
            return None
        if message[1] not in self._commands:
            raise SocksError("command not served", reply(5, Reply.UNKNOWN_COMMAND))
        address, port = message[4 : 4 + size], int.from_bytes(message[-2:], "big")
        self.request = SocksRequest(5, host_5(kind, address), port, udp=message[1] == UDP_ASSOCIATE)
        return b""

    def _request_4(self) -> bytes | None:
        """VN, CD, DSTPORT, DSTIP, USERID, NUL; with 4A (DSTIP 0.0.0.x, x not 0) a name and another NUL."""
        buffer = self._buffer
        end = buffer.find(b"\0", 8)
        if len(buffer) < 9 or end < 0:
            if len(buffer) > 8 + MAX_USER:
                raise SocksError("user id too long", reply(4, Reply.FAILURE))
            return None
        host = socket.inet_ntoa(buffer[4:8]).encode()
        if buffer[4:7] == b"\0\0\0" and buffer[7]:
            start, end = end + 1, buffer.find(b"\0", end + 1)
            if end < 0:
                if len(buffer) - start > 255:
                    raise SocksError("host name too long", reply(4, Reply.FAILURE))
                return None
            host = _name(buffer[start:end])
        if buffer[1] != CONNECT:
            raise SocksError("command not served", reply(4, Reply.UNKNOWN_COMMAND))
        if self._needs_login:
            raise SocksError("SOCKS 4 has no password, and one is needed", reply(4, Reply.NOT_ALLOWED))
        user = buffer[8 : buffer.find(b"\0", 8)]
        self._buffer = buffer[end + 1 :]
        self.request = SocksRequest(4, host, int.from_bytes(buffer[2:4], "big"), user)
        return b""


def host_5(kind: int, address: bytes) -> bytes:
    """Return the host of an address as SOCKS 5 writes it; of a name its length stands before it."""
    if kind == IPV4:
        return socket.inet_ntoa(address).encode()
    if kind == IPV6:
        return b"[" + socket.inet_ntop(socket.AF_INET6, address).encode() + b"]"
    return _name(address[1:])


def _name(name: bytes) -> bytes:
    """Return a host name in lower case, without a trailing dot; an IPv6 address that stands in its place in brackets.

    It may be anything at this point: `target.make_target` checks it.
    """
    name = name.lower()
    if b":" in name:
        return b"[" + name.strip(b"[]") + b"]"
    return name[:-1] if name.endswith(b".") and len(name) > 1 else name


def reply(version: int, code: Reply) -> bytes:
    """Return the answer to a request. The bound address is told as 0.0.0.0:0: it is of no use to CONNECT."""
    if version == 4:
        return bytes((0, 0x5A if code is Reply.SUCCEEDED else 0x5B)) + bytes(6)
    return bytes((5, code, 0, IPV4)) + bytes(6)


_REPLIES = {
    causes.DNS_FAILED: Reply.HOST_UNREACHABLE,
    causes.CONNECT_FAILED: Reply.REFUSED,
    causes.CONNECT_TIMEOUT: Reply.TIMED_OUT,
    causes.BANNED: Reply.NOT_ALLOWED,
    causes.EGRESS_CLIENT: Reply.NOT_ALLOWED,
    causes.EGRESS_DENIED: Reply.NOT_ALLOWED,
    causes.EGRESS_PRIVATE: Reply.NOT_ALLOWED,
    causes.EGRESS_PORT: Reply.NOT_ALLOWED,
    causes.EGRESS_LOOP: Reply.NOT_ALLOWED,
    causes.PROXY_AUTHENTICATION: Reply.NOT_ALLOWED,
    causes.QUOTA_USED: Reply.NOT_ALLOWED,
    causes.PARENT_REFUSED: Reply.HOST_UNREACHABLE,
}


def reply_for(cause: str) -> Reply:
    """Return the code that tells a client of a refusal or failure."""
    return _REPLIES.get(cause, Reply.FAILURE)
