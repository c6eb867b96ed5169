"""A response body that is held until it is judged, within a window of bytes and time. Streams of events never wait.

A long one is judged in turns, in which its server is not read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bascule.http.coding import CodingError, decode
from bascule.http.fields import list_tokens
from bascule.proxy.divided import CHEAP, Divided

if TYPE_CHECKING:
    from bascule.http.message import ResponseHead
    from bascule.proxy.exchange import Exchange
    from bascule.proxy.inspection import Inspection
    from bascule.waf.engine import Verdict

HOLD_TIME = 0.5
"""Seconds a response may be held: a page that trickles is judged by what came in that time."""
_DECODED_LIMIT = 1 << 20


class HeldResponse:
    """What came of one response's body. `waits` until it is judged; `timer` is to be cancelled with the exchange."""

    __slots__ = ("_content", "_ended", "_exchange", "_head", "_inspection", "_judging", "_size", "timer", "waits")

    def __init__(self, exchange: Exchange, inspection: Inspection, head: ResponseHead) -> None:
        self._exchange = exchange
        self._inspection = inspection
        self._head = head
        self._content: list[bytes] = []
        self._size = 0
        self._judging = self._ended = False
        self.waits = True
        self.timer: asyncio.TimerHandle | None = None

    def take(self, content: bytes, complete: bool) -> bool:
        """Take content; judge it once it is complete or the window is full. Return whether it may go out now."""
        self._content.append(content)
        self._size += len(content)
        self._ended = complete
        if self._judging:  # a server may close though it is not read
            return False
        if complete or self._size >= self._inspection.transaction.response_body_limit:
            return self._judge(complete)
        if self.timer is None:
            self.timer = self._exchange.app.loop.call_later(HOLD_TIME, self._release)
        return False

    def let_go(self, complete: bool) -> None:
        """Pass on what was held, which was judged and may go out."""
        self._exchange.respond(self._head, b"".join(self._content), complete)

    def _release(self) -> None:
        """The response trickles: judge what is here and hold no more."""
        if self.waits and not self._judging and not self._exchange.finished and self._judge(complete=False):
            self.let_go(complete=False)

    def _judge(self, complete: bool) -> bool:
        """Judge what is here. Return whether it may go out now; if that takes turns, it goes out by itself."""
        if self.timer is not None:
            self.timer.cancel()
        if self._size <= CHEAP and not self._head.values(b"content-encoding"):
            self.waits = False
            return not self._inspection.refuse(self._look(complete))
        self._judging = True
        exchange = self._exchange
        if exchange.origin is not None:
            exchange.origin.transport.pause_reading()
        Divided(exchange, self._inspection.transaction).begin(lambda: self._look(complete), self._judged)
        return False

    def _judged(self, verdict: Verdict | None) -> None:
        self.waits = False
        origin = self._exchange.origin
        if origin is not None and not origin.closed:
            origin.transport.resume_reading()
        if not self._inspection.refuse(verdict):
            self.let_go(self._ended)

    def _look(self, complete: bool) -> Verdict | None:
        content = b"".join(self._content)
        transaction = self._inspection.transaction
        codings = [coding for value in self._head.values(b"content-encoding") for coding in list_tokens(value)]
        try:
            plain = decode(content, codings, _DECODED_LIMIT) if codings else content
        except CodingError as error:
            transaction.note(f"response body inspected as sent: {error}")
            plain = content
        transaction.response_whole = complete
        transaction.response_body(plain)
        return transaction.response_end()
