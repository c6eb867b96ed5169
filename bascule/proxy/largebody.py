"""The rest of a request body whose start was judged: judged in windows (windows.py), each before it is passed on.

What is judged of a body with a Content-Encoding is what the server will make of it; passed on is what came.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bascule.http.coding import CodingError, Decoder
from bascule.proxy.divided import Divided
from bascule.proxy.windows import Windows

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.proxy.inspection import Inspection
    from bascule.waf.engine import Transaction, Verdict

MAX_DECODED = 64
"""So many times the limit of what is held, a body with a Content-Encoding may be once it is decoded."""


class LargeBody:
    """See the module. The inspection is told of the window in which something was found, and of what cannot be
    decoded, and says whether it passes."""

    __slots__ = ("_busy", "_decoder", "_ended", "_exchange", "_inspection", "_kept", "_known", "_room", "_turns",
                 "_windows", "asked")  # fmt: skip

    def __init__(self, exchange: Exchange, inspection: Inspection, limit: int, codings: list[bytes]) -> None:
        self._exchange, self._inspection = exchange, inspection
        start = inspection.transaction
        self._turns = Divided(exchange, start)
        self._busy = False
        self._ended = exchange.request_done
        self.asked = True
        """A server is to be asked, or was, before what follows is judged."""

        def begin_window() -> Transaction:
            window = self._turns.judging = inspection.begin()
            inspection.show_head(window)
            return window

        self._windows: Windows | None = Windows(limit, start.reader_of_rest(limit), begin_window)
        self._kept: list[bytes] = []
        """What came and is not judged yet."""
        self._decoder = Decoder(codings) if codings else None
        self._known = limit if codings else 0
        """Bytes that were judged, and are decoded again."""
        self._room = limit * MAX_DECODED
        body = b"".join(exchange.parts)
        passed = 0 if codings else limit
        exchange.parts, exchange.kept = [body[:passed]] if passed else [], passed
        if not self._keep(body[passed:]):
            self.asked = False
        elif self._windows is not None and self._windows.due(self._ended):
            self.asked = False
            self._judge(self._windows)
        elif self._ended:
            self._pass_on()

    def take(self, content: bytes, ended: bool = False) -> None:
        """Take more of the body, or hear of its end."""
        exchange = self._exchange
        self._ended = ended
        if not self._keep(content):
            return
        if self._windows is None:
            self._pass_on()
        elif self._busy:
            exchange.peer.pause_reading()
        elif self._windows.due(ended):
            self._judge(self._windows)
        if ended and not self._busy:
            self._pass_on()
            exchange.end_request()

    def _keep(self, content: bytes) -> bool:
        """Keep content until it is judged. Return whether the exchange goes on."""
        self._kept.append(content)
        if self._windows is None:
            return True
        plain = content
        if self._decoder is not None:
            try:
                plain = self._decoder.feed(content)
            except CodingError as error:
                return self._cannot_judge(f"Content-Encoding: {error}", 400)
            self._room -= len(plain)
            if self._room < 0:
                return self._cannot_judge(f"it decodes to more than {MAX_DECODED} times what is held of a body", 413)
            known = min(self._known, len(plain))
            self._known -= known
            plain = plain[known:]
        self._windows.add(plain)
        return True

    def _cannot_judge(self, why: str, status: int) -> bool:
        self._windows = None
        return self._inspection.passes_unjudged(why, status)

    def _pass_on(self, pieces: int | None = None) -> None:
        """Pass on what is kept, or so many pieces of it."""
        content = b"".join(self._kept[:pieces])
        del self._kept[:pieces]
        if content:
            self._exchange.pass_on(content)

    def _judge(self, windows: Windows) -> None:
        """Judge what was kept; no more is read meanwhile."""
        self._busy = True
        self._exchange.peer.pause_reading()
        kept = len(self._kept)
        self._turns.begin(partial(windows.judge, windows.take(), self._ended), partial(self._judged, windows, kept))

    def _judged(self, windows: Windows, kept: int, verdict: Verdict | None) -> None:
        """Pass on what was judged; after findings the rest goes unjudged."""
        exchange = self._exchange
        self._busy = False
        window = self._turns.judging
        if windows.found is not None or window.exhausted:
            self._windows = None
            if not self._inspection.found_in_window(window, verdict):
                return
            kept = len(self._kept)
        exchange.read_on()
        self._pass_on(kept)
        if self._windows is not None and windows.due(self._ended):
            self._judge(windows)
            return
        if self._ended:
            self._pass_on()
            exchange.end_request()
        if not self.asked:
            self.asked = True
            exchange.try_server()
