"""The cache's own exchange with a destination of the forward proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bascule.forward import chain
from bascule.forward.exchange import ForwardExchange
from bascule.forward.policy import Decision
from bascule.http.message import RequestHead, ResponseHead
from bascule.proxy.asking import AskingMixin, take_over
from bascule.proxy.exchange import Exchange
from bascule.proxy.peer import Peer
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.forward.client import ForwardClient
    from bascule.forward.service import ForwardService
    from bascule.proxy.fetch import Fetch


class ForwardAsking(AskingMixin, ForwardExchange):
    """Asks for what a client asked for, by the same way. The rules were asked already, and will be about the response,
    for each client anew."""

    __slots__ = ()

    def __init__(self, fetch: Fetch, asker: Exchange, head: RequestHead) -> None:
        first = cast(ForwardExchange, asker)
        ForwardExchange.__init__(self, cast("ForwardClient", _Asker(fetch, first.service, first.user)), head)
        self.peer = cast("ForwardClient", fetch)
        take_over(self, asker)
        self.access, self.decision, self.way = first.access, first.decision, first.way

    def on_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """See OriginUser."""
        if head.status == 407 and self.route is not self.service.route:
            self.detach(Outcome.CLIENT_ABORT)  # it is not the client whom the parent asks
            self.answer(502, causes.PARENT_AUTHENTICATION)
        else:
            AskingMixin.on_response(self, head, content, complete)

    def on_content(self, content: bytes, complete: bool) -> None:
        """See OriginUser."""
        AskingMixin.on_content(self, content, complete)

    def answer(self, status: int, cause: str, fields: bytes = b"", advice: str = "") -> None:
        """See AskingMixin; or go on to the next on the way."""
        if not chain.goes_on(self, cause):
            AskingMixin.answer(self, status, cause, fields)

    def refuse(self, decision: Decision) -> None:
        self.answer(403, causes.EGRESS_DENIED)


class _Asker(Peer):
    """What a forward exchange asks of its client as it begins."""

    __slots__ = ("service", "user")

    def __init__(self, fetch: Fetch, service: ForwardService, user: str) -> None:
        super().__init__(fetch.app, fetch.tls)
        self.scheme = fetch.scheme
        self.service, self.user = service, user
