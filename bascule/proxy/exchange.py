"""The way of one request: who asks, which route, may it pass, which server, back to the client, into the log.

Start at `Exchange.begin`: the phases stand there in their order (docs/life-of-a-request.md draws them). What they
decide of the head is in admission.py, the tries at servers in attempts.py, the serialisation of heads in wire.py,
what is known of the exchange in facts.py.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from bascule.defence.offences import NOT_FOUND
from bascule.http.errors import HttpError
from bascule.http.h1.body import chunk, last_chunk
from bascule.http.message import ResponseHead
from bascule.proxy import admission, answers, attempts, blocklists, gate, masking, parking, tunnel, wire
from bascule.proxy.facts import NOTHING, Facts
from bascule.proxy.inspection import Inspection
from bascule.proxy.phase import TUNNEL
from bascule.telemetry import causes
from bascule.upstream.connection import WRITE_HIGH
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    import asyncio

    from bascule.http.fields import Field
    from bascule.upstream.connection import OriginConnection
    from bascule.upstream.connector import Connector, Done
    from bascule.waf.engine import Waf

PENDING_LIMIT = 65536
"""Request body bytes held while no server takes them; then the client is asked to wait."""
JOINED = 16384
"""Content up to this size is copied to go out with the head in one piece; more costs less in a piece of its own."""
_CHUNKED = wire.CHUNKED
_UNTIL_CLOSE = wire.UNTIL_CLOSE
_OK, _ERROR_STATUS = Outcome.OK, Outcome.ERROR_STATUS  # asking an Enum for a member takes four times as long


@mypyc_attr(allow_interpreted_subclasses=True)
class Exchange(Facts):
    """One request and its response."""

    __slots__ = ()

    # The phases ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Decide what becomes of the request whose head is complete."""
        try:
            if self.peer.trusted:
                self.scheme = self.peer.identify(self.head)
            if (shield := self.app.shield) is None:
                admission.find_route(self)
            elif not gate.admit(self, shield):
                return
            self.proceed()
        except HttpError as error:
            self.answer(error.status, error.cause)

    def proceed(self) -> None:
        """Answer the request, or ask a server. Raises HttpError."""
        route, head = self.route, self.head
        special = route.guarded or head.block.upgrade or self.app.maintenance or head.method in admission.SPECIAL
        if special and not admission.admit(self):
            return
        if (waf := route.waf) is not None:
            if self._inspect(waf):
                self.try_server()
        elif self.request_done or self.kept >= route.request_buffer:
            self.try_server()
        else:
            parking.park(self)

    def _inspect(self, waf: Waf) -> bool:
        """Ask the firewall. False: it refused, or awaits the body, or what a block list says."""
        return not (waf.ahead.needed and blocklists.holds(self, waf)) and self.judge(waf)

    def judge(self, waf: Waf) -> bool:
        """Let the firewall judge what is here. False: it refused, or awaits more."""
        self.inspection = Inspection(self, waf, self.route.plan.waf.large_body)
        return self.inspection.judge_head()

    def try_server(self) -> None:
        """Answer from the route's cache, if it has one that can, or ask a server."""
        if (cache := self.route.cache) is None:
            self.ask_server()
        else:
            cache.take(self)

    def ask_server(self) -> None:
        """Begin a try at a server."""
        attempts.start(self)

    def detach(self, outcome: Outcome | None) -> None:
        """Leave the present server, with what it did."""
        attempts.leave(self, outcome)

    def dial(self, connector: Connector, preface: bytes, done: Done) -> asyncio.Task[None]:
        """Open a connection to the server that was picked."""
        return connector.connect(self.server, preface, self.route.connect_timeout, done)

    def use(self, connection: OriginConnection) -> None:
        """Send the request over a connection that was just opened."""
        attempts.send(self, connection)

    # From the client -------------------------------------------------------------------------------

    @property
    def awaits_client(self) -> bool:
        """Whether the client has to send: no server has yet to be found, or to agree to the body, or has answered."""
        return not (
            self.request_done
            or self.responding
            or self.ticket is not None
            or self.connecting is not None
            or (self.head.expect and not self.continued and not self.bytes_in)
        )

    def on_request_content(self, content: bytes) -> None:
        """More of the request body."""
        self.bytes_in += len(content)
        limit = self.route.body_limit
        if limit and self.bytes_in > limit:
            self.answer(413, causes.BODY_TOO_LARGE)
            return
        inspection = self.inspection
        if inspection is not None:
            if inspection.holding:
                self.parts.append(content)
                self.kept += len(content)
                self.app.holding.add(self.peer, len(content))
                inspection.on_content(content)
                return
            if inspection.rest is not None:
                inspection.rest.take(content)
                return
        self.pass_on(content)

    def pass_on(self, content: bytes) -> None:
        """Send body content to the server, or keep it until there is one."""
        if self.origin is not None:
            self.origin.write(chunk(content) if self.head.chunked else content)
            if not self.replayable:
                return
        self.parts.append(content)
        self.kept += len(content)
        if self.origin is not None:
            self.forget_large_body()
            return
        self.app.holding.add(self.peer, len(content))
        if self.parked:
            if self.kept >= self.route.request_buffer:
                parking.leave(self)
        elif self.kept >= PENDING_LIMIT:
            self.peer.pause_reading()
            if self.login is not None:
                self.login.body_too_large()

    def on_request_end(self, trailers: list[Field]) -> None:
        """The request body is complete."""
        self.request_trailers = trailers
        if (inspection := self.inspection) is not None and inspection.rest is not None:
            inspection.rest.take(b"", ended=True)
        else:
            self.end_request()

    def end_request(self) -> None:
        """All of the request that is to be passed on is here."""
        self.request_done = True
        if (inspection := self.inspection) is not None and inspection.holding:
            inspection.judge_body()
        elif self.origin is not None:
            if self.head.chunked:
                self.origin.write(last_chunk(self.request_trailers))
            if not self.responding:
                self.peer.deadline = attempts.response_deadline(self)
        elif self.parked:
            parking.leave(self)
        elif self.login is not None:
            self.login.body_complete()

    def forget_large_body(self) -> None:
        """Keep no more of the body than may be tried again."""
        if self.kept > self.route.retry_body:
            self.replayable = False
            self.parts.clear()

    def on_client_gone(self) -> None:
        """The client went away before its response was complete."""
        if not self.finished:
            self.finish(Outcome.CLIENT_ABORT, self.cause or causes.CLIENT_ABORT, self.status or 499)

    def abandon(self, cause: str) -> None:
        """Give up on a client that breaks the bounds; what it was sent stays incomplete."""
        self.finish(Outcome.CLIENT_ABORT, cause, self.status or 499, cut=True)

    def on_client_blocked(self, blocked: bool) -> None:
        """Whether the client takes no more of the response for now (back-pressure)."""
        origin = self.origin
        if origin is not None and not origin.closed:
            if blocked:
                origin.transport.pause_reading()
            else:
                origin.transport.resume_reading()

    def on_deadline(self) -> None:
        """The time for the present step is over."""
        attempts.timed_out(self)

    # From the server: the OriginUser of upstream/connection.py -----------------------------------

    def on_informational(self, head: ResponseHead) -> None:
        """See OriginUser: 1xx responses are passed on, but not to HTTP/1.0 clients (RFC 9110 15.2)."""
        if head.status == 100:
            if self.continued:
                return
            self.continued = self.head.expect
            if not self.request_done:
                self.peer.expect_body()
        if self.head.minor:
            self.peer.write(wire.informational_head(self, head))

    def on_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """See OriginUser."""
        self.wait = perf_counter() - self.asked_at
        self.status = status = head.status
        route = self.route
        if route.cache is not None:
            route.cache.invalidate(self, head)
        if status in route.unwelcome and attempts.replaced(self, complete):
            return
        inspection = self.inspection
        if inspection is None or inspection.judge_response(head, content, complete):
            self.respond(head, content, complete)

    def respond(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """Send the response's head and what there is of its content."""
        route = self.route
        if (guard := route.response_fields) is not None and not guard.clears(head):
            if (shown := guard.passed(self, head)) is None:
                return
            head = shown
        self.responding = True
        peer = self.peer
        if route.response_filter is not None and (mask := masking.begin(self, route.response_filter, head)) is not None:
            head = mask.head(head)
            content = mask.feed(content, complete)
            if self.finished:
                return
        if self.login is not None:
            self.login.on_response(head, content, complete)
        framing = self.framing
        if head.length < 0:
            self.framing = framing = _CHUNKED if self.head.minor else _UNTIL_CLOSE
        self.close = close = (
            not self.head.keep_alive
            or framing == _UNTIL_CLOSE
            or not self.request_done
            or peer.must_close(route.max_requests)
        )
        if route.sticky and self.tries:
            self._stick()
        start = wire.response_head(self, head, framing, close)
        size = self.bytes_out = len(content)
        if framing == _CHUNKED:
            content = self._chunked(content, complete)
        if size <= JOINED:
            if close and complete and peer.tls is not None:
                peer.write_last(start + content)
            else:
                peer.transport.write(start + content)
        else:
            peer.transport.write(start)
            peer.transport.write(content)
        if complete:
            self._complete()
        elif not peer.blocked:
            peer.deadline = self.app.now + route.times.response_idle

    def _stick(self) -> None:
        """Tell the client by a cookie which server is its own, unless it knows."""
        pool = self.route.pool
        if pool is not None and (cookie := pool.sticky_cookie(self, self.server)) is not None:
            self.extra += b"set-cookie: %b\r\n" % cookie

    def _chunked(self, content: bytes, complete: bool) -> bytes:
        """Frame content for the client (RFC 9112 7.1)."""
        if content:
            content = chunk(content)
        if complete:
            content += last_chunk(self.origin.trailers if self.origin is not None else NOTHING)
        return content

    def on_content(self, content: bytes, complete: bool) -> None:
        """See OriginUser."""
        if (inspection := self.inspection) is not None:
            if inspection.holds_response:
                inspection.on_response_content(content, complete)
                return
            if inspection.mask is not None:
                content = inspection.mask.feed(content, complete)
                if self.finished:
                    return
        self.send_content(content, complete)

    def send_content(self, content: bytes, complete: bool) -> None:
        """Send content of the response to the client."""
        peer = self.peer
        if self.login is not None:
            self.login.on_content(content)
        self.bytes_out += len(content)
        if self.framing == _CHUNKED:
            content = self._chunked(content, complete)
        if content:
            peer.write(content)
        if complete:
            self._complete()
        elif not peer.blocked:
            peer.deadline = self.app.now + self.route.times.response_idle

    def _complete(self) -> None:
        self.finish(_ERROR_STATUS if 502 <= self.status <= 504 else _OK, "", self.status)

    def on_switch(self, head: ResponseHead, rest: bytes) -> None:
        """See OriginUser."""
        tunnel.begin(self, head, rest)

    def on_tunnel_data(self, data: bytes) -> None:
        """See OriginUser."""
        tunnel.from_server(self, data)

    def on_tunnel_eof(self) -> None:
        """See OriginUser."""
        tunnel.server_ended(self)

    def on_origin_fault(self, cause: str) -> None:
        """See OriginUser."""
        self._origin_failed(Outcome.RESET, cause, "")

    def on_origin_lost(self) -> None:
        """See OriginUser."""
        if self.peer.state == TUNNEL:
            self.finish(_OK, "", self.status)
            return
        self._origin_failed(Outcome.RESET, causes.ORIGIN_RESET, "reset")

    def _origin_failed(self, outcome: Outcome, cause: str, condition: str) -> None:
        if self.responding:
            self.finish(outcome, cause, self.status, cut=True)
        elif self._is_held() or not (condition and attempts.again(self, outcome, condition)):
            attempts.give_up(self, outcome, 502, cause)

    def _is_held(self) -> bool:
        """Whether a response has begun to arrive, but not to leave."""
        return self.inspection is not None and self.inspection.holds_response

    def on_origin_blocked(self, blocked: bool) -> None:
        """See OriginUser."""
        if blocked:
            self.peer.pause_reading()
        else:
            self.peer.resume_reading()

    def read_on(self) -> None:
        """Read from the client again, unless the server takes no more for now."""
        origin = self.origin
        if origin is None or origin.closed or origin.transport.get_write_buffer_size() <= WRITE_HIGH:
            self.peer.resume_reading()

    # The end ---------------------------------------------------------------------------------------

    def answer(self, status: int, cause: str, fields: bytes = b"") -> None:
        """Answer with an error page of Bascule's own."""
        answers.error(self, status, cause, fields)

    def finish(self, outcome: Outcome | None, cause: str, status: int, cut: bool = False) -> None:
        """End the exchange: server and connection given back, a line for the log, the client's next turn.

        `cut` ends the client's connection without a proper end of the response: what it got is not whole.
        """
        if self.finished:
            return
        self.finished = True
        self.status = status
        self.cause = cause
        inspection = self.inspection
        if (shield := self.app.shield) is not None and (cause or status == 404 or inspection is not None):
            done = cause or (NOT_FOUND if status == 404 and self.own_site else "")
            shield.offended(self, *(inspection.offence(done) if inspection is not None else (done,)))
        self.detach(outcome)
        if inspection is not None:
            inspection.finish()
            self.inspection = None  # the two refer to each other: only the garbage collector would free them
        if self.login is not None:
            self.login.finish()
            self.login = None
        self.record()
        self.peer.on_exchange_done(self, cut)
