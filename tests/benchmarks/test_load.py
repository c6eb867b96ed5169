"""Reading what wrk says, and the clients that are written here."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from benchmarks.attacks import check_refuses_attacks
from benchmarks.idle import source_address, with_idle_connections
from benchmarks.load import LoadResult, parse_wrk, percentile
from benchmarks.machine import BenchError
from benchmarks.sink import Sink
from benchmarks.transfer import download, upload


def test_parse_wrk_finds_the_line_of_the_script() -> None:
    output = (
        "Running 1s test @ http://127.0.0.1:1/\n  Latency 1.2ms\n"
        'RESULT {"requests": 7, "seconds": 1.5, "p50_us": 2.0, "p99_us": 3.5, "errors": 1}\n'
    )
    assert parse_wrk(output) == LoadResult(requests=7, seconds=1.5, p50_us=2.0, p99_us=3.5, errors=1)


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_parse_wrk_quotes_what_came_instead(output: str) -> None:
    with pytest.raises(BenchError, match=r"Connection refused|nothing"):
        parse_wrk(output)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 100.0)])
def test_percentile(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_percentile_of_nothing() -> None:
    assert percentile([], 0.5) == 0


@contextlib.contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    class Server(ThreadingHTTPServer):
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that go away in the middle are part of these tests."""

    with Server(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class Answers(BaseHTTPRequestHandler):
    """Keep-alive; `/short` promises more than it sends, `/no` refuses."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(403 if self.path == "/no" else 200)
        self.send_header("Content-Length", "9999" if self.path == "/short" else "1000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)
        self.close_connection = self.path in ("/short", "/close")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body"
    path.write_bytes(bytes(3_000_000))
    return path


def test_upload_reaches_the_sink_whole(body: Path) -> None:
    with serving(Sink) as port:
        assert upload(port, "/x", body) > 0


def test_upload_that_is_refused_is_told(body: Path) -> None:
    with serving(Answers) as port, pytest.raises(BenchError, match="upload"):
        upload(port, "/x", body)


def test_download_counts_the_bytes() -> None:
    with serving(Answers) as port:
        assert download(port, "/x", 1000) > 0
        with pytest.raises(BenchError, match="200 with 1000 of 5000 bytes"):
            download(port, "/x", 5000)
        with pytest.raises(BenchError, match="403"):
            download(port, "/no", 1000)
        with pytest.raises(BenchError, match="download"):
            download(port, "/short", 9999)


class Firewall(Answers):
    """Refuses script tags and UNION in targets, and in bodies unless the body is JSON."""

    def do_GET(self) -> None:
        self.path = "/no" if self.attacked(self.path) else "/"
        super().do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.path = "/no" if self.attacked(body) else "/"
        super().do_GET()

    def attacked(self, text: str) -> bool:
        plain = unquote_plus(text)
        return "<script>" in plain or "UNION SELECT" in plain


class BlindToJson(Firewall):
    """Looks away where many do."""

    def attacked(self, text: str) -> bool:
        return not text.startswith("{") and super().attacked(text)


class RefusesAll(Firewall):
    """Refuses everything."""

    def attacked(self, text: str) -> bool:
        return True


def test_firewall_that_refuses_attacks_is_measured() -> None:
    with serving(Firewall) as port:
        check_refuses_attacks(port)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (BlindToJson, "in a JSON body is answered 200, not 403"),
        (RefusesAll, "harmless GET is answered 403"),
        (Sink, "harmless GET is answered 501"),
    ],
)
def test_firewall_that_does_not_work_is_not(handler: type[BaseHTTPRequestHandler], message: str) -> None:
    with serving(handler) as port, pytest.raises(BenchError, match=message):
        check_refuses_attacks(port)


def test_idle_clients_share_addresses_by_the_hundred() -> None:
    addresses = [source_address(index) for index in range(30_000)]
    assert len(set(addresses)) == 300
    assert all(1 <= int(part) <= 250 for address in set(addresses) for part in address.split(".")[2:])


def request(path: str) -> list[bytes]:
    return [f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Number: ".encode(), b"\r\n\r\n"]


def test_idle_connections_are_open_while_they_are_read() -> None:
    with serving(Answers) as port:
        held = with_idle_connections(port, 20, [request("/x")], lambda: threading.active_count())
    assert held > 20, "the server has a thread for each connection that is open"


@pytest.mark.parametrize(
    ("path", "message"), [("/no", "403"), ("/close", "were closed"), ("/short", "0 bytes|1000 bytes")]
)
def test_idle_connections_that_fail_are_told(path: str, message: str) -> None:
    with serving(Answers) as port, pytest.raises(BenchError, match=message):
        with_idle_connections(port, 3, [request(path)], lambda: None)
