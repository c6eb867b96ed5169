"""A stored response on its way to a client. It stands where a server's connection would: what the exchange asks of
that (pause, resume, release, close) it does, so that filters, quotas and back-pressure know no difference.

The content may still be growing; then `more` is called as it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from bascule.cache.body import Body
from bascule.http.fields import Field
from bascule.http.message import ResponseHead
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.upstream.connection import Answerer

PIECE = 1 << 16
"""Bytes that are handed on at a time."""
AT_ONCE = 1 << 18
"""Content up to this size goes out in one piece."""
_TURN = 8
"""Pieces after which others get their turn."""
_NOTHING: list[Field] = []


class Playback:
    """See the module. Offers what an exchange asks of an OriginConnection."""

    __slots__ = (
        "_body",
        "_broken",
        "_crc",
        "_end",
        "_ended",
        "_exchange",
        "_lost",
        "_offset",
        "_paused",
        "_running",
        "closed",
        "keep",
        "then",
    )

    trailers = _NOTHING
    fresh = True

    def __init__(
        self,
        exchange: Exchange,
        body: Body,
        start: int,
        end: int,
        *,
        lost: Callable[[Playback], None] | None = None,
        broken: Callable[[], None] | None = None,
    ) -> None:
        """`end` is where the content ends, -1 if that is not known yet.

        `lost` is told when nobody listens any more, `broken` when the file is not what was stored.
        """
        self._exchange = exchange
        self._body = body
        self._offset = start
        self._end = end
        self._lost = lost
        self._broken = broken
        self._paused = False
        self._running = False
        self._ended = False
        """Whether all was handed on, which is not to say that the client has it: inspection may hold it."""
        self._crc = 0 if body.complete and body.file is not None and not start and end == body.size else -1
        """What the content seen so far sums to, where all of a stored file is read; -1 otherwise."""
        self.then: Callable[[Exchange], None] | None = None
        """Told once the client has what there is: it is told of the rest by another."""
        self.closed = False
        self.keep = False

    def begin(self, head: ResponseHead) -> None:
        """Send the head and what there is of the content."""
        exchange, body = self._exchange, self._body
        if body.complete and self._end - self._offset <= AT_ONCE and body.file is None:
            self._ended = True
            exchange.on_response(head, body.read(self._offset, self._end - self._offset), True)
            return
        exchange.origin = cast("Answerer", self)
        here = (body.size if self._end < 0 else min(self._end, body.size)) - self._offset
        piece = body.read(self._offset, min(here, PIECE)) if here > 0 and body.file is None else b""
        self._offset += len(piece)
        self._running = True
        exchange.on_response(head, piece, False)
        self._running = False
        self.more()

    def more(self) -> None:
        """Hand on what there is, as far as the client takes it."""
        if self._running:
            return
        self._running = True
        try:
            self._run()
        except OSError:
            self._break()
        finally:
            self._running = False

    def fail(self) -> None:
        """There will be no more of the content: what was sent is not whole."""
        if not self.closed:
            self._exchange.on_origin_lost()

    def _run(self) -> None:
        exchange, body = self._exchange, self._body
        for _ in range(_TURN):
            if self._paused or self._ended or self.closed or exchange.finished:
                return
            if self._end < 0 and body.complete:
                self._end = body.size
            ready = (body.size if self._end < 0 else min(self._end, body.size)) - self._offset
            last = 0 <= self._end == self._offset + min(ready, PIECE)
            if not ready and not last:
                if self.then is not None:
                    self.closed = True
                    self.then(exchange)
                return
            piece = body.read(self._offset, min(ready, PIECE)) if ready else b""
            if len(piece) != min(ready, PIECE) or not self._sums_up(piece, last):
                self._break()
                return
            self._offset += len(piece)
            self._ended = last
            exchange.on_content(piece, last)
        exchange.app.loop.call_soon(self.more)

    def _sums_up(self, piece: bytes, last: bool) -> bool:
        """Check content of a file against the sum it was stored with."""
        if self._crc < 0:
            return True
        self._crc = crc32(piece, self._crc)
        return not last or self._crc == self._body.crc

    def _break(self) -> None:
        """The file is not what was stored: the client must not take it for whole."""
        if self._broken is not None:
            self._broken()
        self._exchange.on_origin_fault(causes.CACHE_BROKEN)

    # What an exchange asks of a server's connection -----------------------------------------------

    @property
    def transport(self) -> Playback:
        """See OriginConnection."""
        return self

    def pause_reading(self) -> None:
        """See asyncio.ReadTransport."""
        self._paused = True

    def resume_reading(self) -> None:
        """See asyncio.ReadTransport."""
        if self._paused:
            self._paused = False
            self._exchange.app.loop.call_soon(self.more)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""
        return default

    def get_write_buffer_size(self) -> int:
        """See asyncio.WriteTransport."""
        return 0

    def release(self, now: float) -> None:
        """See OriginConnection."""
        self.close()

    def close(self) -> None:
        """See OriginConnection."""
        if not self.closed:
            self.closed = True
            if self._lost is not None:
                self._lost(self)
