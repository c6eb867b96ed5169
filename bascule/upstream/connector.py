"""Connections to the servers of a pool: a kept one that can be used again, or a new one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

from mypy_extensions import mypyc_attr

from bascule.config.pools import Pool
from bascule.http.h1.head import ResponseParser
from bascule.http.proxy_protocol import Endpoint, encode_v1, encode_v2
from bascule.telemetry import causes
from bascule.telemetry.sinks import complain
from bascule.tls.client import loaded_context, reason_of
from bascule.upstream.connection import OriginConnection
from bascule.upstream.server import ServerState

_SILENCE = 60.0
"""Seconds from one complaint about the servers of a pool to the next."""
Done = Callable[[OriginConnection | None, str], None]
"""Called once: with the connection, or with None and a cause."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Connector:
    """Opens connections to the servers of a pool and keeps those that can be used again."""

    __slots__ = (
        "_config",
        "_context",
        "_idle_limit",
        "_loop",
        "_most_kept",
        "_silent_until",
        "fields",
        "responses",
    )

    def __init__(
        self,
        config: Pool,
        responses: ResponseParser,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._config = config
        self._idle_limit = config.keep_alive_idle
        self._most_kept = 0 if self.introduces else config.keep_alive
        self._context: ssl.SSLContext | None = None
        self._loop = loop
        self._silent_until = 0.0
        self.responses = responses
        self.fields = responses.fields

    def kept(self, server: ServerState, now: float) -> OriginConnection | None:
        """Return the most recently used kept connection to `server`, if any is fresh enough."""
        idle: list[OriginConnection] = server.idle
        while idle:
            connection = idle.pop()
            if connection.closed:
                continue
            if now - connection.idle_since > self._idle_limit:
                connection.close()
                continue
            return connection
        return None

    def keep(self, connection: OriginConnection) -> None:
        """Keep a connection for the next request, unless there are enough."""
        idle: list[OriginConnection] = connection.server.idle
        if len(idle) >= self._most_kept:
            connection.close()
        else:
            idle.append(connection)

    def forget(self, connection: OriginConnection) -> None:
        """Keep a connection no more."""
        idle: list[OriginConnection] = connection.server.idle
        if connection in idle:
            idle.remove(connection)

    def prune(self, servers: list[ServerState], now: float) -> None:
        """Close kept connections that were idle for too long; the oldest come first in each list."""
        for server in servers:
            idle: list[OriginConnection] = server.idle
            while idle and now - idle[0].idle_since > self._idle_limit:
                idle.pop(0).close()

    @property
    def introduces(self) -> bool:
        """Whether new connections begin with a PROXY protocol header: then each is for one client."""
        return self._config.proxy_protocol != "off"

    def preface(self, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
        """Return the PROXY protocol header of a new connection for a client."""
        ends = (Endpoint(source[0].encode(), source[1]), Endpoint(destination[0].encode(), destination[1]))
        return encode_v1(*ends) if self._config.proxy_protocol == "v1" else encode_v2(*ends)

    def connect(
        self,
        server: ServerState,
        preface: bytes,
        timeout: float,
        done: Done,
    ) -> asyncio.Task[None]:
        """Open a connection within `timeout` seconds; `preface` (PROXY protocol) goes out first, before any TLS.

        `done` is called once: with the connection, or with None and a cause.
        """
        return self._loop.create_task(self._open(server, preface, timeout, done))

    async def _open(
        self,
        server: ServerState,
        preface: bytes,
        timeout: float,  # noqa: ASYNC109 - it ends with a cause, not with an exception
        done: Done,
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                connection = await self._establish(server, preface)
        except TimeoutError:
            done(None, causes.CONNECT_TIMEOUT)
        except (ssl.SSLError, ValueError) as error:  # ValueError: a name that cannot be sent as SNI
            self._complain(server, reason_of(error))
            done(None, causes.ORIGIN_TLS)
        except OSError:
            done(None, causes.CONNECT_FAILED)
        else:
            done(connection, "")

    def _complain(self, server: ServerState, reason: str) -> None:
        """Tell operators now and then why servers are not trusted: what clients are shown does not say it."""
        now = self._loop.time()
        if now >= self._silent_until:
            self._silent_until = now + _SILENCE
            complain(f"{server.name}: no TLS with this server: {reason}")

    async def _establish(self, server: ServerState, preface: bytes) -> OriginConnection:
        address = server.origin.address
        secure = server.origin.scheme == "https"
        tls: dict[str, Any] = {}
        if secure:
            self._context = self._context or loaded_context(self._config.tls)
            tls = {"ssl": self._context, "server_hostname": server.server_name or "localhost"}
        connection = OriginConnection(self, server)
        protocol = cast(asyncio.Protocol, connection)

        plain_first = {} if preface else tls
        if address.path:
            transport, _ = await self._loop.create_unix_connection(lambda: protocol, address.path, **plain_first)
        else:
            transport, _ = await self._loop.create_connection(
                lambda: protocol, address.host, address.port, **plain_first
            )
        if preface:
            transport.write(preface)
            if secure:
                upgraded = await self._loop.start_tls(
                    transport, protocol, tls["ssl"], server_hostname=tls["server_hostname"]
                )
                connection.connection_made(cast(asyncio.Transport, upgraded))
        return connection
