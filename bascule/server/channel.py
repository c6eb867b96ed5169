"""The supervisor's end of a conversation in framed messages: with a child, or with a command on the control socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from bascule.server.framing import Decoder, FramingError, encode
from bascule.server.poller import Poller

MAX_UNSENT = 1 << 20
"""Bytes that may wait for a peer when there is one message more; one that reads nothing for so long is cut off."""


class Channel:
    """Non-blocking and bounded. `on_message(message)` for each that comes, `on_close()` once at the end."""

    def __init__(
        self,
        sock: socket.socket,
        poller: Poller,
        on_message: Callable[[Any], None],
        on_close: Callable[[], None],
        *,
        limit: int,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._poller = poller
        self._on_message = on_message
        self._on_close = on_close
        self._decoder = Decoder(limit)
        self._unsent = bytearray()
        self.closed = False
        poller.watch(sock, self._read)

    def send(self, message: Any) -> None:
        """Send soon; a no-op once closed."""
        if self.closed:
            return
        if len(self._unsent) > MAX_UNSENT:
            self.close()
            return
        self._unsent += encode(message)
        self._flush()

    def drain(self) -> None:
        """Read what has already arrived: the last words of a child that ended."""
        while not self.closed and self._read():
            pass

    def close(self) -> None:
        """Close at once. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self._poller.forget(self._sock)
        self._sock.close()
        self._on_close()

    def _read(self) -> bool:
        """Read once; False when there was nothing, not even the end."""
        try:
            data = self._sock.recv(65536)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return True
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
                if self.closed:
                    break
        except FramingError:
            self.close()
        return True

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            return
        del self._unsent[:sent]
        self._poller.watch_write(self._sock, self._flush if self._unsent else None)
