"""The rest of a request body whose start was judged: judged in windows (windows.py), each before it is passed on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from bascule.proxy.divided import Divided
from bascule.proxy.windows import Windows

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.waf.engine import Transaction, Verdict


class LargeBody:
    """See the module. `found` is told of the window in which something was found, and returns whether it passes."""

    __slots__ = ("_busy", "_ended", "_exchange", "_found", "_turns", "_windows", "asked")

    def __init__(
        self,
        exchange: Exchange,
        limit: int,
        start: Transaction,
        begin: Callable[[], Transaction],
        found: Callable[[Transaction, Verdict | None], bool],
    ) -> None:
        body = b"".join(exchange.parts)
        self._exchange = exchange
        self._turns = Divided(exchange, start)
        self._found = found
        self._busy = False
        self._ended = exchange.request_done
        self.asked = True
        """A server is to be asked, or was, before what follows is judged."""

        def begin_window() -> Transaction:
            window = self._turns.judging = begin()
            return window

        self._windows: Windows | None = Windows(limit, start.body_kinds, body[:limit], begin_window)
        exchange.parts, exchange.kept = [body[:limit]], limit
        self._windows.add(body[limit:])
        if self._windows.due(self._ended):
            self.asked = False
            self._judge(self._windows)

    def take(self, content: bytes, ended: bool = False) -> None:
        """Take more of the body, or hear of its end."""
        windows, exchange = self._windows, self._exchange
        self._ended = ended
        if windows is None:
            exchange.pass_on(content)
        else:
            windows.add(content)
            if self._busy:
                exchange.peer.pause_reading()
            elif windows.due(ended):
                self._judge(windows)
        if ended and not self._busy:
            exchange.end_request()

    def _judge(self, windows: Windows) -> None:
        """Judge what was kept; no more is read meanwhile."""
        self._busy = True
        self._exchange.peer.pause_reading()
        content = windows.take()
        self._turns.begin(partial(windows.judge, content), partial(self._judged, windows, content))

    def _judged(self, windows: Windows, content: bytes, verdict: Verdict | None) -> None:
        """Pass on what was judged; after findings the rest goes unjudged."""
        exchange = self._exchange
        self._busy = False
        window = self._turns.judging
        if windows.found is not None or window.exhausted:
            self._windows = None
            content += windows.take()
            if not self._found(window, verdict):
                return
        exchange.read_on()
        exchange.pass_on(content)
        if self._windows is not None and windows.due(self._ended):
            self._judge(windows)
            return
        if self._ended:
            exchange.end_request()
        if not self.asked:
            self.asked = True
            exchange.try_server()
