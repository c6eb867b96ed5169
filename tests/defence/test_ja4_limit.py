"""A limit per JA4: programs are told apart by how they speak TLS, whatever address they come from."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.support.certs import Authority
from tests.support.clients import connect, request
from tests.support.program import Bascule


def client(authority: Authority, protocols: list[str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.path)
    context.set_alpn_protocols(protocols)
    return context


def test_a_limit_per_ja4(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("site.test")
    site = {"tls": {"cert": pair.cert, "key": pair.key}, "limit": "2/m per ja4", "routes": {"/": {"respond": {}}}}
    listen = {"address": "127.0.0.1:0", "tls": {}}
    one, other = client(authority, ["http/1.1"]), client(authority, ["http/1.0", "http/1.1"])
    with Bascule({"listen": [listen], "events": {"path": "off"}, "sites": {"site.test": site}}) as bascule:

        def ask(source: str, context: ssl.SSLContext) -> int:
            with connect(bascule.port, source, context, "site.test") as wire:
                wire.send(request())
                return wire.response().status

        assert [ask(f"127.0.1.{end}", one) for end in (1, 2, 3)] == [200, 200, 429]
        assert ask("127.0.1.3", other) == 200
