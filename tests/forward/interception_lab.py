"""An authority of the web, one of interception, an origin, and Bascule in between; a client that looks closely."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bascule.tls.authority import create
from tests.support.certs import Authority
from tests.support.clients import Message, Wire, connect
from tests.support.origins import Origin
from tests.support.program import Bascule
from tests.support.programs import require_program


def served(cert: str, key: str) -> Origin:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return Origin(context=context)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("interception"))
    filters = {"identifiers": ["card", "iban", "email"]}
    waf = {"mode": "block", "filters": filters, "answers": {"privacy-input": "mask", "privacy-file": "block"}}
    with lab.running(lab.config({"pinning": {"attempts": 2}}, waf=waf)):
        yield lab


class Lab:
    """An authority of the web, one of interception, an origin with a good certificate, and Bascule in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = Authority(folder, "Web Authority")
        pair = self.web.issue("localhost", "127.0.0.1", "shop.test", "bank.test")
        self.server = Path(pair.cert)
        self.origin = served(pair.cert, pair.key)
        certificate, key = create("Test interception", 30)
        self.ca, ca_key = folder / "ca.pem", folder / "ca.key"
        self.ca.write_bytes(certificate)
        ca_key.write_bytes(key)
        ca_key.chmod(0o600)
        self.both = folder / "both.pem"
        self.both.write_bytes(certificate + Path(self.web.path).read_bytes())
        self.intercept = {"certificate": str(self.ca), "key": str(ca_key)}

    @contextlib.contextmanager
    def running(self, config: dict[str, Any]) -> Iterator[None]:
        try:
            with Bascule(config) as self.bascule:
                yield
        finally:
            self.origin.kill()

    def config(self, intercept: dict[str, Any] | None = None, **forward: Any) -> dict[str, Any]:
        rules = [{"splice": {"domain": "bank.test"}}, {"splice": {"source": "127.0.0.9"}}, {"bump": {}}]
        return {
            "access_log": {"path": "-"},
            "events": {"path": str(self.folder / "events.jsonl")},
            "forward": {
                "listen": ["127.0.0.1:0"],
                "allow_private": True,
                "authorities": self.web.path,
                "rules": [
                    {"deny": {"path": "/denied/"}, "reason": "Not for you."},
                    {"deny": {"mime": "application/x-msdownload"}},
                    {"deny": {"domain": "denied.test"}},
                ],
                "waf": "off",
                "intercept": {**self.intercept, "rules": rules, **(intercept or {})},
                **forward,
            },
        }

    @property
    def authority(self) -> str:
        return f"localhost:{self.origin.port}"

    def tls(self, *, name: str = "localhost", connect_to: str = "localhost") -> Tls:
        return Tls(self.bascule.port, f"{connect_to}:{self.origin.port}", self.ca, name)


class Tls:
    """A client's TLS through a tunnel."""

    def __init__(self, proxy: int, authority: str, trust: Path, name: str = "localhost", source: str = "") -> None:
        self._plain = connect(proxy, source)
        self._plain.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        assert self._plain.head().status == 200
        context = ssl.create_default_context(cafile=str(trust))
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.sock = context.wrap_socket(self._plain.sock, server_hostname=name)
        self.wire = Wire(self.sock)
        self.authority = f"{name}:{authority.rpartition(':')[2]}"

    def __enter__(self) -> Tls:
        return self

    def __exit__(self, *_error: object) -> None:
        self.sock.close()

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.sock.getpeercert(True) or b"")

    def ask(self, target: str = "/", *fields: str, method: str = "GET", body: bytes = b"", host: str = "") -> Message:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or self.authority}", *fields, "", ""]
        self.wire.send("\r\n".join(lines).encode() + body)
        return self.wire.response(method)


def curl(lab: Lab, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = (require_program("curl"), "-sS", "-m", "20", "--proxy", f"http://127.0.0.1:{port}", *arguments)
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)
