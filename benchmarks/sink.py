"""An origin that reads a whole upload, then answers how much came: `python -m benchmarks.sink PORT`."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BUFFER_BYTES = 1 << 20


class Sink(BaseHTTPRequestHandler):
    """Reads the body of a PUT into one buffer again and again."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_PUT(self) -> None:
        """Answer 200 with the count of bytes; 411 when the request does not say how many to expect."""
        length = self.headers.get("Content-Length")
        if length is None:
            self.send_error(411)
            return
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        left = int(length)
        # http.server's rfile is a BufferedReader: a read larger than its buffer goes straight to the socket
        while left and (got := self.rfile.readinto1(buffer[: min(left, _BUFFER_BYTES)])):
            left -= got
        answer = str(int(length) - left).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the proxy writes the log."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink) as server:
        server.daemon_threads = True
        server.serve_forever()
