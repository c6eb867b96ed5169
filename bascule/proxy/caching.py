"""How requests are answered from the cache: what goes past it, what is served, who asks the server.

It stands where a server would be asked: after limits, firewall and rules have let the request pass, before a server is
picked. What is stored is what the server said; it is played back to the exchange as if the server said it now, so that
whatever is done to responses (inspection, masks, signed forms and cookies, header policy, rules about responses) is
done for each client anew, and nothing that was made for one is kept for another (docs/decisions/cache.md).

Start at `RouteCache.take`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import msgspec

from bascule.cache import conditions, keys, reuse
from bascule.cache.entry import Meta
from bascule.cache.folder import Folder
from bascule.cache.hot import Entry
from bascule.cache.reuse import Use
from bascule.cache.store import Look, Store
from bascule.cache.storing import Unstorable
from bascule.config.cache import Cache
from bascule.config.plan import RoutePlan, SitePlan
from bascule.http.fields import Field
from bascule.http.h1.head import ResponseParser
from bascule.http.message import RequestHead, ResponseHead
from bascule.proxy.asking import Asking, AskingMixin
from bascule.proxy.elsewhere import Elsewhere
from bascule.proxy.fetch import Fetch
from bascule.proxy.playback import Playback
from bascule.proxy.traits import OURS, UNKEYED, Traits, traits_of
from bascule.telemetry import causes
from bascule.telemetry.sinks import complain

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange

SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
"""Methods that change nothing (RFC 9110 9.2.1)."""
_VALIDATE, _STALE_WHILE = Use.VALIDATE, Use.STALE_WHILE  # asking an Enum for a member takes four times as long
TICK: Final = 0.1
MOST_PASSED, PASS_TIME = 4096, 10.0
"""URIs known not to be storable, and for how many seconds requests for them go straight to the server."""
HIDDEN: Final = ("surrogate-key", "cache-tag", "bascule-cache-control")
_COMPLAINT: Final = 60.0
"""Seconds between two complaints about a store that takes nothing."""
_PLAYED: Final = frozenset((b"GET", b"HEAD"))


class Caching:
    """What the caches of all routes of a worker share: the store, and what is on its way."""

    def __init__(self, folder: Folder, hot: int, parser: ResponseParser, loop: asyncio.AbstractEventLoop) -> None:
        """`hot` are the bytes that this worker may keep at hand."""
        self.store = Store(folder, hot, parser)
        self.parser = parser
        self.fetches: dict[int, Fetch] = {}
        self.elsewhere = Elsewhere(folder.index, loop)
        self.passed: dict[int, float] = {}
        self.by_site: dict[str, list[RouteCache]] = {}
        """By site the caches of its routes: what one of them changes concerns all."""
        self._loop = loop
        self._ticks = False
        self._ticked = 0.0
        self._complained = 0.0

    def of_route(self, site: SitePlan, route: RoutePlan) -> RouteCache | None:
        """Return the cache of a site's route; None where no route of the site has one.

        Of those without, too, responses tell what of the others' is no longer right.
        """
        if not any(other.cache.enabled for other in site.routes):
            return None
        tls = site.tls
        known = tls is not None and tls.client_auth is not None and tls.client_auth.forward
        ops = route.headers.request
        cache = RouteCache(self, route.cache, route.name, known=known, asked_otherwise=(*ops.set, *ops.add))
        self.by_site.setdefault(site.name, []).append(cache)
        return cache

    def begin(self, fetch: Fetch, key: int, claimed: float) -> None:
        """Let a response be fetched; other workers may wait for it for `claimed` seconds."""
        self.fetches[key] = fetch
        self.elsewhere.claim(key, claimed)
        if not self._ticks:
            self._ticks, self._ticked = True, time.monotonic()
            self._loop.call_later(TICK, self._tick)
        fetch.begin()

    def _tick(self) -> None:
        before, self._ticked = self._ticked, time.monotonic()
        late = self._ticked - before > 2 * TICK  # what came meanwhile is yet to be read: see proxy/deadlines.py
        for fetch in list(self.fetches.values()):
            fetch.tick(before if late else self._ticked)
        self._ticks = bool(self.fetches)
        if self._ticks:
            self._loop.call_later(TICK, self._tick)

    def pass_on(self, key: int, now: float) -> None:
        """Remember that responses of a URI cannot be shared."""
        if len(self.passed) >= MOST_PASSED:
            self.passed.clear()
        self.passed[key] = now + PASS_TIME

    def trouble(self, error: OSError) -> None:
        """Tell, but not too often, that the store takes nothing."""
        if (now := time.monotonic()) > self._complained:
            self._complained = now + _COMPLAINT
            complain(f"cache: a response is not stored: {error.strerror or error}")

    def close(self) -> None:
        """Let go of everything."""
        for fetch in list(self.fetches.values()):
            fetch.exchange.finish(None, causes.DRAIN, 0)
        self.store.close()


class RouteCache:
    """The cache of one route. `forward`: it is that of the forward proxy; `known`: servers are told who asks;
    `asked_otherwise`: request fields that the operator sets."""

    def __init__(
        self,
        caching: Caching,
        policy: Cache,
        label: str,
        *,
        known: bool = False,
        forward: bool = False,
        asked_otherwise: Iterable[str] = (),
        asking: Callable[[Fetch, Exchange, RequestHead], AskingMixin] = Asking,
    ) -> None:
        self._caching = caching
        self.store = caching.store
        self.parser = caching.parser
        self.trouble = caching.trouble
        self.policy = policy
        self.label = label
        self.known = known
        self.asking = asking
        self.hidden = () if forward else HIDDEN
        """Response fields that are meant for the cache alone."""
        self.most = min(policy.max_object, caching.store.most)
        """Bytes of the largest response that is stored."""
        cookies = (keys.COOKIE + name.encode() for name in policy.key.cookies)
        self.forced = tuple(sorted((*(name.encode() for name in policy.key.headers), *cookies)))
        self._ours = OURS | {name.lower().encode() for name in asked_otherwise}
        self._is_forward = forward
        self._honours = policy.client_directives == "honour"
        self._bypass_fields = UNKEYED | {name.encode() for name in policy.bypass.headers}
        self._bypass_paths = tuple(path.encode() for path in policy.bypass.paths)

    # A request ---------------------------------------------------------------------------------------

    def take(self, exchange: Exchange, waits: bool = True) -> None:
        """Answer an exchange from the store, let it wait for a response that is on its way, or let it ask a server.

        `waits` says whether it may wait for another worker: once.
        """
        if exchange.method not in _PLAYED or not self.policy.enabled:
            exchange.ask_server()
            return
        block = exchange.head.block
        traits = block.notes.get(self)
        if traits is None:
            traits = traits_of(block, self._bypass_fields, self._honours)
            block.note(self, traits)
        # a body that is here already (firewall, `request_buffer`) is as little of the key as one that comes
        if traits.past or exchange.head.has_body or exchange.upgrading or self._goes_past(exchange):
            self.ask(exchange, "bypass", b"Bascule; fwd=bypass")
            return
        now = exchange.app.now
        look = self.store.look(self.uri(exchange), self.label, exchange.head, now)
        entry = look.entry
        if entry is not None and (entry.meta.for_known or not (traits.known or self.known)):
            old = reuse.age(entry.meta, time.time())
            use = reuse.use(entry.meta, traits.asked, old)
            if use is not _VALIDATE:
                if use is _STALE_WHILE and exchange.method == b"GET":
                    self._renew(exchange, look)
                self._serve(exchange, entry, traits.asks, old)
                return
        self._miss(exchange, look, traits, now, waits)

    def _renew(self, exchange: Exchange, look: Look) -> None:
        """Fetch a new response, unless one is on its way."""
        caching = self._caching
        if look.key not in caching.fetches and not caching.elsewhere.asks(look.key):
            caching.begin(Fetch(self, exchange, look, False), look.key, self.policy.collapse)

    def _serve(self, exchange: Exchange, entry: Entry, asks: bool, old: int) -> None:
        """Answer from the store with a response of the age `old`."""
        left, body = entry.meta.fresh - old, entry.body
        how, status = "hit" if left > 0 else "stale", b"Bascule; hit; ttl=%d" % left
        if asks or exchange.method != b"GET" or body.file is not None or not body.size:
            self.play(exchange, entry, how, status, asks=asks)
            return
        if entry.usual is None or entry.usual[0] != old:  # the same for all requests of a second
            entry.usual = (old, entry.head(self._told(old, status)))
        exchange.cache = how
        exchange.replayable = False
        exchange.on_response(entry.usual[1], body.read(0, body.size), True)

    def _miss(self, exchange: Exchange, look: Look, traits: Traits, now: float, waits: bool) -> None:
        """There is no response that may be used as it is."""
        asked = traits.asked
        if b"only-if-cached" in asked:
            exchange.answer(504, causes.NOT_CACHED)
            return
        passes = self._caching.passed.get(_class_of(look, exchange.head), 0.0) > now
        if exchange.method == b"HEAD" or traits.part or passes or b"no-store" in asked:
            self.ask(exchange, "miss", b"Bascule; fwd=miss")
            return
        caching, collapse = self._caching, self.policy.collapse
        joins = collapse and not (traits.known or self.known) and b"no-cache" not in asked
        fetch = caching.fetches.get(look.key)
        if fetch is None and waits and joins and caching.elsewhere.asks(look.key):
            caching.elsewhere.wait(exchange, look.key, collapse, lambda one: self.take(one, waits=False))
        elif fetch is None:
            caching.begin(Fetch(self, exchange, look, True), look.key, collapse)
        elif joins:
            fetch.join(exchange, now + collapse)
        else:
            self.ask(exchange, "miss", b"Bascule; fwd=miss")

    def ask(self, exchange: Exchange, how: str, status: bytes) -> None:
        """Let an exchange ask a server as if there were no cache."""
        exchange.cache = how
        self.tell(exchange, status)
        exchange.ask_server()

    def tell(self, exchange: Exchange, status: bytes) -> None:
        """Say how the response is come by (RFC 9211), where the head is the server's own."""
        if self.policy.status_field:
            exchange.extra += b"cache-status: %b\r\n" % status

    def _goes_past(self, exchange: Exchange) -> bool:
        """Tell whether the operator wants a request to go past the cache."""
        bypass = self.policy.bypass
        if self._bypass_paths and exchange.place[3].startswith(self._bypass_paths):
            return True
        if not bypass.cookies:
            return False
        for value in exchange.head.values(b"cookie"):
            for pair in value.decode("latin-1").split(";"):
                name = pair.partition("=")[0].strip()
                if any(fnmatchcase(name, pattern) for pattern in bypass.cookies):
                    return True
        return False

    def uri(self, exchange: Exchange) -> bytes:
        """Return the URI by which the response of an exchange is known."""
        _, mark, query = exchange.target.partition(b"?")
        query = mark + query
        if query and self.policy.key.ignore:
            query = keys.without_parameters(query, self.policy.key.ignore)
        return keys.uri_of(*exchange.place, query)

    # A response --------------------------------------------------------------------------------------

    def play(
        self,
        exchange: Exchange,
        entry: Entry,
        how: str,
        status: bytes,
        *,
        asks: bool = True,
        length: int = -1,
        lost: Callable[[Playback], None] | None = None,
        kept: list[Playback] | None = None,
    ) -> None:
        """Answer an exchange with a stored response, or with one that is on its way and has `length` bytes."""
        meta, body = entry.meta, entry.body
        exchange.cache = how
        exchange.replayable = False
        size = meta.size if kept is None else length
        more = self._told(reuse.age(meta, time.time()), status)
        if asks and conditions.not_modified(exchange.head, meta):
            exchange.on_response(entry.head_304(more), b"", True)
            return
        start, end = 0, size
        # what is masked is not cut: numbers could be halved
        cut = asks and size >= 0 and exchange.method == b"GET" and exchange.route.response_filter is None
        if cut and (part := conditions.part(exchange.head, meta, size)):
            if part is conditions.UNSATISFIABLE:
                head = _part_head(entry, more, 416, b"bytes */%d" % size, 0)
                exchange.on_response(head, b"", True)
                return
            start, end = part
            head = _part_head(entry, more, 206, b"bytes %d-%d/%d" % (start, end - 1, size), end - start)
        else:
            head = entry.head(more)
            head.length = head.announced = size
        if exchange.method == b"HEAD" or meta.status == 204 or not size:
            head.length = 0
            exchange.on_response(head, b"", True)
            return
        playback = Playback(exchange, body, start, end, lost=lost, broken=lambda: self._drop(entry))
        if kept is not None:
            kept.append(playback)
        playback.begin(head)

    def _told(self, age: int, status: bytes) -> list[Field]:
        """Return the fields that tell of the cache."""
        more: list[Field] = [(b"age", b"%d" % age, 0, b"age: %d\r\n" % age)]
        if self.policy.status_field:
            more.append((b"cache-status", status, 0, b"cache-status: %b\r\n" % status))
        return more

    def _drop(self, entry: Entry) -> None:
        self.store.folder.index.broken()
        self.store.folder.remove(entry.key)

    def names_for(self, look: Look, head: ResponseHead) -> tuple[bytes, ...]:
        """Return by what the responses of a URI vary, now that this one came. Raises Unstorable."""
        names = self.store.names_for(look, head, self.forced)
        if names is None or not self._ours.isdisjoint(names):
            raise Unstorable("vary")
        return names

    def sized(self, meta: Meta, size: int) -> Meta:
        """Return what is kept of a response whose content has come to its end."""
        return msgspec.structs.replace(meta, size=size)

    def pass_on(self, look: Look, request: RequestHead, status: int) -> None:
        """Remember that such requests for a URI get what is for nobody else; failures say nothing of that."""
        if (status < 400 or status == 404) and not request.value(b"authorization"):
            self._caching.pass_on(_class_of(look, request), time.monotonic())

    def forget(self, fetch: Fetch, key: int) -> None:
        """A fetch is over."""
        if self._caching.fetches.get(key) is fetch:
            del self._caching.fetches[key]
            self.release(key)

    def release(self, key: int) -> None:
        """Let other workers wait no more."""
        self._caching.elsewhere.release(key)

    # Invalidation ------------------------------------------------------------------------------------

    def invalidate(self, exchange: Exchange, head: ResponseHead) -> None:
        """Forget what an unsafe request may have changed: its URI, and those its response names (RFC 9111 4.4)."""
        if exchange.method in SAFE or not 200 <= head.status < 400:
            return
        own = self.uri(exchange)
        uris = {own}
        for name in (b"location", b"content-location"):
            for value in head.values(name):
                if (uri := self._same_host(exchange, own, value)) is not None:
                    uris.add(uri)
        for cache in self._caching.by_site.get(exchange.route.plan.site, (self,)):
            for uri in uris:
                cache.store.remove(uri, cache.label)

    def _same_host(self, exchange: Exchange, own: bytes, place: bytes) -> bytes | None:
        """Return the URI that a response names, None if it is of another host, which it may say nothing of."""
        if not self._is_forward:
            place = exchange.route.place.place(place, exchange.scheme, exchange.head.authority)
        try:
            here, there = own.decode("latin-1"), urlsplit(urljoin(own.decode("latin-1"), place.decode("latin-1")))
            same = there.hostname == urlsplit(here).hostname and there.scheme in ("http", "https")
            port = there.port or 0
        except ValueError:
            return None
        if not same or there.hostname is None:
            return None
        host = f"[{there.hostname}]" if ":" in there.hostname else there.hostname
        query = f"?{there.query}" if there.query else ""
        parts = (there.scheme, host, there.path or "/", query)
        scheme, name, path, rest = (part.encode("latin-1") for part in parts)
        return keys.uri_of(scheme, name, port, path, rest)


def _class_of(look: Look, head: RequestHead) -> int:
    """Return what requests for a URI are remembered by that get nothing to share: those with cookies by themselves."""
    return look.key << 1 | bool(head.value(b"cookie"))


def _part_head(entry: Entry, more: list[Field], status: int, content_range: bytes, length: int) -> ResponseHead:
    """Return the head of an answer to a request for a part (RFC 9110 15.3.7, 15.5.17)."""
    line = b"content-range: %b\r\n" % content_range
    head = entry.head([*more, (b"content-range", content_range, 0, line)])
    head.status = status
    head.length = head.announced = length
    return head
