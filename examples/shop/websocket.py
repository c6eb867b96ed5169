"""Just enough of the WebSocket protocol (RFC 6455) for an echo."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit import Handler

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_MESSAGE = 65536
_CLOSE, _PING, _PONG = 8, 9, 10


def accept(key: str) -> str:
    """Return the answer to a client's key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def echo(handler: Handler) -> None:
    """Send every message back until the client closes."""
    handler.close_connection = True
    while (frame := _read(handler)) is not None:
        opcode, content = frame
        if opcode == _CLOSE:
            _write(handler, _CLOSE, content[:2])
            return
        if opcode == _PING:
            _write(handler, _PONG, content)
        elif opcode != _PONG:
            _write(handler, opcode, content)


def _read(handler: Handler) -> tuple[int, bytes] | None:
    """Read a whole message or control frame; None at the end, or where the client breaks the rules."""
    message, kind = b"", 0
    while True:
        head = handler.rfile.read(2)
        if len(head) < 2 or not head[1] & 0x80:  # section 5.1: a client masks
            return None
        size = head[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(handler.rfile.read(2 if size == 126 else 8), "big")
        if size + len(message) > MAX_MESSAGE:
            return None
        mask = handler.rfile.read(4)
        content = bytes(byte ^ mask[place % 4] for place, byte in enumerate(handler.rfile.read(size)))
        opcode = head[0] & 0x0F
        if opcode >= _CLOSE:
            return opcode, content
        kind = opcode or kind
        message += content
        if head[0] & 0x80:
            return kind, message


def _write(handler: Handler, opcode: int, content: bytes) -> None:
    size = bytes((len(content),)) if len(content) < 126 else b"\x7e" + len(content).to_bytes(2, "big")
    if len(content) > 0xFFFF:
        size = b"\x7f" + len(content).to_bytes(8, "big")
    handler.wfile.write(bytes((0x80 | opcode,)) + size + content)
    handler.wfile.flush()
