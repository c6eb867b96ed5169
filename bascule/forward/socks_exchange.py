"""A SOCKS request on its way: a tunnel like that of CONNECT, whose answers are those of SOCKS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.forward import chain
from bascule.forward.exchange import ForwardExchange
from bascule.forward.policy import Decision
from bascule.forward.socks import Reply, reply, reply_for
from bascule.http.message import RequestHead
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.client import ForwardClient


class SocksExchange(ForwardExchange):
    """See the module."""

    __slots__ = ("_version",)

    def __init__(self, peer: ForwardClient, head: RequestHead, version: int) -> None:
        super().__init__(peer, head)
        self._version = version
        self.protocol = b"SOCKS4" if version == 4 else b"SOCKS5"

    def _established(self) -> bytes:
        return reply(self._version, Reply.SUCCEEDED)

    def refuse(self, decision: Decision) -> None:
        self.rule = self.service.policy.name(decision)
        self.answer(403, causes.EGRESS_DENIED)

    def answer(self, status: int, cause: str, fields: bytes = b"", advice: str = "") -> None:
        """Answer with a code of SOCKS and close; or go on to the next on the way."""
        if self.finished or chain.goes_on(self, cause):
            return
        self.close = True
        if not self.responding:
            self.peer.write(reply(self._version, reply_for(cause)))
        self.finish(None, cause, self.status if self.responding else status)
