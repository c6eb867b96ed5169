"""The control socket: `bascule reload|stop|upgrade|status` speak to the supervisor through it. Both ends."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule.server.channel import Channel
from bascule.server.framing import Decoder, encode
from bascule.server.poller import Poller

MAX_CONNECTIONS = 16
MAX_REQUEST = 4096
SILENCE = 10.0
"""Seconds a connection may take to say what it wants."""


class ControlServer:
    """Accepts commands on a listening UNIX socket that only the owner can reach.

    `on_call(name, answer)` handles one; the answer may come much later.
    """

    def __init__(
        self,
        sock: socket.socket,
        poller: Poller,
        on_call: Callable[[str, Callable[[dict[str, Any]], None]], None],
    ) -> None:
        self._sock = sock
        self._poller = poller
        self._on_call = on_call
        self._open = 0
        poller.watch(sock, self._accept)

    def close(self) -> None:
        """Accept no more commands."""
        self._poller.forget(self._sock)

    def _accept(self) -> None:
        try:
            sock, _peer = self._sock.accept()
        except OSError:  # it went away again, or an upgraded program took it
            return
        if self._open >= MAX_CONNECTIONS:
            sock.close()
            return
        self._open += 1

        def asked(message: Any) -> None:
            silence.cancel()
            if isinstance(message, dict) and isinstance(message.get("call"), str):
                self._on_call(message["call"], channel.send)
            else:
                channel.close()

        channel = Channel(sock, self._poller, asked, self._closed, limit=MAX_REQUEST)
        silence = self._poller.later(SILENCE, channel.close)

    def _closed(self) -> None:
        self._open -= 1


def call(control: Path, message: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Send a command to the supervisor and return its answer.

    Raises OSError if it cannot be reached, did not answer within `timeout` seconds, or ended instead.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(str(control))
        sock.sendall(encode(message))
        decoder = Decoder()
        while data := sock.recv(65536):
            for answer in decoder.feed(data):
                return dict(answer)
    raise ConnectionError("the supervisor ended without an answer")
