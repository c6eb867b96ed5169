"""Relays of datagrams at SOCKS 5 parents, as their client (RFC 1928 7): one for all flows of an association to
addresses, and one for each name.

A parent resolves names, but answers come from addresses: which name they are of, only a relay of its own tells.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from bascule.forward.guard import inside_range
from bascule.forward.handshakes import RefusedError, place
from bascule.forward.parents import ParentProxy, Tunnels, cause_of
from bascule.forward.safesearch import reached_as
from bascule.forward.socks import SocksError
from bascule.forward.socks_udp import HEADER, unwrap
from bascule.forward.target import make_target
from bascule.forward.udp_port import Port
from bascule.http.errors import HttpError
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome, Unavailable

if TYPE_CHECKING:
    from bascule.forward.association import Association
    from bascule.forward.flow import Flow
    from bascule.upstream.server import ServerState

_REST: Final = 5.0
"""Seconds for which a parent that gave no relay, or soon gave it up, is not asked for another."""
MOST: Final = 32
"""Relays at parents of one association: each takes two files, and every name has one of its own."""
_OUTCOMES: Final = {
    causes.PARENT_REFUSED: Outcome.OK,  # the server does as it should
    causes.PARENT_AUTHENTICATION: Outcome.OK,
    causes.ORIGIN_TIMEOUT: Outcome.TIMEOUT,
}
Key = tuple[str, str]
"""Name of a parent, and the host where that is a name."""


class UplinkError(Exception):
    """A parent gives no relay. `cause` is one of telemetry/causes.py."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Uplink(asyncio.Protocol):
    """One relay, with its control connection, at a server of a parent."""

    def __init__(self, uplinks: Uplinks, key: Key, parent: ParentProxy, first: Flow) -> None:
        self._uplinks = uplinks
        self._pool = parent.tunnels.pool
        self._route = parent.tunnels
        self._control: asyncio.Transport | None = None
        self._port: Port | None = None
        self._begun = 0.0
        self._answering: dict[tuple[str, int], Flow] = {}
        """Flows by address (empty for a name) and port of their destination."""
        self.key = key
        self.users: dict[Flow, bytes] = {}
        """Flows that go through it, with the header of their datagrams."""
        self.used = first.app.now
        """When something was sent through it last."""
        self.server = cast("ServerState", None)
        self.opening = first.app.loop.create_task(self._open(first))

    async def _open(self, flow: Flow) -> str:
        """Ask the servers of the parent, as often as the parent allows; return the cause of failure, or empty."""
        pool, route, cause = self._pool, self._route, ""
        assert pool is not None
        tried: tuple[ServerState, ...] = ()
        while len(tried) <= route.retry_attempts and (not tried or pool.may_retry()):
            server = pool.pick(flow, tried)
            if isinstance(server, Unavailable):
                return cause or (causes.QUEUE_FULL if server is Unavailable.FULL else causes.NO_SERVER)
            self.server, self._begun = server, perf_counter()
            if server in tried:
                self._release(Outcome.CLIENT_ABORT)
                break
            try:
                await self._open_at(server)
            except asyncio.CancelledError:
                self._release(Outcome.CLIENT_ABORT)
                raise
            except (RefusedError, OSError) as error:
                cause = cause_of(error) or causes.CONNECT_FAILED
                self._release(_OUTCOMES.get(cause, Outcome.CONNECT))
                tried = (*tried, server)
            else:
                return ""
        return cause

    async def _open_at(self, server: ServerState) -> None:
        route = self._route
        tunnels = cast(Tunnels, route.connector)
        control, (host, number) = await tunnels.associate(server, (route.connect_timeout, route.response_timeout))
        try:
            if not number:
                raise RefusedError(causes.PARENT_REFUSED, "it names its relay, and tells no port")
            own, far = control.get_extra_info("sockname"), control.get_extra_info("peername")
            if not isinstance(far, tuple):
                raise RefusedError(causes.PARENT_REFUSED, "no datagram goes to a UNIX socket")
            relay = _relay_address(host, far[0]), number
            self._port = Port(self._uplinks.loop, own[0], self._received, only=relay)
        except BaseException:
            control.abort()
            raise
        self._control = control
        control.set_protocol(self)
        control.resume_reading()

    def _release(self, outcome: Outcome) -> None:
        if self._pool is not None:
            self._pool.release(self.server, outcome, perf_counter() - self._begun)

    # Flows -------------------------------------------------------------------------------------------

    def join(self, flow: Flow) -> None:
        """Let a flow go through."""
        target = flow.asked.target
        asked = replace(target, host=reached_as(flow.service.config, target.host))
        self.users[flow] = HEADER + place(asked)
        self._answering[target.address, target.port] = flow

    def leave(self, flow: Flow) -> None:
        """Let a flow go through no more."""
        del self.users[flow]
        where = flow.asked.target.address, flow.asked.target.port
        if self._answering.get(where) is flow:
            del self._answering[where]

    def send(self, flow: Flow, content: bytes) -> None:
        """Send content to a flow's destination."""
        self.used = flow.app.now
        if self._port is not None:
            self._port.send(self.users[flow] + content)

    def _received(self, datagram: bytes, _address: str, _number: int) -> None:
        try:
            host, port, content = unwrap(datagram)
            origin = make_target(host, port).address
        except (SocksError, HttpError):
            return
        flow = self._answering.get((origin, port)) or self._answering.get(("", port))
        if flow is not None:
            self._uplinks.association.answered(flow, content, datagram)

    # The end -----------------------------------------------------------------------------------------

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol: a relay ends with its control connection."""
        if self._control is not None:
            self._uplinks.lost(self, perf_counter() - self._begun)

    def close(self) -> None:
        """End it."""
        self.opening.cancel()
        control, self._control = self._control, None
        if control is not None:
            control.abort()
            self._release(Outcome.OK)
        if self._port is not None:
            self._port.close()
            self._port = None


class Uplinks:
    """Those of one association."""

    def __init__(self, association: Association) -> None:
        self.association = association
        self.loop = association.app.loop
        self._open: dict[Key, Uplink] = {}
        self._resting: dict[str, tuple[float, str]] = {}
        """Until when parents are not asked, and why."""

    async def to(self, name: str, parent: ParentProxy, flow: Flow) -> Uplink:
        """Return a relay at a parent for a flow. Raises UplinkError."""
        if parent.takes_urls:
            raise UplinkError(causes.PARENT_REFUSED)  # HTTP proxies carry no datagrams
        target = flow.asked.target
        key = name, "" if target.address else target.host
        uplink = self._open.get(key)
        if uplink is None:
            until, cause = self._resting.get(name, (0.0, ""))
            if flow.app.now < until:
                raise UplinkError(cause)
            self._make_room()
            uplink = self._open[key] = Uplink(self, key, parent, flow)
        uplink.join(flow)
        cause = await asyncio.shield(uplink.opening)
        if not cause and self._open.get(key) is not uplink:
            cause = causes.PARENT_REFUSED  # it was given up before this was told that it is there
        if cause:
            uplink.leave(flow)
            self._end(uplink, cause)
            raise UplinkError(cause)
        return uplink

    def lost(self, uplink: Uplink, lasted: float) -> None:
        """A parent gave up a relay. Its flows look for another way, elsewhere if it did so at once."""
        self._give_up(uplink, causes.PARENT_REFUSED if lasted < _REST else "")

    def _make_room(self) -> None:
        """End the relay that was not used for longest, if there are as many as may be. Raises UplinkError."""
        if len(self._open) < MOST:
            return
        known = [uplink for uplink in self._open.values() if uplink.opening.done()]
        if not known:
            raise UplinkError(causes.OVER_LIMIT_CONNECTIONS)
        self._give_up(min(known, key=lambda uplink: uplink.used), "")

    def _give_up(self, uplink: Uplink, cause: str) -> None:
        self._end(uplink, cause)
        for flow in list(uplink.users):
            flow.lost_way()

    def _end(self, uplink: Uplink, cause: str) -> None:
        if cause:
            self._resting[uplink.key[0]] = self.association.app.now + _REST, cause
        if self._open.get(uplink.key) is uplink:
            del self._open[uplink.key]
        uplink.close()

    def leave(self, flow: Flow) -> None:
        """A flow is over; so is a relay that has none left."""
        for uplink in [uplink for uplink in self._open.values() if flow in uplink.users]:
            uplink.leave(flow)
            if not uplink.users:
                self._end(uplink, "")

    def close(self) -> None:
        """End all."""
        for uplink in list(self._open.values()):
            self._end(uplink, "")


def _relay_address(host: bytes, parent: str) -> str:
    """Return where a parent's relay is: where it says, if that can be reached from here, else at the parent itself.

    Many tell 0.0.0.0, or an address of their own inside. One that a parent names among our insiders is not believed.
    Raises RefusedError for a name.
    """
    try:
        told = str(ip_address(host.strip(b"[]").decode()))
    except ValueError:
        raise RefusedError(causes.PARENT_REFUSED, "it names its relay, and tells no address") from None
    if (":" in told) == (":" in parent) and inside_range(told) in ("", inside_range(parent)):
        return told
    return parent
