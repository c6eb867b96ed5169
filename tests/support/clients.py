"""A client that sends bytes as they are given and reads answers strictly."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
from dataclasses import dataclass, field
from typing import Any

from tests.support.program import PATIENCE

Fields = list[tuple[str, str]]


class EndedError(Exception):
    """The connection ended where more was expected; `read` is what came before."""

    def __init__(self, read: bytes) -> None:
        super().__init__(f"connection ended after {read[-200:]!r}")
        self.read = read


def reset(sock: socket.socket) -> None:
    """Close a connection by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@dataclass
class Message:
    """A message as it came: the words of its first line, its fields with names in lower case, and its body."""

    start: tuple[str, ...]
    fields: Fields
    raw: bytes = b""
    body: bytes = b""
    trailers: Fields = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.start[1])

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]

    def __getitem__(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, f"{name} more than once: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """Reads and writes HTTP/1.1 messages on a socket, without leniency."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE)
        self.buffer = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_error: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def more(self) -> bool:
        """Read some more bytes into the buffer; False at the end of the stream."""
        data = self.sock.recv(262144)
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        """Return all bytes up to and with `mark`. Raises EndedError."""
        while (end := self.buffer.find(mark)) < 0:
            if not self.more():
                raise EndedError(self.buffer)
        end += len(mark)
        found, self.buffer = self.buffer[:end], self.buffer[end:]
        return found

    def exactly(self, count: int) -> bytes:
        """Return `count` bytes. Raises EndedError."""
        parts, left = [self.buffer[:count]], count - len(self.buffer[:count])
        self.buffer = self.buffer[count:]
        while left:
            data = self.sock.recv(min(left, 1 << 20))
            if not data:
                raise EndedError(b"".join(parts))
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def rest(self) -> bytes:
        """Return all bytes to the end of the stream."""
        while self.more():
            pass
        found, self.buffer = self.buffer, b""
        return found

    def at_end(self) -> bool:
        """Whether the peer ended the stream without a further byte (a reset ends it, too)."""
        try:
            return not self.buffer and not self.more()
        except ConnectionResetError:
            return True

    def end(self) -> None:
        """End the sending direction."""
        self.sock.shutdown(socket.SHUT_WR)

    def head(self) -> Message:
        """Read a head."""
        raw = self.until(b"\r\n\r\n")
        first, *lines = raw[:-4].decode("latin-1").split("\r\n")
        return Message(tuple(first.split(" ", 2)), fields_of(lines), raw)

    def chunk(self) -> bytes:
        """Read one chunk; b"" is the last one, whose trailer section is left to be read."""
        line = self.until(b"\r\n")
        size = int(line[:-2], 16)
        assert line == b"%x\r\n" % size, line
        if not size:
            return b""
        content = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return content

    def read_body(self, message: Message, *, to_end: bool = False) -> Message:
        """Read the body of a message whose head was read; `to_end` if the end of the stream may delimit it."""
        length = message["content-length"]
        if message["transfer-encoding"] is not None:
            assert message["transfer-encoding"] == "chunked"
            assert length is None
            message.body = b"".join(iter(self.chunk, b""))
            lines = []
            while (line := self.until(b"\r\n")) != b"\r\n":
                lines.append(line[:-2].decode("latin-1"))
            message.trailers = fields_of(lines)
        elif length is not None:
            message.body = self.exactly(int(length))
        elif to_end:
            message.body = self.rest()
        return message

    def response(self, method: str = "GET") -> Message:
        """Read a whole response, interim ones left out."""
        while True:
            message = self.head()
            assert message.start[0].startswith("HTTP/1."), message.start
            if message.status >= 200 or message.status == 101:
                break
        if method == "HEAD" or message.status in (101, 204, 304):
            return message
        return self.read_body(message, to_end=True)


def fields_of(lines: list[str]) -> Fields:
    pairs = [line.partition(":") for line in lines]
    return [(name.lower(), value.strip()) for name, _, value in pairs]


def connect(port: int, source: str = "", context: ssl.SSLContext | None = None, name: str = "") -> Wire:
    """Open a connection to a port of this machine; with a `context` speak TLS for the server `name`."""
    if context is None:
        return Wire(socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0) if source else None))
    sock = context.wrap_socket(socket.socket(), server_hostname=name or None, suppress_ragged_eofs=False)
    try:  # wrapped before it is connected: wrap_socket does not close one that was reset meanwhile
        sock.settimeout(PATIENCE)
        if source:
            sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return Wire(sock)


def request(
    target: str = "/",
    method: str = "GET",
    host: str = "site.test",
    body: bytes | None = None,
    version: str = "HTTP/1.1",
    **fields: str,
) -> bytes:
    """Return the bytes of a request; underscores of further field names become hyphens."""
    lines = [f"{method} {target} {version}", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def ask(port: int, target: str = "/", method: str = "GET", host: str = "site.test", **options: Any) -> Message:
    """Send one request on a connection of its own; return the response."""
    with connect(port) as wire:
        wire.send(request(target, method, host, **options))
        return wire.response(method)


def capacity() -> int:
    """Bytes that the kernel takes for a connection whose client reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.getsockname())
        sender, _ = server.accept()
        with sender:
            sender.setblocking(False)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += sender.send(b"x" * 16384)
            return sent
