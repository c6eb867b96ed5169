"""The cache's own exchange with a server: as any, but that what comes goes to a fetch, and not to a client's socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bascule.http.message import RequestHead, ResponseHead
from bascule.proxy import attempts
from bascule.proxy.exchange import Exchange
from bascule.proxy.peer import Peer
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.proxy.fetch import Fetch


class AskingMixin(Exchange):
    """What makes an exchange one of the cache's own: what comes goes to the fetch, and nothing to a client's socket."""

    __slots__ = ()

    @property
    def fetch(self) -> Fetch:
        """Whom the response is for."""
        return cast("Fetch", self.peer)

    def on_informational(self, head: ResponseHead) -> None:
        """See OriginUser: early hints are for who waits."""
        self.fetch.pass_hint(head)

    def on_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """See OriginUser."""
        self.status = status = head.status
        self.wait = self.age()
        if status in self.route.retry_status and attempts.again(self, Outcome.ERROR_STATUS, str(status)):
            return
        self.fetch.take_head(head, content, complete)

    def on_content(self, content: bytes, complete: bool) -> None:
        """See OriginUser."""
        self.fetch.take_content(content, complete)

    def on_switch(self, head: ResponseHead, rest: bytes) -> None:
        """See OriginUser: nobody asked for that."""
        self.on_origin_fault(causes.ORIGIN_PROTOCOL_ERROR)

    def answer(self, status: int, cause: str, fields: bytes = b"") -> None:
        """No server answers: those who wait are told why."""
        if not self.finished:
            self.fetch.fail(status, cause, fields)

    def end(self, outcome: Outcome | None) -> None:
        """The response is of no further interest."""
        self.finish(outcome, "", self.status)

    def finish(self, outcome: Outcome | None, cause: str, status: int, cut: bool = False) -> None:
        """End the exchange; there is no line for the log, for it is none of a client's."""
        if self.finished:
            return
        self.finished = True
        self.status, self.cause = status, cause
        self.detach(outcome)
        self.fetch.over()
        self.peer = Peer(self.app, None)  # the two refer to each other


class Asking(AskingMixin):
    """An exchange of the cache's own with the servers of a route."""

    __slots__ = ()

    def __init__(self, fetch: Fetch, asker: Exchange, head: RequestHead) -> None:
        super().__init__(fetch, head)
        take_over(self, asker)


def take_over(own: Exchange, asker: Exchange) -> None:
    """Let an exchange of the cache's own ask for what another asks for."""
    own.method = b"GET"
    own.scheme, own.target, own.path = asker.scheme, asker.target, asker.path
    own.route, own.site, own.routed = asker.route, asker.site, True
