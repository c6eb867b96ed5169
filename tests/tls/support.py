"""A plan with TLS, an in-memory client for the filter, and a small server over sockets for real peers."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bascule.config.plan import Plan, SitePlan
from bascule.config.schema import Config
from bascule.tls.filter import TlsError, TlsFilter
from bascule.tls.server import ListenerContexts, ServerContexts
from tests.support.certs import Pair

RECORD = 16384


def certificates(*pairs: Pair) -> list[dict[str, str]]:
    return [{"cert": pair.cert, "key": pair.key} for pair in pairs]


def plan(sites: dict[str, dict[str, Any] | None], **listen: Any) -> Plan:
    """Return a plan of one TLS listener; `sites` maps hosts (separated by spaces) to their TLS."""
    config = Config.model_validate(
        {
            "listen": [{"address": "127.0.0.1:0", "tls": listen}],
            "sites": {
                hosts: {"routes": {"/": {"respond": {"body": "x"}}}, **({} if tls is None else {"tls": tls})}
                for hosts, tls in sites.items()
            },
        }
    )
    found = tuple(
        SitePlan(name=hosts, hosts=tuple(hosts.split()), tls=site.tls, path=site.path, routes=())
        for hosts, site in config.sites.items()
    )
    return Plan(config=config, listeners=config.listen, sites=found, pools=(), digest="", files=())


def listener(sites: dict[str, dict[str, Any] | None], **listen: Any) -> ListenerContexts:
    contexts = ServerContexts.build(plan(sites, **listen)).for_listener(0)
    assert contexts is not None
    return contexts


def client_context(ca: str, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["http/1.1"])
    if pair:
        context.load_cert_chain(pair.cert, pair.key)
    return context


class Client:
    """A TLS client in memory, connected to a filter."""

    def __init__(
        self,
        contexts: ListenerContexts,
        context: ssl.SSLContext,
        name: str | None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.filter = TlsFilter(contexts)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)

    def handshake(self) -> Client:
        """Shake hands; raises what either side raises."""
        for _ in range(10):
            done = False
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
                done = True
            self.exchange()
            if done and self.filter.done:
                return self
        raise AssertionError("the handshake does not end")

    def exchange(self) -> bytes:
        """Move what either side has to say; return the plaintext the filter got."""
        plain = b""
        if out := self.outgoing.read():
            plain = self.filter.feed(out)
        if back := self.filter.take():
            self.incoming.write(back)
        return plain

    def send(self, data: bytes) -> bytes:
        """Write at the client; return what arrives at the filter."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        return self.exchange()

    def receive(self) -> bytes:
        """Return what the filter has written."""
        self.incoming.write(self.filter.take())
        data = b""
        with suppress(ssl.SSLWantReadError):
            while chunk := self.tls.read(RECORD):
                data += chunk
        return data

    def certificate(self) -> bytes:
        der = self.tls.getpeercert(True)
        assert der
        return der


def serve_one(connection: socket.socket, contexts: ListenerContexts) -> None:
    """Answer one request with what the filter knows, then close."""
    tls = TlsFilter(contexts)
    plain = b""
    with connection:
        connection.settimeout(30)
        try:
            while b"\r\n\r\n" not in plain:
                data = connection.recv(65536)
                if not data:
                    return
                plain += tls.feed(data)
                connection.sendall(tls.take())
            facts = f"sni={tls.sni.decode()} alpn={tls.alpn} version={tls.version} resumed={tls.resumed}"
            body = f"{facts} subject={tls.peer_subject}\n".encode()
            tls.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            tls.shutdown()
        except TlsError:
            pass
        with suppress(OSError):
            connection.sendall(tls.take())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


def serve(server: socket.socket, contexts: ListenerContexts) -> None:
    """Serve connections one after the other until the listening socket is shut down."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        serve_one(connection, contexts)


@contextmanager
def serving(contexts: ListenerContexts) -> Iterator[int]:
    """Serve on a free port in a thread; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server, contexts))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            assert not thread.is_alive()
