"""Runs inside a network namespace (`unshare -rn`): turns connections to Bascule, and writes what came of them."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography import x509

from bascule.tls.authority import create
from tests.forward.test_transparent import RULES, TPROXY
from tests.support.certs import Authority
from tests.support.clients import Wire
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for

CLIENT = "127.0.0.9"


def nft(text: str) -> None:
    subprocess.run(("nft", "-f", "-"), input=text, text=True, check=True)


def ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True)


def get(place: tuple[str, int], path: str, host: str, source: str = CLIENT) -> list[Any]:
    with Wire(socket.create_connection(place, 20, (source, 0))) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        message = wire.response()
        return [message.status, message.json()["start"][1] if message.status == 200 else ""]


def said(place: tuple[str, int], content: bytes, source: str = CLIENT) -> str:
    try:
        with Wire(socket.create_connection(place, 20, (source, 0))) as wire:
            wire.send(content)
            return wire.rest().decode("latin-1")
    except ConnectionError:
        return ""


class Lab:
    """The origins and their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = Authority(folder, "Web Authority")
        pair = self.web.issue("localhost", "denied.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self.http, self.tls = Origin(host="0.0.0.0"), Origin(host="0.0.0.0", context=context)
        certificate, key = create("Test interception", 30)
        for name, content in (("ca.pem", certificate), ("ca.key", key)):
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)

    def config(self, **more: Any) -> dict[str, Any]:
        rules = [{"deny": {"path": "/denied"}}, {"deny": {"domain": "denied.test"}}]
        listen = [{"address": "0.0.0.0:0", "transparent": mode} for mode in ("redirect", "tproxy")]
        forward = {"listen": listen, "allow_private": True, "authorities": self.web.path, "rules": rules, **more}
        return {"access_log": {"path": "-"}, "forward": {**forward, "clients": "0.0.0.0/0"}}

    def curl(self, name: str, address: str, trust: str) -> tuple[int, str]:
        url = f"https://{name}:{self.tls.port}/tls"
        to = ("--resolve", f"{name}:{self.tls.port}:{address}", "--interface", CLIENT)
        argv = ("curl", "-sS", "-m", "20", "--noproxy", "*", "--cacert", trust, *to, url)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    def issuer(self) -> str:
        trusted = ssl.create_default_context()
        trusted.check_hostname, trusted.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.tls.port), 20, (CLIENT, 0))
        with trusted.wrap_socket(plain, server_hostname="localhost") as sock:
            return x509.load_der_x509_certificate(sock.getpeercert(True) or b"").issuer.rfc4514_string()

    def turn(self, bascule: Bascule) -> None:
        subprocess.run(("nft", "flush", "ruleset"), check=True)
        nft(RULES.format(http=self.http.port, tls=self.tls.port, port=bascule.port))


def refused(lab: Lab, seen: dict[str, Any]) -> None:
    web, port = ("127.0.0.1", lab.http.port), lab.http.port
    with Bascule(lab.config()) as bascule:
        lab.turn(bascule)
        tproxy(lab, seen, bascule.ports[1])
        seen["by name"] = get(web, "/by-name", f"localhost:{port}")
        seen["by address"] = get(web, "/by-address", f"127.0.0.1:{port}")
        seen["denied"] = get(web, "/denied", f"localhost:{port}")
        seen["forged host"] = get(("127.0.0.2", port), "/x", f"localhost:{port}")
        seen["forged port"] = get(web, "/x", "localhost:1")
        code, body = lab.curl("localhost", "127.0.0.1", lab.web.path)
        seen["tls"] = code or json.loads(body)["start"][1]
        seen["tls issuer"] = lab.issuer()
        seen["tls denied"] = lab.curl("denied.test", "127.0.0.1", lab.web.path)[0]
        seen["forged name in TLS"] = lab.curl("localhost", "127.0.0.2", lab.web.path)[0]
        seen["itself"] = said(("127.0.0.1", bascule.port), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "127.0.0.1")
        seen["bad hello"] = said(("127.0.0.1", lab.tls.port), b"\x16\x03\x01\x00\x05\x05hello")
        wait_for(lambda: [line for line in bascule.logged() if line["cause"] == "opaque_tunnel"], "the last line")
        seen["causes"] = [line["cause"] for line in bascule.logged()]


def resolved_and_opened(lab: Lab, seen: dict[str, Any]) -> None:
    files = {"certificate": str(lab.folder / "ca.pem"), "key": str(lab.folder / "ca.key")}
    with Bascule(lab.config(mismatch="resolve", intercept={**files, "default": "bump"})) as bascule:
        lab.turn(bascule)
        called = len(lab.http.called)
        get(("127.0.0.2", lab.http.port), "/x", f"localhost:{lab.http.port}")
        get(("127.0.0.2", lab.http.port), "/x", f"127.0.0.2:{lab.http.port}")
        seen["resolved"] = lab.http.called[called:]
        seen["opened issuer"] = lab.issuer()


def led_to_the_portal(lab: Lab, seen: dict[str, Any]) -> None:
    portal = {"issuer": "https://login.test", "client_id": "a", "url": "https://portal.test", "open": ["127.0.0.1"]}
    config = lab.config(auth={"portal": portal})
    config["forward"]["listen"].append("127.0.0.1:0")
    port = lab.http.port
    with Bascule(config) as bascule:
        lab.turn(bascule)
        with Wire(socket.create_connection(("127.0.0.1", port), 20, (CLIENT, 0))) as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/html\r\n\r\n".encode())
            seen["led"] = str(wire.response()["location"]).partition("?")[0]
        seen["unknown"] = get(("127.0.0.1", port), "/x", f"localhost:{port}")
        seen["unknown in TLS"] = lab.curl("localhost", "127.0.0.1", lab.web.path)[0]
        seen["open"] = get(("127.0.0.1", port), "/open", f"127.0.0.1:{port}")


def tproxy(lab: Lab, seen: dict[str, Any], port: int) -> None:
    for address in ("192.0.2.8", "192.0.2.9"):
        ip("address", "add", f"{address}/32", "dev", "lo")
    ip("rule", "add", "fwmark", "1", "lookup", "100", "pref", "1")
    ip("route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100")
    nft(TPROXY.format(http=lab.http.port, port=port))
    seen["tproxy"] = get(("192.0.2.9", lab.http.port), "/tproxy", f"192.0.2.9:{lab.http.port}", "192.0.2.8")


def main() -> None:
    """Run all of it."""
    folder = Path(sys.argv[1])
    ip("link", "set", "lo", "up")
    lab, seen = Lab(folder), {}
    for part in (refused, resolved_and_opened, led_to_the_portal):
        part(lab, seen)
    (folder / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
