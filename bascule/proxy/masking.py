"""Responses changed on their way: numbers and words made asterisks, forms signed, while the content streams.

The server was asked for plain content (route.py). What comes encoded all the same is decoded. Masking keeps the length,
so the framing stays as it was, but for what had to be decoded or is signed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bascule.http.coding import CodingError, Decoder
from bascule.http.fields import list_tokens
from bascule.http.message import NO_LENGTH, ResponseHead
from bascule.telemetry import causes
from bascule.waf.response.wide import Wide

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.proxy.inspection import Inspection
    from bascule.waf.response.inspector import ResponseInspector
    from bascule.waf.response.masking import MaskedStream
    from bascule.waf.response.tags import TagStream

HOLD_TIME = 0.5
"""Seconds that the end of a piece may be kept back for what could go on: then a stream that pauses is passed on."""
_HTML = (b"text/html", b"application/xhtml+xml")
_VALIDATORS = frozenset((b"etag", b"last-modified"))
_RANGES = frozenset((b"accept-ranges",))
_ENCODED = frozenset((b"accept-ranges", b"content-encoding"))
_TEXTS = ("text/", "application/json", "application/xml", "application/javascript", "application/x-ndjson",
          "application/csv", "application/sql", "application/rtf", "message/")  # fmt: skip
_TEXT_FILES = (b".csv", b".txt", b".json", b".xml", b".log", b".tsv", b".sql", b".html", b".md", b".yaml", b".yml")


class ResponseMask:
    """What one response goes through; in detect mode it counts and changes nothing."""

    __slots__ = (
        "_decoder", "_decoys", "_detect", "_exchange", "_forms", "_inspection", "_links", "_masks", "_timer", "_wide",
    )  # fmt: skip

    def __init__(
        self, exchange: Exchange, inspection: Inspection, response: ResponseInspector, head: ResponseHead
    ) -> None:
        self._exchange = exchange
        self._inspection = inspection
        self._detect = inspection.transaction.rule_engine != "On"
        codings = [coding for value in head.values(b"content-encoding") for coding in list_tokens(value)]
        self._decoder = Decoder(codings) if codings else None
        kind = head.value(b"content-type").lower()
        self._wide = Wide(kind)
        self._masks = response.masker.stream(json=b"json" in kind) if response.masker is not None else None
        page = not self._detect and kind.startswith(_HTML)
        self._forms = response.forms.stream(inspection.transaction.time) if page and response.forms else None
        request = exchange.head
        self._links = response.links.stream(request.line_target, request.authority) if page and response.links else None
        self._decoys = response.decoys.stream() if page and response.decoys else None
        self._timer: asyncio.TimerHandle | None = None

    def head(self, head: ResponseHead) -> ResponseHead:
        """Return the head as the client may see it: what was changed has other validators, or none."""
        if self._detect:
            return head
        changed = head.without(_ENCODED if self._decoder is not None else _RANGES)
        etags = {(b"etag", tag): b"W/" + tag for tag in head.values(b"etag") if tag[:1] == b'"'}
        changed = changed.amended(etags) if etags else changed
        if self._forms is not None:  # signed with the time: a copy that is kept would age
            changed = changed.without(_VALIDATORS)
        if any(stage is not None for stage in (self._decoder, self._forms, self._links, self._decoys)):
            changed.length = changed.announced = NO_LENGTH
        return changed

    def feed(self, content: bytes, complete: bool) -> bytes:
        """Take content, return what may go out now. Cuts the exchange where content cannot be decoded."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        plain = content
        if self._decoder is not None:
            try:
                plain = self._decoder.feed(content)
            except CodingError as error:
                return self._undecodable(error, content)
        changed = self._through(plain, complete)
        if self._detect:
            return content
        if not complete and (self._wide.holds or any(stage is not None and stage.holds for stage in self._stages)):
            self._timer = self._exchange.app.loop.call_later(HOLD_TIME, self._release)
        return changed

    def _through(self, content: bytes, last: bool, pause: bool = False) -> bytes:
        """Pass content through all stages, in UTF-8. `pause`: more may come, but what is kept back is to go out."""
        wide = self._wide
        if not wide.told:
            content = wide.read(content, last, wait=not pause)
            if wide.codec and self._masks is not None:
                self._masks.measure = wide.units
        else:
            content = wide.read(content, last)
        for stage in self._stages:
            if stage is not None:
                content = stage.feed(content, last or pause)
        return wide.write(content, last)

    @property
    def _stages(self) -> tuple[MaskedStream | TagStream | None, ...]:
        return self._masks, self._forms, self._links, self._decoys

    def _undecodable(self, error: CodingError, content: bytes) -> bytes:
        self._inspection.transaction.note(f"response not masked: {error}")
        if self._detect:
            self._decoder = None
            return content
        self._exchange.abandon(causes.WAF)
        return b""

    def _release(self) -> None:
        """Nothing came for a while: pass on what was kept back."""
        self._timer = None
        kept = self._through(b"", last=False, pause=True)
        if kept and not self._exchange.finished:
            self._exchange.send_content(kept, False)

    def finish(self) -> None:
        """Tell the event what was masked."""
        if self._timer is not None:
            self._timer.cancel()
        transaction = self._inspection.transaction
        inspector = transaction.waf.response
        if inspector is not None and self._masks is not None and self._masks.found:
            inspector.note_masked(transaction, self._masks.found)


def begin(exchange: Exchange, response: ResponseInspector, head: ResponseHead) -> ResponseMask | None:
    """Return the mask of a response, and let its inspection have it, if it is a text that a client will get."""
    if exchange.inspection is None or head.length == 0 or head.status in (204, 304):
        return None
    if exchange.inspection.transaction.rule_engine == "Off" or not _is_text(head):
        return None
    mask = exchange.inspection.mask = ResponseMask(exchange, exchange.inspection, response, head)
    return mask


def _is_text(head: ResponseHead) -> bool:
    kind = head.value(b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if kind.startswith(_TEXTS) or kind.endswith(("+json", "+xml")):
        return True
    named = head.value(b"content-disposition").lower().rstrip(b'" ')
    return named.endswith(_TEXT_FILES)
