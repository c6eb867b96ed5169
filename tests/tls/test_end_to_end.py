"""TLS, client certificates, PROXY headers and hot swap through the whole program, with curl as the client."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bascule.http.proxy_protocol import Endpoint, encode_v1, encode_v2
from tests.support.certs import Authority, Pair
from tests.support.clients import ask as exchange
from tests.support.origins import Origin
from tests.support.program import Bascule, children_of, wait_for
from tests.support.programs import require_program

BASCULE = str(Path(sys.executable).with_name("bascule"))
PATIENCE = 40.0


class Mirror(BaseHTTPRequestHandler):
    """Answers with the fields it was sent, as JSON."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Strict-Transport-Security", "max-age=1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def origin() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def runtime() -> Iterator[str]:
    """A folder for UNIX sockets: its name must be short."""
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        yield folder


Run = Callable[[str], int]


@pytest.fixture
def run(tmp_path: Path, runtime: str) -> Iterator[Run]:
    """Run Bascule on a configuration that has PORT for its port; return the port."""
    running: list[subprocess.Popen[bytes]] = []

    def start(config: str) -> int:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        file = tmp_path / "bascule.yaml"
        file.write_text(config.replace("PORT", str(port)) + "access_log: {path: off}\nworkers: 1\n")
        log = tmp_path / "log"
        with log.open("wb") as output:
            environment = {**os.environ, "XDG_RUNTIME_DIR": runtime}
            running.append(subprocess.Popen([BASCULE, "run", str(file)], stderr=output, stdout=output, env=environment))
        deadline = time.monotonic() + PATIENCE
        while "ready" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            assert running[-1].poll() is None, log.read_text()
            time.sleep(0.02)
        return port

    yield start
    for process in running:
        process.terminate()
        assert process.wait(PATIENCE) == 0, (tmp_path / "log").read_text()


def curl(authority: Authority, port: int, host: str, *arguments: str) -> tuple[int, str]:
    """Ask for https://host/; return status and body."""
    command = [require_program("curl"), "-sS", "--noproxy", "*", "--max-time", "10", "--cacert", authority.path]
    command += ["-w", "\n%{http_code}"]
    command += ["--connect-to", f"::127.0.0.1:{port}", *arguments, f"https://{host}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body or done.stderr


def tls(pair: Pair, more: str = "") -> str:
    return f"tls: {{cert: {pair.cert}, key: {pair.key}{more}}}"


def test_sites_certificates_and_client_certificates(authority: Authority, origin: int, run: Run) -> None:
    shop, private = authority.issue("shop.test"), authority.issue("private.test")
    alice, mallory = authority.issue("alice", client=True), authority.issue("mallory", client=True)
    auth = f", client_auth: {{ca: {authority.path}, subjects: [alice]}}"
    port = run(f"""
listen: "https://127.0.0.1:PORT"
sites:
  shop.test:
    {tls(shop)}
    routes: {{/: "127.0.0.1:{origin}"}}
  private.test:
    {tls(private, auth)}
    routes: {{/: "127.0.0.1:{origin}"}}
""")
    status, body = curl(authority, port, "shop.test", "-H", "X-Client-Cert-Subject: CN=alice")
    assert status == 200
    seen = json.loads(body)
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert "x-client-cert-subject" not in seen

    shown = ("--cert", alice.cert, "--key", alice.key)
    status, body = curl(authority, port, "private.test", *shown, "-H", "X-Client-Cert-Subject: CN=admin")
    assert (status, json.loads(body)["x-client-cert-subject"]) == (200, "CN=alice")
    assert curl(authority, port, "private.test")[0] == 0  # no certificate: the handshake fails
    assert curl(authority, port, "private.test", "--cert", mallory.cert, "--key", mallory.key)[0] == 403
    assert curl(authority, port, "shop.test", *shown, "-H", "Host: private.test")[0] == 421
    assert "SSL" in curl(authority, port, "nobody.test")[1]


def test_strict_transport_security_over_tls_only(authority: Authority, origin: int, run: Run) -> None:
    port = run(f"""
listen: "https://127.0.0.1:PORT"
sites:
  shop.test:
    {tls(authority.issue("shop.test"), ", hsts: 365d, hsts_subdomains: true")}
    routes: {{/: "127.0.0.1:{origin}", /gone/: {{respond: {{status: 410}}}}}}
  plain.test:
    {tls(authority.issue("plain.test"))}
    routes: {{/: "127.0.0.1:{origin}"}}
""")
    line = "strict-transport-security: max-age=31536000; includeSubDomains"
    for path in ("", "gone/", "%2f"):
        _, answer = curl(authority, port, "shop.test", "-i", "--request-target", f"/{path}")
        assert answer.count("strict-transport-security") == answer.count(line) == 1
    assert "strict-transport-security: max-age=1\n" in curl(authority, port, "plain.test", "-i")[1]


def test_a_reload_takes_up_a_renewed_certificate(authority: Authority, origin: int, run: Run, runtime: str) -> None:
    pair = authority.issue("shop.test")
    port = run(f"""
listen: "https://127.0.0.1:PORT"
sites:
  shop.test:
    {tls(pair)}
    routes: {{/: "127.0.0.1:{origin}"}}
""")

    before = certificate(authority, port)
    new = authority.issue("shop.test", file="new")
    os.replace(new.cert, pair.cert)
    os.replace(new.key, pair.key)
    environment = {**os.environ, "XDG_RUNTIME_DIR": runtime}
    subprocess.run([BASCULE, "reload"], check=True, env=environment, timeout=PATIENCE, capture_output=True)
    assert certificate(authority, port) == ssl.PEM_cert_to_DER_cert(Path(pair.cert).read_text()) != before


def test_a_worker_that_is_born_later_begins_with_the_certificate_of_now(authority: Authority, origin: int) -> None:
    pair = authority.issue("shop.test")
    site = {"tls": {"cert": pair.cert, "key": pair.key}, "routes": {"/": f"127.0.0.1:{origin}"}}
    with Bascule({"listen": "https://127.0.0.1:0", "sites": {"shop.test": site}}) as bascule:
        for file in ("second", "third", "fourth"):
            new = authority.issue("shop.test", file=file)
            os.replace(new.cert, pair.cert)
            os.replace(new.key, pair.key)
            (worker,) = (pid for pid, name in children_of(bascule.process.pid).items() if name.startswith("bascule-w"))
            os.kill(worker, signal.SIGKILL)
            wait_for(partial(gone, bascule, worker), "the end of the worker")
            expected = ssl.PEM_cert_to_DER_cert(Path(pair.cert).read_text())
            assert certificate(authority, bascule.port) == expected


def gone(bascule: Bascule, worker: int) -> bool:
    return worker not in bascule.children()


def certificate(authority: Authority, port: int) -> bytes | None:
    """Return the certificate that a site shows."""
    context = ssl.create_default_context(cafile=authority.path)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="shop.test") as secure,
    ):
        return secure.getpeercert(True)


def test_plain_requests_are_sent_to_https(authority: Authority, origin: int, run: Run) -> None:
    shop = authority.issue("shop.test")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        plain = probe.getsockname()[1]
    port = run(f"""
listen: ["https://127.0.0.1:PORT", "127.0.0.1:{plain}"]
sites:
  shop.test:
    {tls(shop)}
    routes: {{/: "127.0.0.1:{origin}"}}
""")
    answer = ask(plain, b"GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
    assert re.match(rb"HTTP/1.1 30[178] ", answer)
    assert re.search(rb"(?i)\r\nlocation: https://shop\.test:%d/x\r\n" % port, answer)


def ask(port: int, data: bytes) -> bytes:
    """Send bytes; return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


REQUEST = b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 1.1.1.1\r\nConnection: close\r\n\r\n"


def test_the_proxy_protocol_says_who_the_client_is(origin: int, run: Run) -> None:
    port = run(f"""
listen: [{{address: "127.0.0.1:PORT", proxy_protocol: [127.0.0.0/8]}}]
sites:
  "*": "127.0.0.1:{origin}"
""")
    client, here = Endpoint(b"192.0.2.7", 4711), Endpoint(b"198.51.100.1", 443)
    for header in (encode_v1(client, here), encode_v2(client, here), encode_v2(client, here, checksum=True)):
        seen = json.loads(ask(port, header + REQUEST).partition(b"\r\n\r\n")[2])
        assert seen["x-forwarded-for"] == "192.0.2.7"
    local = json.loads(ask(port, encode_v2(None, None) + REQUEST).partition(b"\r\n\r\n")[2])
    assert local["x-forwarded-for"] == "127.0.0.1"
    for junk in (REQUEST, b"PROXY TCP4 1.2.3.4\r\n" + REQUEST):
        with suppress(ConnectionResetError):  # as good as the end
            assert ask(port, junk) == b""


@pytest.mark.parametrize("field", ["x-forwarded-for", "forwarded"])
def test_only_the_field_of_the_trusted_proxies_is_believed(origin: int, run: Run, field: str) -> None:
    port = run(f"""
listen: "127.0.0.1:PORT"
trusted_proxies: [127.0.0.0/8]
trusted_field: {field}
headers: {{forwarded: both}}
sites:
  "*": "127.0.0.1:{origin}"
""")
    request = REQUEST.replace(
        b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nForwarded: for=192.0.2.8"
    )
    seen = json.loads(ask(port, request).partition(b"\r\n\r\n")[2])
    client = "192.0.2.7" if field == "x-forwarded-for" else "192.0.2.8"
    assert seen["x-forwarded-for"] == f"{client}, 127.0.0.1"
    assert seen["forwarded"].startswith(f"for={client};")


def test_servers_are_spoken_to_as_loaded_and_distrust_is_explained(authority: Authority, tmp_path: Path) -> None:
    """Files that can be read no more (by the account of the workers, say) change nothing before a reload."""
    pair, known = authority.issue("app.internal"), tmp_path / "known.pem"
    known.write_bytes(Path(authority.path).read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with Origin(context=context) as server:

        def route(name: str, **more: object) -> dict[str, object]:
            tls = {"ca": str(known), "server_name": name}
            return {"servers": [f"https://{server.address}"], "tls": tls, "keep_alive": 0, **more}

        checked = {"path": "/", "interval": 0.1, "timeout": 10, "rise": 1, "fall": 1}
        routes = {"/": route("app.internal", health=checked), "/other/": route("other.internal")}
        with Bascule({"sites": {"*": {"routes": routes}}}) as bascule:
            assert exchange(bascule.port).status == 200
            known.unlink()
            asked = len(server.seen)
            wait_for(lambda: len(server.seen) > asked + 3, "checks")
            (worker,) = (pid for pid, name in children_of(bascule.process.pid).items() if name.startswith("bascule-w"))
            os.kill(worker, signal.SIGKILL)
            wait_for(partial(gone, bascule, worker), "the end of the worker")
            assert exchange(bascule.port).status == 200
            assert exchange(bascule.port, "/other/").status == 502
            said = "\n".join(bascule.lines)
            assert "no TLS with this server: Hostname mismatch" in said
            assert " is down" not in said
