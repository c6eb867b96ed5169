"""Between peers that others wrote: nginx as the server; curl and Python's http.client as clients."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.origins import Origin, nginx
from tests.support.program import PATIENCE, Bascule
from tests.support.programs import require_program

SERVER = """
    server_tokens on;
    location / { }
    location /put/ { dav_methods PUT; client_max_body_size 1m; client_body_in_file_only off; }
    location /gzip/ { gzip on; gzip_types *; gzip_min_length 1; gzip_http_version 1.0; gzip_proxied any; root FOLDER; }
    location /redirect { return 301 /elsewhere; }
    location /status { return 204; }
    location /close { keepalive_timeout 0; return 200 "closed"; }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    (folder / "page.html").write_bytes(b"<p>hello</p>" * 1000)
    (folder / "gzip").mkdir()
    (folder / "gzip" / "page.html").write_bytes(b"<p>hello</p>" * 1000)
    (folder / "put").mkdir()
    with ExitStack() as stack:
        address = stack.enter_context(nginx(folder, SERVER.replace("FOLDER", str(folder))))
        yield stack.enter_context(Bascule({"sites": {"*": address}})).port


def curl(*arguments: str, body: bytes = b"") -> str:
    command = [require_program("curl"), "-sS", "--noproxy", "*", "--max-time", "20", *arguments]
    done = subprocess.run(command, input=body, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("latin-1")


def test_a_file_from_nginx(port: int) -> None:
    url = f"http://127.0.0.1:{port}/page.html"
    assert curl(url, url, "-o", "-") == "<p>hello</p>" * 2000
    head = curl("-i", url).partition("\r\n\r\n")[0].lower()
    assert head.startswith("http/1.1 200 ok")
    assert "nginx" not in head
    assert "content-length: 12000" in head
    etag = next(line.partition(": ")[2] for line in head.splitlines() if line.startswith("etag"))
    assert curl("-i", "-H", f"If-None-Match: {etag}", url).startswith("HTTP/1.1 304")
    assert curl("-r", "3-7", url) == "hello"
    assert curl("-I", url).startswith("HTTP/1.1 200")
    assert curl("-0", url) == "<p>hello</p>" * 1000
    assert curl("--compressed", f"http://127.0.0.1:{port}/gzip/page.html") == "<p>hello</p>" * 1000


def test_answers_of_nginx(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    assert "location: http://127.0.0.1" in curl("-i", f"{url}/redirect").lower()
    assert curl("-i", f"{url}/status").startswith("HTTP/1.1 204")
    assert curl("-i", f"{url}/none").startswith("HTTP/1.1 404")
    assert curl(f"{url}/close", f"{url}/close") == "closedclosed"


def test_http_1_0_without_host_reaches_nginx(port: int) -> None:
    assert curl("-0", "-H", "Host:", f"http://127.0.0.1:{port}/page.html").startswith("<p>hello</p>")


@pytest.mark.parametrize(
    "how", [["-T", "-"], ["--data-binary", "@-", "-X", "PUT"], ["-T", "-", "-H", "Expect: 100-continue"]]
)
def test_uploads_from_curl_to_nginx(port: int, folder: Path, how: list[str]) -> None:
    """Chunked, with a length, and only after 100 (Continue)."""
    target = folder / "put" / "file"
    target.unlink(missing_ok=True)
    body = b"0123456789" * 50_000
    code = curl("-o", "-", "-w", "%{http_code}", *how, f"http://127.0.0.1:{port}/put/file", body=body)
    assert code.endswith("201")
    assert target.read_bytes() == body


def test_a_refusal_of_nginx_reaches_a_client_that_awaits_consent(port: int, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * 2_000_000)
    told = curl("-i", "-T", str(file), "-H", "Expect: 100-continue", f"http://127.0.0.1:{port}/put/large")
    assert told.startswith("HTTP/1.1 413")


def test_http_client_keeps_its_connection(port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    sock = None
    for method in ("GET", "HEAD", "GET"):
        client.request(method, "/page.html")
        response = client.getresponse()
        assert len(response.read()) == (0 if method == "HEAD" else 12000)
        assert sock in (None, client.sock)
        sock = client.sock
    client.close()


def test_bascule_reverse() -> None:
    """The quick command: any Host, several servers, no file."""
    with Origin() as first, Origin() as second:
        arguments = ["reverse", "--listen", "127.0.0.1:0", "--workers", "1"]
        for origin in (first, second):
            arguments += ["--to", f"http://{origin.address}"]
        with Bascule(None, *arguments) as bascule:
            for host in ("a.test", "b.test:80", "[::1]"):
                told = curl("-H", f"Host: {host}", f"http://127.0.0.1:{bascule.port}/x")
                assert '"/x"' in told
        assert first.seen
        assert second.seen
