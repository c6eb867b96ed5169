"""What is known of one request and its response: kept here, asked by balancers, header templates and the log."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from mypy_extensions import mypyc_attr

from bascule.http.message import RequestHead
from bascule.proxy import wire
from bascule.telemetry.recorder import BATCH

if TYPE_CHECKING:
    from bascule.http.fields import Field
    from bascule.proxy.app import ProxyApp
    from bascule.proxy.inspection import Inspection
    from bascule.proxy.login import Login
    from bascule.proxy.messages import Messages
    from bascule.proxy.peer import Peer
    from bascule.proxy.route import RouteRuntime
    from bascule.proxy.router import SiteRuntime
    from bascule.upstream.connection import Answerer
    from bascule.upstream.dialling import Cancellable
    from bascule.upstream.server import ServerState

NOTHING: list[Any] = []
"""Stands in where nothing can come; never appended to."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Facts:
    """The state of an exchange. See RequestFacts of upstream/pool.py for what a balancer may ask."""

    __slots__ = (
        "app",
        "asked_at",
        "bytes_in",
        "bytes_out",
        "cache",
        "cause",
        "charged",
        "close",
        "connecting",
        "continued",
        "extra",
        "finished",
        "framing",
        "head",
        "inspection",
        "kept",
        "login",
        "messages",
        "method",
        "origin",
        "parked",
        "parts",
        "path",
        "peer",
        "protocol",
        "ref",
        "replayable",
        "request_done",
        "request_trailers",
        "responding",
        "route",
        "routed",
        "rule",
        "scheme",
        "server",
        "server_name",
        "site",
        "started",
        "status",
        "target",
        "ticket",
        "tried",
        "tries",
        "upgrading",
        "user",
        "wait",
    )

    own_site: ClassVar[bool] = True
    """Whether it is for a site of ours, so that what is not there says something of who asks."""

    def __init__(self, peer: Peer, head: RequestHead) -> None:
        self.app: ProxyApp = peer.app
        self.peer = peer
        self.head = head
        self.method = head.method
        self.started = self.asked_at = perf_counter()
        """When the head was complete, and when the present server was chosen."""
        self.scheme = peer.scheme
        self.target = head.target
        self.path = b""
        self.request_done = done = not head.chunked and head.length <= 0
        self.request_trailers: list[Field] = NOTHING
        self.parts: list[bytes] = NOTHING if done else []
        self.kept = 0
        self.replayable = True
        self.parked = False
        """Whether more of the body is awaited before a server is asked."""
        self.continued = False
        self.upgrading = False
        self.origin: Answerer | None = None
        self.connecting: Cancellable | None = None
        self.ticket: Cancellable | None = None
        self.tried: tuple[ServerState, ...] = ()
        self.tries = 0
        self.charged = False
        """Whether the pool counts this request as in progress at `server`."""
        self.responding = False
        self.framing = wire.IDENTITY
        self.close = False
        self.routed = False
        """Whether there is a route, and with it a site; until then there is nothing in their places."""
        self.route: RouteRuntime
        self.site: SiteRuntime[RouteRuntime]
        self.server: ServerState
        self.server_name = ""
        """Who was asked last: that server, or where the forward proxy was led."""
        self.extra = b""
        self.status = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.wait = 0.0
        self.cause = ""
        self.ref = ""
        self.protocol = b""
        """What was spoken, if not HTTP."""
        self.user = ""
        """Who asked, where the forward proxy knows."""
        self.rule = ""
        """By which of its rules."""
        self.cache = ""
        """What the cache did for it: one of telemetry.store.CACHE."""
        self.inspection: Inspection | None = None
        self.login: Login | None = None
        self.messages: Messages | None = None
        self.finished = False

    @property
    def client(self) -> bytes:
        """The client's textual address."""
        return self.peer.address

    @property
    def ja4(self) -> bytes:
        """The fingerprint of the client's TLS; empty without TLS."""
        tls = self.peer.tls
        return b"" if tls is None else tls.ja4.encode()

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a field, or None."""
        for field in self.head.fields:
            if field[0] == name:
                return field[1]
        return None

    def cookie(self, name: bytes) -> bytes | None:
        """Return the value of a cookie, or None (RFC 6265 5.4, lenient on spaces)."""
        for value in self.head.values(b"cookie"):
            for pair in value.split(b";"):
                key, separator, content = pair.strip().partition(b"=")
                if separator and key == name:
                    return content
        return None

    @property
    def uri(self) -> bytes:
        """Normal path and the query as sent, before any rewrite."""
        _, mark, query = self.head.target.partition(b"?")
        return self.path + mark + query

    @property
    def place(self) -> tuple[bytes, bytes, int, bytes]:
        """Scheme, host, port (0 for the usual one) and normal path by which the resource is known to clients."""
        head, info = self.head, self.peer.info
        if info is not None and info.host:
            return self.scheme, info.host.lower(), 0, self.path  # servers are told that they were asked for this one
        return self.scheme, head.host, head.port, self.path

    def facts(self) -> dict[bytes, bytes]:
        """Return what header templates may name."""
        return {
            b"{client_address}": self.peer.address,
            b"{host}": self.head.host,
            b"{scheme}": self.scheme,
            b"{request_id}": self.reference().encode(),
            b"{path}": self.path,
        }

    @property
    def started_at(self) -> float:
        """When the head was complete, in seconds of the epoch."""
        return self.app.epoch + self.started

    def age(self) -> float:
        """Return the seconds since the head was complete."""
        return perf_counter() - self.started

    @property
    def version(self) -> bytes:
        """What the log says was spoken."""
        return self.protocol or (b"HTTP/1.1" if self.head.minor else b"HTTP/1.0")

    def reference(self) -> str:
        """Return the reference id of this exchange, made on first use."""
        if not self.ref:
            self.ref = self.app.new_ref()
        return self.ref

    def record(self) -> None:
        """Hand the facts to the log and the metrics."""
        head = self.head
        peer = self.peer
        duration = perf_counter() - self.started
        app = self.app
        recorder = app.recorder
        recorder.append(
            (
                app.epoch + self.started,
                peer.address,
                peer.port,
                self.route.plan if self.routed else None,
                head.method,
                head.authority,
                head.target,
                self.version,
                self.status,
                self.bytes_in,
                self.bytes_out,
                duration,
                self.wait,
                self.server_name if self.tries else "",
                self.tries,
                self.cause,
                self.ref,
                head.block.user_agent,
                head.referer,
                peer.tls_version,
                self.user,
                self.rule,
                self.cache,
            )
        )
        if len(recorder.records) >= BATCH:
            recorder.flush()
