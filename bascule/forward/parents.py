"""The ways out through other proxies: which request takes which, and how a tunnel through one is opened.

A parent is a pool (upstream/): balancing, health, ejection and failover are those of any servers. Plain HTTP goes to
an HTTP parent as a request for the whole URL, over kept connections; all else through a tunnel of its own.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from bascule.config.parents import DIRECT, Parent
from bascule.config.plan import ForwardPlan
from bascule.config.schema import Forward
from bascule.forward.conditions import NamedTest, compile_condition
from bascule.forward.egress import WaitingConnection, proven
from bascule.forward.handshakes import ConnectHandshake, Handshake, RefusedError, SocksHandshake, basic
from bascule.forward.socks import UDP_ASSOCIATE
from bascule.forward.target import NOWHERE, Target
from bascule.telemetry import causes
from bascule.tls.client import loaded_context
from bascule.upstream.connector import Connector, Done

if TYPE_CHECKING:
    from bascule.forward.policy import Access
    from bascule.proxy.app import ProxyApp
    from bascule.upstream.connection import OriginConnection
    from bascule.upstream.server import ServerState

DIRECT_WAY: Final[tuple[str, ...]] = (DIRECT,)
REFUSALS = frozenset((causes.PARENT_REFUSED, causes.PARENT_AUTHENTICATION, causes.ORIGIN_TIMEOUT, causes.ORIGIN_TLS))
"""Causes of `Tunnels` that are about the destination or our login: another parent would say the same."""


class Ways:
    """Which way a request takes: names of parents in the order to try them, ``direct`` among them."""

    def __init__(self, forward: Forward) -> None:
        self._ways: list[tuple[tuple[NamedTest, ...], tuple[str, ...]]] = [
            (compile_condition(way, forward.auth), way.through) for way in forward.ways
        ]

    def of(self, access: Access) -> tuple[str, ...]:
        """Return the way of a request. Only what is known now counts: nobody is asked for a name, none is resolved."""
        for tests, through in self._ways:
            if all(test(access) is True for _, test in tests):
                return through
        return DIRECT_WAY


class ParentProxy:
    """A parent in one worker. `route` is for plain HTTP, `tunnels` for all that is hidden from the parent."""

    def __init__(self, name: str, plan: ForwardPlan, app: ProxyApp, via: bytes, tls: ssl.SSLContext) -> None:
        """`tls` verifies destinations that Bascule itself speaks TLS to."""
        route_plan = plan.parents[name]
        config = self.config = plan.config.parents[name]
        credentials = basic(config.user, config.password) if config.user else b""
        tunnels = Tunnels(config, credentials, app, tls)
        self.route = app.front_route(route_plan, plan.site, via)
        if credentials:
            self.route.request_tail += b"proxy-authorization: %b\r\n" % credentials
        self.tunnels = app.front_route(route_plan, plan.site, via, tunnels)
        self.takes_urls = config.protocol == "http"


class Tunnels(Connector):
    """Connects to destinations through the servers of a parent; each connection is for one use."""

    __slots__ = ("_credentials", "_destination_tls", "_parent")

    def __init__(self, config: Parent, credentials: bytes, app: ProxyApp, destination_tls: ssl.SSLContext) -> None:
        super().__init__(config, app.response_parser(), app.loop)
        self._parent = config
        self._credentials = credentials
        self._destination_tls = destination_tls

    def kept(self, server: ServerState, now: float) -> OriginConnection | None:
        """See Connector: nothing is kept."""
        return None

    def keep(self, connection: OriginConnection) -> None:
        """See Connector."""
        connection.close()

    def through(
        self, server: ServerState, target: Target, name: str, times: tuple[float, float], done: Done
    ) -> asyncio.Task[None]:
        """Open a connection to `target` through `server`, which is asked for `name` in place of the target's own.

        `times` are the seconds for reaching the server, and for its answer. `done` is called once: with the
        connection, or with None and a cause, one of `REFUSALS` perhaps.
        """
        return self._loop.create_task(self._tunnel(server, target, name, times, done))

    async def _tunnel(
        self, server: ServerState, target: Target, name: str, times: tuple[float, float], done: Done
    ) -> None:
        to_parent, to_answer = times
        try:
            async with asyncio.timeout(to_parent):
                shaking = await self._reach(server)
        except TimeoutError:
            done(None, causes.CONNECT_TIMEOUT)
            return
        except (OSError, ssl.SSLError):
            done(None, causes.CONNECT_FAILED)
            return
        try:
            async with asyncio.timeout(to_answer):
                connection = await self._open_tunnel(shaking, server, target, name)
        except BaseException as error:
            shaking.transport.abort()
            if (cause := cause_of(error)) is None:
                raise
            done(None, cause)
            return
        done(connection, "")
        connection.listen()

    async def associate(
        self, server: ServerState, times: tuple[float, float]
    ) -> tuple[asyncio.Transport, tuple[bytes, int]]:
        """Ask a server that speaks SOCKS 5 for a relay of datagrams; `times` as for `through`.

        Return the control connection, which is not read yet, and host and port that the server tells.
        Raises RefusedError and OSError.
        """
        config = self._parent
        to_parent, to_answer = times
        try:
            async with asyncio.timeout(to_parent):
                shaking = await self._reach(server)
        except TimeoutError:
            raise RefusedError(causes.CONNECT_TIMEOUT, "no connection in time") from None
        handshake = SocksHandshake(NOWHERE, config.user, config.password, UDP_ASSOCIATE)
        try:
            async with asyncio.timeout(to_answer):
                await shaking.run(handshake)
        except BaseException:
            shaking.transport.abort()
            raise
        return shaking.transport, handshake.bound

    async def _reach(self, server: ServerState) -> _Shaking:
        address, tls = server.origin.address, None
        if server.secure:
            tls = self._context = self._context or loaded_context(self._parent.tls)
        name = (server.server_name or "localhost") if tls else None
        if address.path:
            _, shaking = await self._loop.create_unix_connection(
                lambda: _Shaking(self._loop), address.path, ssl=tls, server_hostname=name
            )
        else:
            _, shaking = await self._loop.create_connection(
                lambda: _Shaking(self._loop), address.host, address.port, ssl=tls, server_hostname=name
            )
        return shaking

    async def _open_tunnel(
        self, shaking: _Shaking, server: ServerState, target: Target, name: str
    ) -> WaitingConnection:
        """Shake hands, and speak TLS to the destination where Bascule itself is its client."""
        config, asked = self._parent, replace(target, host=name)
        handshake: Handshake
        if config.protocol == "socks5":
            handshake = SocksHandshake(asked, config.user, config.password)
        else:
            handshake = ConnectHandshake(asked, self._credentials)
        rest = await shaking.run(handshake)
        transport = shaking.transport
        connection = WaitingConnection(self, server, b"" if target.secure else rest)
        transport.resume_reading()
        if target.secure:
            if rest:
                raise RefusedError(causes.ORIGIN_TLS, "the destination spoke before its client")
            upgraded = await self._loop.start_tls(
                transport, cast(asyncio.Protocol, connection), self._destination_tls, server_hostname=target.host
            )
            transport = cast(asyncio.Transport, upgraded)
        else:
            transport.set_protocol(cast(asyncio.Protocol, connection))
        connection.connection_made(transport)
        if target.secure:
            proven(connection)
        return connection


def cause_of(error: BaseException) -> str | None:
    """Return the cause of a handshake's failure, or None for what is none."""
    if isinstance(error, RefusedError):
        return error.cause
    if isinstance(error, TimeoutError):
        return causes.ORIGIN_TIMEOUT
    if isinstance(error, ssl.SSLError):
        return causes.ORIGIN_TLS
    return causes.CONNECT_FAILED if isinstance(error, OSError) else None


class _Shaking(asyncio.Protocol):
    """A connection to a parent while hands are shaken; what comes behind that waits in the socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._over: asyncio.Future[None] = loop.create_future()
        self._handshake: Handshake | None = None
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)

    async def run(self, handshake: Handshake) -> bytes:
        """Shake hands; return the first bytes of the tunnel. Raises RefusedError and ConnectionError."""
        self._handshake = handshake
        self.transport.write(handshake.opening)
        await self._over
        return handshake.rest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._over.done():
            return
        if self._handshake is None:
            self._over.set_exception(RefusedError(causes.PARENT_REFUSED, "it speaks unasked"))
            return
        try:
            answer = self._handshake.feed(data)
        except RefusedError as error:
            self._over.set_exception(error)
            return
        if answer:
            self.transport.write(answer)
        if self._handshake.done:
            self.transport.pause_reading()
            self._over.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(error or ConnectionResetError("closed within the handshake"))
