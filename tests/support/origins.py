"""Origins for tests: a scripted one for which every byte can be chosen, and nginx."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.clients import EndedError, Message, Wire, reset
from tests.support.program import PATIENCE, wait_for
from tests.support.programs import require_program

Handler = Callable[[Wire, Message], bool | None]
"""Answers a request whose head was read. False ends the connection (and what it said of it is all it says)."""


def answer(body: bytes = b"hello", status: str = "200 OK", *fields: str) -> bytes:
    """Return the bytes of a response with a length."""
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def mirror(wire: Wire, message: Message) -> bool:
    """Answer with what was received, as JSON, in the order and spelling of the bytes received."""
    wire.read_body(message)
    told = {
        "start": message.start,
        "fields": message.fields,
        "body": message.body.decode("latin-1"),
        "trailers": message.trailers,
    }
    body = b"" if message.start[0] == "HEAD" else json.dumps(told).encode()
    wire.send(answer(body, "200 OK", "Content-Type: application/json"))
    return True


class Origin:
    """A server on a port of its own (or at a UNIX socket); each connection has a thread.

    `handler` answers the requests; a test may put another one in its place at any time, also for connections that
    are open. `seen` are the requests that came.
    """

    def __init__(
        self,
        handler: Handler = mirror,
        *,
        path: str = "",
        port: int = 0,
        context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.handler = handler
        self.seen: list[Message] = []
        self.connections = 0
        self.called: list[str] = []
        """The address of this machine that each connection came to."""
        self._context = context
        self._open: set[socket.socket] = set()
        if path:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(path)
            self._socket.listen(128)
        else:
            self._socket = socket.create_server((host, port), backlog=128)
        self.port: int = 0 if path else self._socket.getsockname()[1]
        self.address = f"unix:{path}" if path else f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Origin:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Stop to listen and reset every connection, as the end of a process does."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(PATIENCE)
        for sock in list(self._open):
            with contextlib.suppress(OSError):  # its thread may close it at the same time
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            if sock.family == socket.AF_INET:
                self.called.append(sock.getsockname()[0])
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            secure = sock if self._context is None else self._context.wrap_socket(sock, server_side=True)
            with Wire(secure) as wire:
                while True:
                    message = wire.head()
                    self.seen.append(message)
                    if not self.handler(wire, message):
                        return
        except (EndedError, OSError, ValueError):
            return
        finally:
            self._open.discard(sock)
            sock.close()


def always(response: bytes) -> Handler:
    """A handler that reads the whole request and sends these bytes."""

    def handle(wire: Wire, message: Message) -> bool:
        wire.read_body(message)
        wire.send(response)
        return True

    return handle


def silent(wire: Wire, message: Message) -> bool:
    """Say nothing until the other side goes."""
    with contextlib.suppress(OSError):
        wire.rest()
    return False


def resets(wire: Wire, message: Message) -> bool:
    """Reset the connection once the request is here."""
    wire.read_body(message)
    reset(wire.sock)
    return False


@contextlib.contextmanager
def nginx(folder: Path, server: str) -> Iterator[str]:
    """Run nginx with the directives of one server that listens at a UNIX socket; yields its address.

    A UNIX socket needs no port, so that nothing can collide; `root` is the folder.
    """
    binary = require_program("nginx")
    path = folder / "nginx.sock"
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (folder / name).mkdir()
    temporary = " ".join(
        f"{name}_temp_path {folder}/{directory};"
        for name, directory in [
            ("client_body", "body"),
            *((name, name) for name in ("proxy", "fastcgi", "uwsgi", "scgi")),
        ]
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary} types {{ text/html html; }}\n"
        f"server {{ listen unix:{path}; root {folder}; {server} }} }}\n"
    )
    process = subprocess.Popen([binary, "-p", str(folder), "-c", str(file)], stderr=subprocess.PIPE)
    try:
        wait_for(lambda: _listens(path) or process.poll() is not None, "nginx")
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield f"unix:{path}"
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return path.exists() and sock.connect_ex(str(path)) == 0
