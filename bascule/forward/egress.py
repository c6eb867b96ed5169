"""Connections to wherever clients of the forward proxy want to go, and the kept ones among them.

Every address is judged right before it is dialled: it is the address that is connected to, not a name that might
lead elsewhere the next time it is resolved.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

from bascule.forward.outgoing import Source
from bascule.forward.resolver import ResolveError, Resolver
from bascule.forward.target import Target
from bascule.http.h1.head import ResponseParser
from bascule.telemetry import causes
from bascule.tls.client import check_feature
from bascule.upstream.connection import Answerer, Endpoint, Keeper, OriginConnection
from bascule.upstream.dialling import Cancellable, Dialling

Judge = Callable[[str], str]
"""Says by which cause an address may not be dialled; empty if it may."""
Done = Callable[[OriginConnection | None, str], None]
_LEAST_SHARE = 0.25
"""Seconds that an address gets of the time to connect, however many there are."""


class Destination:
    """Where a connection leads: what `upstream` asks of a server (see `Endpoint`)."""

    __slots__ = ("address", "idle", "name", "secure", "source", "target")

    def __init__(self, target: Target, address: str, source: str = "") -> None:
        self.target = target
        self.address = address
        """The IP address that was dialled."""
        self.source = source
        """The address of this machine that it was dialled from, where that was chosen."""
        self.name = target.authority
        self.secure = target.secure
        self.idle: list[Any] = []


class WaitingConnection(OriginConnection):
    """A new connection, which has no user yet: what the other end says meanwhile, the first in a tunnel perhaps, waits.

    `early` is what it has said already. Where `made` is given, it brings the user as soon as there is a connection: a
    turn of the loop earlier than who awaits it.
    """

    __slots__ = ("_early", "_made")

    def __init__(self, keeper: Keeper, destination: Endpoint, early: bytes = b"", made: Done | None = None) -> None:
        super().__init__(keeper, destination)
        self._early: bytes | None = early
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        made, self._made = self._made, None
        if made is not None:
            self._early = None
            made(self, "")

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._early is None:
            super().data_received(data)
        else:
            self._early += data
            self.transport.pause_reading()

    def listen(self) -> None:
        """The user is there."""
        early, self._early = self._early, None
        if early and not self.closed:
            self.transport.resume_reading()
            self.data_received(early)


class Egress:
    """Dials, and keeps what can be used again; `most_kept` bounds the idle connections of a worker."""

    def __init__(
        self,
        responses: ResponseParser,
        resolver: Resolver,
        loop: asyncio.AbstractEventLoop,
        most_kept: int,
        idle_limit: float,
        tls: ssl.SSLContext,
    ) -> None:
        self.responses = responses
        self.fields = responses.fields
        self._resolver = resolver
        self._loop = loop
        self._most_kept = most_kept
        self._idle_limit = idle_limit
        self.tls = tls
        """Verifies destinations that Bascule itself speaks TLS to."""
        self._idle: dict[Target, list[OriginConnection]] = {}
        self._order: dict[OriginConnection, None] = {}
        """Idle connections, the one that has been idle for longest first."""

    # Kept connections: the `Keeper` of upstream/connection.py ----------------------------------------

    def kept(self, target: Target, judge: Judge, now: float, source: Source | None = None) -> OriginConnection | None:
        """Return a kept connection to a target whose address may still be dialled, if there is one.

        With a `source` it is one that comes from there: two users must not be told apart as one, nor taken for one.
        """
        idle = self._idle.get(target)
        if source is not None and idle:
            idle = [connection for connection in idle if _comes_from(connection, source)]
        while idle:
            connection = idle.pop() if source is not None else idle[-1]
            self._drop(connection)
            if connection.closed:
                continue
            if now - connection.idle_since > self._idle_limit or judge(address_of(connection)):
                connection.close()
                continue
            return connection
        return None

    def keep(self, connection: OriginConnection) -> None:
        """Keep a connection for the next request to its target; beyond the bound the oldest has to go."""
        if not self._most_kept:
            connection.close()
            return
        if len(self._order) >= self._most_kept:
            next(iter(self._order)).close()
        self._order[connection] = None
        self._idle.setdefault(_target_of(connection), []).append(connection)

    def forget(self, connection: OriginConnection) -> None:
        """Keep a connection no more."""
        if connection in self._order:
            self._drop(connection)

    def prune(self, now: float) -> None:
        """Close connections that were idle for too long."""
        while self._order:
            oldest = next(iter(self._order))
            if now - oldest.idle_since <= self._idle_limit:
                return
            oldest.close()

    def close(self) -> None:
        """Close all that is kept."""
        for connection in list(self._order):
            connection.close()

    def _drop(self, connection: OriginConnection) -> None:
        del self._order[connection]
        target = _target_of(connection)
        idle = self._idle[target]
        idle.remove(connection)
        if not idle:
            del self._idle[target]

    # New connections ---------------------------------------------------------------------------------

    def dial(
        self, target: Target, name: str, judge: Judge, timeout: float, done: Done, source: Source | None = None
    ) -> Cancellable:
        """Open a connection to a target, over an address of `name` that `judge` lets through.

        `source` is where it comes from; addresses that cannot be reached from there are passed over.

        `done` is called once: with the connection, or with None and a cause. `timeout` seconds are shared out between
        several addresses; the deadline of the whole is the caller's, who cancels. It is never called from in here.
        """
        if source is None and not target.secure:
            known = (target.address,) if target.address else self._resolver.known(name)
            if known is not None and len(known) == 1:
                return self._dial_only(target, known[0], judge, done)
        return self._loop.create_task(self._open(target, name, judge, timeout, done, source))

    def _dial_only(self, target: Target, address: str, judge: Judge, done: Done) -> Cancellable:
        """Open a connection to the only address, of which nothing has to be found out."""
        if cause := judge(address):
            return self._loop.call_soon(done, None, cause)
        return Dialling(
            self._loop, self._connect(target, address, None, done), lambda error: done(None, _cause_of(error))
        )

    async def _open(
        self,
        target: Target,
        name: str,
        judge: Judge,
        timeout: float,  # noqa: ASYNC109 - it is shared out
        done: Done,
        source: Source | None,
    ) -> None:
        try:
            addresses = (target.address,) if target.address else await self._resolver.resolve(name)
        except ResolveError:
            done(None, causes.DNS_FAILED)
            return
        if source is not None:
            addresses = tuple(address for address in addresses if source.to(address))
            if not addresses:
                done(None, causes.CONNECT_FAILED)
                return
        failure = refusal = ""
        only = len(addresses) == 1 and not target.secure  # what is secure has yet to be looked at when it is made
        share = max(_LEAST_SHARE, timeout / len(addresses))
        for address in addresses:
            cause = judge(address)
            if cause:
                refusal = refusal or cause
                continue
            try:
                if only:
                    connection = await self._connect(target, address, source, done)
                else:
                    connection = await asyncio.wait_for(self._connect(target, address, source), share)
            except OSError as error:
                failure = _cause_of(error)
            else:
                if not only:
                    done(connection, "")
                    connection.listen()
                return
        done(None, failure or refusal)  # what failed says more than what was not allowed

    def look_up(self, name: str, judge: Judge, done: Callable[[str], None]) -> asyncio.Task[None]:
        """Have every address of a name judged, without dialling; `done` gets a cause, empty if all may be dialled."""
        return self._loop.create_task(self._look_up(name, judge, done))

    async def _look_up(self, name: str, judge: Judge, done: Callable[[str], None]) -> None:
        try:
            addresses = await self._resolver.resolve(name)
        except ResolveError:
            done(causes.DNS_FAILED)
            return
        done(next((cause for address in addresses if (cause := judge(address))), ""))

    def known(self, name: str) -> tuple[str, ...] | None:
        """Return what is remembered of the addresses of a name; None if it has to be asked for."""
        return self._resolver.known(name)

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name, which have yet to be judged. Raises ResolveError."""
        return await self._resolver.resolve(name)

    async def leads_to(self, name: str, address: str) -> bool:
        """Tell whether an address is one of a name's. Clients may ask another resolver: a no is no proof of malice."""
        try:
            return address in await self._resolver.resolve(name)
        except ResolveError:
            return False

    async def secure(
        self,
        connection: Answerer,
        target: Target,
        timeout: float,  # noqa: ASYNC109 - start_tls takes it
    ) -> tuple[OriginConnection, bytes]:
        """Begin TLS on a connection that nobody has spoken on; return what it has become, and its certificate (DER).

        `target` is what it leads to, and what is to be proven. Raises OSError, ssl.SSLError among them.
        """
        before, transport = connection.server, connection.transport
        source = before.source if isinstance(before, Destination) else ""
        address = before.address if isinstance(before, Destination) else ""
        secured = OriginConnection(self, Destination(target, address, source))
        connection.user = None
        connection.closed = True  # the transport has another owner
        upgraded = await self._loop.start_tls(
            transport,
            cast(asyncio.Protocol, secured),
            self.tls,
            server_hostname=target.host,
            ssl_handshake_timeout=timeout,
        )
        if upgraded is None:
            raise ConnectionResetError("closed within the handshake")
        secured.connection_made(upgraded)
        return secured, proven(secured)

    async def _connect(
        self, target: Target, address: str, source: Source | None, made: Done | None = None
    ) -> WaitingConnection:
        destination = Destination(target, address, source.to(address) if source is not None else "")
        more: dict[str, Any] = {}
        if destination.source:
            more["local_addr"] = (destination.source, 0)
        if target.secure:
            more |= {"ssl": self.tls, "server_hostname": target.host}
        connection = WaitingConnection(self, destination, made=made)
        await self._loop.create_connection(lambda: cast(asyncio.Protocol, connection), address, target.port, **more)
        if target.secure:
            proven(connection)
        return connection


def proven(connection: OriginConnection) -> bytes:
    """Return the certificate (DER) of a server that TLS was begun with. Raises ssl.SSLError for one not to be taken."""
    certificate: bytes = connection.transport.get_extra_info("ssl_object").getpeercert(True)
    try:
        check_feature(certificate)
    except ssl.SSLError:
        connection.close()
        raise
    return certificate


def _cause_of(error: OSError) -> str:
    """Return the cause of a connection that was not made."""
    if isinstance(error, TimeoutError):
        return causes.CONNECT_TIMEOUT
    return causes.ORIGIN_TLS if isinstance(error, ssl.SSLError) else causes.CONNECT_FAILED


def _target_of(connection: OriginConnection) -> Target:
    destination = connection.server
    assert isinstance(destination, Destination)
    return destination.target


def _comes_from(connection: OriginConnection, source: Source) -> bool:
    destination = connection.server
    assert isinstance(destination, Destination)
    return destination.source == source.to(destination.address)


def address_of(connection: OriginConnection) -> str:
    """Return the IP address that a connection of `Egress` leads to."""
    destination = connection.server
    assert isinstance(destination, Destination)
    return destination.address
