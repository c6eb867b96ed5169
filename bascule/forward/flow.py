"""The datagrams between a client and one destination: judged like a tunnel there, before the first goes out.

They go straight, or through the relay of a SOCKS 5 parent (see `uplinks.py`). What a parent is given it sends on by
itself, so it is asked before anything, and nothing goes past it unless ``direct`` stands on the way behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from bascule.forward.chain import NOT_REACHED
from bascule.forward.conditions import Need
from bascule.forward.exchange import ForwardExchange
from bascule.forward.parents import DIRECT_WAY
from bascule.forward.policy import Access
from bascule.forward.quotas import Meter, Refusal
from bascule.forward.resolver import ResolveError
from bascule.forward.safesearch import reached_as
from bascule.forward.target import make_target
from bascule.forward.uplinks import Uplink, UplinkError
from bascule.http.errors import HttpError
from bascule.http.h1.block import Block
from bascule.http.message import RequestHead
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.association import Association
    from bascule.forward.client import ForwardClient

_PENDING = 16384
"""Bytes that wait while the way to a destination is looked for."""
_AGAIN: Final = 5.0
"""Seconds until a way is looked for again where there was none."""
_METHOD = b"UDP"


class Flow(ForwardExchange):
    """The datagrams between a client and one destination."""

    __slots__ = ("_again", "_association", "_meter", "_pending", "_quiet_until", "address", "uplink")

    def __init__(self, association: Association, host: bytes, port: int) -> None:
        super().__init__(cast("ForwardClient", association.peer), request_head(_METHOD, host, port))
        self._association = association
        self.route, self.site, self.routed = self.service.route, self.service.site, True
        self.user = association.user
        self.protocol = b"SOCKS5"
        self.address = ""
        """Where it goes straight, once it may."""
        self.uplink: Uplink | None = None
        """What it goes through, once it may."""
        self._pending: list[bytes] = []
        self._meter: Meter | None = None
        self._quiet_until = 0.0
        self._again = 0.0
        """When a way may be looked for again; 0 where what refused it stays."""

    def start(self, host: bytes, port: int) -> None:
        """Find out whether datagrams may go there, and how."""
        service, outer = self.service, self._association
        try:
            target = make_target(host, port)
        except HttpError as error:
            self._refused(error.status, error.cause)
            return
        access = self.access = Access(service.policy, self.peer.address, target, _METHOD)
        access.user, access.groups = outer.asked.user or "", outer.asked.groups
        decision = self.decision = service.policy.decide(access)
        access.rule = decision.rule
        self.by_address = decision.need is Need.ADDRESS
        self.rule = service.policy.name(decision)
        if not any(first <= port <= last for first, last in outer.config.ports):
            self._refused(403, causes.EGRESS_PORT)
        elif decision.action != "allow" and not self.by_address:
            self._refused(403, causes.EGRESS_DENIED)
        elif self._is_metered(access):
            if service.ways is not None:
                self.way = service.ways.of(access)
            self._set_out()

    def _is_metered(self, access: Access) -> bool:
        found = None if (quotas := self.service.quotas) is None else quotas.admit(access)
        if isinstance(found, Refusal):
            self.rule = f"quota {found.quota}"
            self._refused(found.status, found.cause)
            return False
        self._meter = found
        return True

    # The way -----------------------------------------------------------------------------------------

    def _set_out(self) -> None:
        self.status, self.cause, self._again, self.route = 200, "", 0.0, self.service.route
        self.connecting = self.app.loop.create_task(self._find_way())

    async def _find_way(self) -> None:
        try:
            if self.way is DIRECT_WAY:
                await self._go_straight()
            else:
                await self._go_through()
        finally:
            self.connecting = None

    async def _go_straight(self) -> None:
        """Take the first address that may be reached."""
        cause = ""
        for address in await self._addresses():
            if not (cause := self.judge_address(address)):
                self.address = address
                self._found()
                return
        if cause:
            self._refused(403, cause)

    async def _addresses(self) -> tuple[str, ...]:
        """Return the addresses of the destination; none where it was refused for want of them."""
        target = self.asked.target
        if target.address:
            return (target.address,)
        try:
            return await self.service.egress.addresses(reached_as(self.service.config, target.host))
        except ResolveError:
            self._refused(502, causes.DNS_FAILED, _AGAIN)
            return ()

    async def _go_through(self) -> None:
        """Ask the parents of the way, one after the other; go straight only where that is next and none was reached."""
        cause, reached = "", False
        if not await self._may_go_through():
            return
        for name in self.way:
            parent = self.service.parents.get(name)
            if parent is None:
                if reached:
                    continue
                await self._go_straight()
                return
            try:
                self.uplink = await self._association.uplinks.to(name, parent, self)
            except UplinkError as error:
                cause = error.cause
                reached = reached or cause not in NOT_REACHED
            else:
                self.server, self.tries, self.route = self.uplink.server, 1, parent.tunnels
                self.server_name = self.server.name
                self._found()
                return
        self._refused(502, cause, _AGAIN)

    async def _may_go_through(self) -> bool:
        """Judge what is known before a parent is told; where rules ask for addresses, all of them."""
        access = self.asked
        cause = self.service.parent_fault(access.target)
        if not cause and self.by_address and not access.address:
            cause = next((fault for address in await self._addresses() if (fault := self.judge_address(address))), "")
        if cause:
            self._refused(403, cause)
        return not self.cause

    def _found(self) -> None:
        self.rule = self.service.policy.name(self.decision)
        pending, self._pending = self._pending, []
        if self._association.knows(self):
            for content in pending:
                self.send(content)

    def lost_way(self) -> None:
        """The parent gave up its relay: look for a way with the next datagram."""
        self.uplink = None

    def _refused(self, status: int, cause: str, again: float = 0.0) -> None:
        self.status, self.cause = status, cause
        self._again = self.app.now + again if again else 0.0
        self._pending.clear()

    # Datagrams ---------------------------------------------------------------------------------------

    def send(self, content: bytes) -> None:
        """Send to the destination, as far as that may be."""
        if self.cause and not (self._again and self.app.now >= self._again):
            return
        if not self.address and self.uplink is None:
            if sum(map(len, self._pending)) + len(content) <= _PENDING:
                self._pending.append(content)
            if self.connecting is None:
                self._set_out()
        elif self._may_pass(len(content)):
            self.bytes_in += len(content)
            if self.uplink is not None:
                self.uplink.send(self, content)
            else:
                self._association.send(self, content)

    def received(self, content: bytes) -> bool:
        """Take an answer. Return whether the client may have it."""
        if self.cause or not self._may_pass(len(content)):
            return False
        self.bytes_out += len(content)
        return True

    def _may_pass(self, size: int) -> bool:
        """Charge a datagram; what is beyond a bandwidth is lost."""
        meter = self._meter
        if meter is None:
            return True
        if self.app.now < self._quiet_until:
            return False
        self._quiet_until = self.app.now + meter.charge(size)
        if meter.used_up:
            self.rule = f"quota {meter.used_up}"
            self._refused(403, causes.QUOTA_USED)
        return not meter.used_up

    def end(self) -> None:
        """It is over: write it down."""
        if self.connecting is not None:
            self.connecting.cancel()
        if self._meter is not None:
            self._meter.close()
        self._association.uplinks.leave(self)
        self.finished = True
        self.record()


def request_head(method: bytes, host: bytes, port: int) -> RequestHead:
    """Return what stands in the log for a request."""
    head = RequestHead(method, b"%b:%d" % (host, port), Block([]), [])
    head.authority = head.target
    head.host, head.port = host, port
    return head
