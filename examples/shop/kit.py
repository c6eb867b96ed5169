"""The shop's web kit: requests, responses, a table of routes, on the standard library's threading server."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from functools import cached_property
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from store import Store

MAX_BODY = 2 << 20
Headers = list[tuple[str, str]]


class RequestError(Exception):
    """Ends the handling of a request with a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Upload:
    """A file of a multipart form."""

    name: str
    content: bytes


@dataclass
class Request:
    """One request, with the shop's database at hand."""

    method: str
    target: str
    headers: Any
    body: bytes
    store: Store
    address: str
    """Where this replica listens, as host:port."""
    files: dict[str, Upload] = field(default_factory=dict)

    @cached_property
    def path(self) -> str:
        """Decoded path."""
        return unquote(urlsplit(self.target).path)

    @cached_property
    def query(self) -> dict[str, str]:
        """Parameters of the query; the last one of a name counts."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Cookies by name."""
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("Cookie", "")).items()}
        except CookieError:
            return {}

    @cached_property
    def form(self) -> dict[str, str]:
        """Fields of an urlencoded or multipart form; files go to `files`."""
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            return self._multipart(kind)
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def _multipart(self, kind: str) -> dict[str, str]:
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        message = BytesParser(policy=policy.HTTP).parsebytes(head + self.body)
        fields: dict[str, str] = {}
        for part in message.iter_parts():
            name = str(part.get_param("name", "", header="content-disposition"))
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            if filename := part.get_filename():
                self.files[name] = Upload(filename, content)
            else:
                fields[name] = content.decode("utf-8", "replace")
        return fields

    @cached_property
    def json(self) -> dict[str, Any]:
        """A JSON object. Raises RequestError(400)."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise RequestError(400, f"not JSON: {error}") from None
        if not isinstance(value, dict):
            raise RequestError(400, "a JSON object is wanted")
        return value

    @cached_property
    def session(self) -> str:
        """The token of the visitor's session; a new one if the cookie names none."""
        return self.store.session(self.cookies.get("shop_session", ""))

    @cached_property
    def user(self) -> sqlite3.Row | None:
        """Who is logged in."""
        return self.store.user_of(self.session)


@dataclass
class Response:
    """What is answered. A `stream` takes over the connection after the head."""

    body: bytes = b""
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    headers: Headers = field(default_factory=list)
    stream: Callable[[Handler], None] | None = None


def redirect(request: Request, path: str) -> Response:
    """Send the visitor on. The absolute URL names this replica: a careless server, and a proxy that must hide it."""
    return Response(status=303, headers=[("Location", f"http://{request.address}{path}")])


def as_json(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(json.dumps(value).encode(), status, "application/json")


View = Callable[..., Response]
_ROUTES: list[tuple[str, re.Pattern[str], View]] = []


def route(method: str, pattern: str) -> Callable[[View], View]:
    """Serve a method and a path pattern; groups become arguments."""

    def add(view: View) -> View:
        _ROUTES.append((method, re.compile(pattern), view))
        return view

    return add


def dispatch(request: Request) -> Response:
    """Call the view of a request."""
    known = False
    for method, pattern, view in _ROUTES:
        if match := pattern.fullmatch(request.path):
            known = True
            if method == request.method or (method == "GET" and request.method == "HEAD"):
                return view(request, *match.groups())
    raise RequestError(405 if known else 404, "no such page")


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 with keep-alive; one thread per connection."""

    protocol_version = "HTTP/1.1"
    timeout = 75
    wbufsize = 65536
    server: ShopServer

    def version_string(self) -> str:
        """Tell the world what runs here and which replica it is: the proxy in front should strip it."""
        return f"shop/1.4 ({self.server.name})"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet; the proxy has the access log."""

    def read_body(self) -> bytes:
        """Read a body of either framing. Raises RequestError."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunked()
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit():
            raise RequestError(400, "bad Content-Length")
        if int(length) > MAX_BODY:
            raise RequestError(413, "too large")
        return self.rfile.read(int(length))

    def _read_chunked(self) -> bytes:
        body = b""
        while True:
            line = self.rfile.readline(64).split(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                raise RequestError(400, "bad chunk") from None
            if len(body) + size > MAX_BODY:
                raise RequestError(413, "too large")
            if size == 0:
                while self.rfile.readline(8192).strip():
                    pass
                return body
            body += self.rfile.read(size)
            self.rfile.readline(2)

    def handle_one(self) -> None:
        """Answer one request."""
        try:
            body = self.read_body()
        except RequestError as refused:
            self.close_connection = True  # what follows is not a request
            self._send(Response(str(refused).encode(), refused.status, "text/plain; charset=utf-8"))
            return
        request = Request(self.command, self.path, self.headers, body, self.server.store, self.server.address)
        try:
            response = dispatch(request)
        except RequestError as refused:
            response = Response(str(refused).encode(), refused.status, "text/plain; charset=utf-8")
        except Exception as error:
            # DELIBERATELY WEAK: the visitor sees the fault, SQL and all
            traceback.print_exc(file=sys.stderr)
            response = Response(f"{type(error).__name__}: {error}".encode(), 500, "text/plain; charset=utf-8")
        self._send(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 - names of http.server

    def _send(self, response: Response) -> None:
        status = HTTPStatus(response.status)
        self.send_response(status)
        self.send_header("X-Powered-By", f"shop/{self.server.name}")
        for name, value in response.headers:
            self.send_header(name, value)
        if response.stream is None:
            self.send_header("Content-Type", response.kind)
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if response.stream is not None and self.command != "HEAD":
            self.wfile.flush()
            response.stream(self)
        elif self.command != "HEAD":
            self.wfile.write(response.body)


class ShopServer(ThreadingHTTPServer):
    """Listens on loopback only, always: this shop is weak by design."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, store: Store, name: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.store = store
        self.name = name
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
