"""An application with the two classic holes: it pastes what it is sent into its SQL and into its pages."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>t</title>
<p>{0}</p>
<input value="{0}"><input value='{0}'><input value={0}>
<a href="{0}">follow</a>
<script>var a = "{0}";</script><script>var b = '{0}';</script><script>var c = `{0}`;</script>
"""
"""What is sent, in the places where pages put such things."""


class Vulnerable:
    """The running application; `queries` are the statements that reached its database."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self._lock = threading.Lock()
        self._base = sqlite3.connect(":memory:", check_same_thread=False)
        self._base.executescript(
            "CREATE TABLE items(id INTEGER, name TEXT); INSERT INTO items VALUES (1, 'boat'), (2, 'car');"
            "CREATE TABLE users(name TEXT, password TEXT); INSERT INTO users VALUES ('admin', 'hunter2');"
        )

    def ask(self, query: str) -> str:
        """Run a statement; the answer or the database's own complaint, as careless applications show it."""
        with self._lock:
            self.queries.append(query)
            try:
                return repr(self._base.execute(query).fetchall())
            except sqlite3.Error as error:
                return f"sqlite3.OperationalError: {error}"

    def answer(self, path: str, fields: dict[str, str]) -> str:
        """Return the page of a request."""
        if path == "/item":
            return self.ask(f"SELECT name FROM items WHERE id = {fields.get('id', '1')}")
        if path == "/find":
            return self.ask(f"SELECT name FROM items WHERE name = '{fields.get('name', 'boat')}'")
        return PAGE.format(" ".join(fields.values()))


@contextlib.contextmanager
def vulnerable() -> Iterator[tuple[Vulnerable, int]]:
    """The application on a port of its own."""
    application = Vulnerable()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self.reply(application.answer(url.path, first(url.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("utf-8", "replace")
            self.reply(application.answer(urlsplit(self.path).path, first(body) or {"": unquote(body)}))

        def reply(self, page: str) -> None:
            data = page.encode("utf-8", "replace")
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield application, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def first(query: str) -> dict[str, str]:
    """Return the first value of each field of a query."""
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
