"""A response on its way into the cache: asked for by an exchange of the cache's own, awaited by any number of others.

The cache's exchange outlives the client whose request caused it, is slowed down by none, and tries servers as any does.
Once the head is here it is known whether all may share the response. If not, the client that caused it takes over the
connection and goes on as if there were no cache; the others ask for themselves.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, cast

from bascule.cache import conditions, storing
from bascule.cache.body import Body
from bascule.cache.entry import Meta, lines_of, meta_of
from bascule.cache.folder import KEPT_IN_MEMORY
from bascule.cache.hot import Entry
from bascule.cache.keys import variant
from bascule.cache.reuse import instead_of_error
from bascule.cache.store import Look
from bascule.http.message import ResponseHead
from bascule.proxy.asking import AskingMixin
from bascule.proxy.awaiting import Waiters, alone, inform, whole
from bascule.proxy.exchange import Exchange
from bascule.proxy.peer import Peer
from bascule.proxy.phase import BUSY
from bascule.proxy.playback import Playback
from bascule.proxy.traits import CONDITIONS
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.proxy.caching import RouteCache

_FAILED = frozenset((500, 502, 503, 504))
"""Statuses in whose place a stale response may be used (RFC 5861 4)."""


class Fetch(Peer):
    """The client of the cache's own exchange. Without a leader nobody waits for it: a stale response was served."""

    __slots__ = (
        "_background",
        "_body",
        "_cache",
        "_head",
        "_look",
        "_meta",
        "_names",
        "_playbacks",
        "_spare",
        "_stale",
        "_waiters",
        "asked",
        "exchange",
    )

    def __init__(self, cache: RouteCache, asker: Exchange, look: Look, leads: bool) -> None:
        super().__init__(asker.app, asker.peer.tls)
        self._identify(asker.peer)
        self._cache = cache
        self._look = look
        self._stale: Entry | None = look.entry
        """What is validated, if anything is."""
        known = cache.known or bool(asker.head.value(b"authorization"))
        self._spare = None if self._stale is None or (known and not self._stale.meta.for_known) else self._stale
        """What may be used if no server answers."""
        self._waiters = Waiters(self._deserted)
        self._playbacks: list[Playback] = []
        self._head: ResponseHead | None = None
        self._meta: Meta = cast(Meta, None)
        self._names: tuple[bytes, ...] = ()
        self._body = Body()
        self.state = BUSY
        self.deadline = math.inf
        self.times = asker.route.times
        self.asked = time.time()
        self.exchange: AskingMixin = cache.asking(self, asker, whole(asker.head, self._stale))
        self._background = not leads
        if leads:
            self._waiters.leader = self._waiters.add(asker, math.inf)

    def _identify(self, peer: Peer) -> None:
        """Take over who asks: servers are told of the client that caused the request."""
        for name in ("address", "port", "peer_address", "info", "fixed_lines", "scheme", "tls_version", "trusted"):
            setattr(self, name, getattr(peer, name))
        self._local = peer.local

    def begin(self) -> None:
        """Ask."""
        self.exchange.ask_server()

    # Those who wait ----------------------------------------------------------------------------------

    def join(self, exchange: Exchange, until: float) -> None:
        """Let an exchange have this response too: now, if it is clear that it may, or once that is."""
        length = -1 if self._head is None else self._head.length
        if self._head is not None and not self._matches(exchange):
            alone(exchange)
        elif length < 0:
            self._waiters.add(exchange, until)
        else:
            self._play(exchange, False, length)

    def _deserted(self) -> None:
        """Nobody waits any more; with nothing to store yet, the fetch is over."""
        if self._head is None and not self._background:
            self.exchange.finish(Outcome.CLIENT_ABORT, causes.CLIENT_ABORT, 499)

    def tick(self, now: float) -> None:
        """Send on their own way those who waited for too long; see to the deadline."""
        self._waiters.send_on(now)
        if self.deadline < now:
            self.deadline = now + 1.0
            self.exchange.on_deadline()

    def pass_hint(self, head: ResponseHead) -> None:
        """Pass on an interim response to those who wait; 100 is for who sends a body, which nobody does here."""
        if head.status != 100:
            for exchange in self._waiters:
                exchange.on_informational(head)

    # The response ------------------------------------------------------------------------------------

    def take_head(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """The head of the final response is here, with the content that came along."""
        stale, now = self._stale, time.time()
        if head.status == 304 and stale is not None and conditions.is_freshened_by(stale.meta, head):
            self._freshen(stale, head, now)
        elif head.status == 304 and stale is not None:  # of another response: ask anew
            self._cache.store.drop(self._look)
            self.exchange.end(Outcome.OK)
            for exchange, _ in self._waiters.released():
                alone(exchange)
        elif head.status in _FAILED and (spare := self._spare) is not None and instead_of_error(spare.meta, now):
            self.exchange.end(Outcome.ERROR_STATUS if head.status != 500 else Outcome.OK)
            self._serve_stale(spare, b"Bascule; hit; fwd=stale; fwd-status=%d" % head.status)
        else:
            self._take_new(head, content, complete, now)

    def _take_new(self, head: ResponseHead, content: bytes, complete: bool, now: float) -> None:
        """Store the response if it may be; else whoever caused it has it alone."""
        cache, asked = self._cache, self.exchange.head
        try:
            life = storing.lifetime(asked, head, cache.policy, now, cache.known)
            names = cache.names_for(self._look, head)
            if head.length > cache.most:
                raise storing.Unstorable("too large")
            body = self._begin_body(head.length, content, complete)
        except storing.Unstorable:
            self._hand_over(head, content, complete)
            return
        self._head, self._names = head, names
        self._meta = self._meta_of(head, life, variant(asked, names), now, 0, head)
        self._body = body
        self.exchange.responding = True
        if complete:
            self._complete()
        else:
            self.deadline = self.app.now + self.times.response_idle
            self._begin_playing()

    def _begin_body(self, length: int, content: bytes, complete: bool) -> Body:
        """Return the content so far. One that is known to be large has its room from the start. Raises Unstorable."""
        body = Body(content, complete)
        if length > KEPT_IN_MEMORY and not complete:
            self._cache.release(self._look.key)  # it takes its time: others send sooner if they ask, too
            self._cache.store.folder.move_out(body, length)
            if body.error is not None:
                self._cache.trouble(body.error)
                raise storing.Unstorable("no room")
        return body

    def _begin_playing(self) -> None:
        """Let those begin who can: with no length known, only the leader, since it may become too large to share.

        A leader that asked for a range of what has no length yet is to have what the server makes of that.
        """
        length = cast(ResponseHead, self._head).length
        uncut = length < 0 and self._is_for_range()
        for exchange, is_leader in self._waiters.released():
            if uncut if is_leader else not self._matches(exchange):
                alone(exchange)
            elif is_leader or length >= 0:
                self._play(exchange, is_leader, length)
            else:
                self._waiters.add(exchange, self.app.now + self._cache.policy.collapse)

    def _is_for_range(self) -> bool:
        """Whether the request that caused it was for a range."""
        leader = self._waiters.leader
        return leader is not None and bool(leader.exchange.head.value(b"range"))

    def _matches(self, exchange: Exchange) -> bool:
        """Whether a response may answer another exchange than the one that caused it."""
        cache = self._cache
        known = cache.known or bool(exchange.head.value(b"authorization"))
        return (self._meta.for_known or not known) and variant(exchange.head, self._names) == self._meta.variant

    def _play(self, exchange: Exchange, is_leader: bool, length: int) -> None:
        """Send what there is, and what will come."""
        inform(exchange, self.exchange, is_leader)
        cache, meta, body = self._cache, self._meta, self._body
        if not is_leader or not CONDITIONS.isdisjoint(field[0] for field in exchange.head.block.fields):
            how = "miss" if is_leader else "collapsed"
            status = b"Bascule; fwd=miss" if is_leader else b"Bascule; fwd=miss; collapsed"
            entry = cache.store.entry(meta, body)
            cache.play(exchange, entry, how, status, length=length, lost=self._forget, kept=self._playbacks)
            return
        exchange.cache = "miss"
        cache.tell(exchange, b"Bascule; fwd=miss")
        playback = Playback(exchange, body, 0, length, lost=self._forget)
        self._playbacks.append(playback)
        playback.begin(cast(ResponseHead, self._head))

    def _forget(self, playback: Playback) -> None:
        if playback in self._playbacks:
            self._playbacks.remove(playback)
            if playback.then is not None:  # it was to go on with the connection, which nobody wants now
                self.exchange.finish(Outcome.CLIENT_ABORT, causes.CLIENT_ABORT, 499)

    def take_content(self, content: bytes, complete: bool) -> None:
        """More of the content."""
        body, cache = self._body, self._cache
        self.deadline = self.app.now + self.times.response_idle
        body.append(content)
        if body.size > KEPT_IN_MEMORY and body.file is None and body.error is None:
            cache.store.folder.move_out(body)
        if complete:
            self._complete()
            return
        if body.size > cache.most or (body.error is not None and len(self._playbacks) < 2):
            self._outgrow()
        for playback in tuple(self._playbacks):
            playback.more()

    def _complete(self) -> None:
        """All of the content is here: store it, and let everybody have it."""
        body, cache = self._body, self._cache
        body.settle()
        self._meta = cache.sized(self._meta, body.size)
        if body.size <= cache.most:
            self._save(self._names, self._meta, body)
        self.exchange.end(Outcome.ERROR_STATUS if 502 <= self._meta.status <= 504 else Outcome.OK)  # others look now
        for exchange, is_leader in self._waiters.released():
            if is_leader or self._matches(exchange):
                self._play(exchange, is_leader, body.size)
            else:
                alone(exchange)
        for playback in tuple(self._playbacks):
            playback.more()
        self._playbacks.clear()  # they go on by themselves

    def _save(self, names: tuple[bytes, ...], meta: Meta, body: Body) -> None:
        try:
            self._cache.store.save(self._look, names, meta, body)
        except OSError as error:
            self._cache.trouble(error)

    def _freshen(self, stale: Entry, told: ResponseHead, now: float) -> None:
        """The server says that what is stored is still right: bring its fields up to date, use it (RFC 9111 4.3.4)."""
        cache, asked, old = self._cache, self.exchange.head, stale.meta
        fields = conditions.freshened(old, told)
        head = cache.parser.parse(lines_of(old.status, old.reason, fields), b"GET")
        names: tuple[bytes, ...] | None = None
        try:
            life = storing.lifetime(asked, head, cache.policy, now, cache.known)
            names = cache.names_for(self._look, head)
        except storing.Unstorable:
            life = storing.Lifetime(fresh=0)
        said = old.variant if names is None else variant(asked, names)
        meta = self._meta_of(head, life, said, now, old.size, told)
        if names is None:
            cache.store.drop(self._look)
        else:
            self._save(names, meta, stale.body)
        self.exchange.end(Outcome.OK)
        self._meta, self._names = meta, names or ()
        entry = cache.store.entry(meta, stale.body)
        for exchange, is_leader in self._waiters.released():
            if is_leader or (names is not None and self._matches(exchange)):
                inform(exchange, self.exchange, is_leader)
                cache.play(exchange, entry, "revalidated", b"Bascule; fwd=stale; fwd-status=304")
            else:
                alone(exchange)

    def _meta_of(
        self, head: ResponseHead, life: storing.Lifetime, said: bytes, now: float, size: int, told: ResponseHead
    ) -> Meta:
        date, look = self.app.date_line[6:-2], self._look
        return meta_of(
            head, life, uri=look.uri, variant=said, date=date, stored=now, size=size,
            age=storing.initial_age(told, self.asked, now),
        )  # fmt: skip

    def _serve_stale(self, stale: Entry, how: bytes) -> None:
        for exchange, _ in self._waiters.released():
            self._cache.play(exchange, stale, "stale", how)

    # Other ends --------------------------------------------------------------------------------------

    def _hand_over(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """The response is for nobody but whom it was asked for: that exchange goes on with the connection."""
        stale, leader = self._stale, self._waiters.leader
        if stale is not None and head.status < 500:
            self._cache.store.drop(self._look)
        self._cache.pass_on(self._look, self.exchange.head, head.status)
        # A client that asked for a range, be it of all there is, is to have what the server makes of that.
        alone_too = leader is None or leader.exchange.finished or (head.status == 200 and self._is_for_range())
        if alone_too:
            self.exchange.finish(Outcome.CLIENT_ABORT, causes.CLIENT_ABORT, 499)
        for exchange, is_leader in self._waiters.released():
            if alone_too or not is_leader:
                alone(exchange)
                continue
            self._give_connection(exchange)
            exchange.cache = "miss"
            self._cache.tell(exchange, b"Bascule; fwd=miss")
            exchange.on_response(head, content, complete)

    def _give_connection(self, exchange: Exchange) -> None:
        """Let an exchange have the connection to the server, as if it had asked itself."""
        own = self.exchange
        inform(exchange, own, True)
        exchange.origin, own.origin = own.origin, None
        exchange.charged, own.charged = own.charged, False
        exchange.route = own.route
        exchange.replayable = False
        if exchange.origin is not None:
            exchange.origin.user = exchange
        own.finish(None, "", own.status)

    def _outgrow(self) -> None:
        """It cannot be stored whole: once the one client that has begun has what there is, it gets the connection."""
        self._look.epoch = -1  # nothing is stored of it
        if (error := self._body.error) is not None:
            self._cache.trouble(error)
        self._cache.forget(self, self._look.key)
        for exchange, _ in self._waiters.released():
            alone(exchange)
        if not self._playbacks:
            self.exchange.finish(Outcome.CLIENT_ABORT, causes.CLIENT_ABORT, 499)
            return
        (playback,) = self._playbacks  # without a length only the leader was let begin; on a full disk it is looked at
        if (origin := self.exchange.origin) is not None:
            origin.transport.pause_reading()
            playback.then = self._go_on_alone

    def _go_on_alone(self, exchange: Exchange) -> None:
        self._playbacks.clear()
        self._give_connection(exchange)
        origin = exchange.origin
        if origin is not None and not origin.closed and not exchange.peer.blocked:
            origin.transport.resume_reading()

    def fail(self, status: int, cause: str, fields: bytes) -> None:
        """No server answered."""
        spare, own = self._spare, self.exchange
        own.end(None)
        if spare is not None and instead_of_error(spare.meta, time.time()):
            self._serve_stale(spare, b"Bascule; hit; fwd=stale; detail=unreachable")
            return
        for exchange, is_leader in self._waiters.released():
            inform(exchange, own, is_leader)
            exchange.answer(status, cause, fields)

    def over(self) -> None:
        """The cache's own exchange has ended, whole or not."""
        self._cache.forget(self, self._look.key)
        if self._head is not None and not self._body.complete:
            for playback in tuple(self._playbacks):
                playback.fail()
            for exchange, _ in self._waiters.released():
                alone(exchange)
