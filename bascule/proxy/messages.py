"""A WebSocket under inspection: the text messages of the client are judged, each before it is passed on.

Everything else flows as it comes: binary messages, control frames, and all that the server sends. Detecting changes
nothing: what cannot be read is noted, and the tunnel goes on unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from bascule.http.websocket import (
    POLICY_VIOLATION,
    ClientFrames,
    ServerFrames,
    WebSocketError,
    close_frame,
    compression,
)
from bascule.proxy.divided import CHEAP, Divided
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    from bascule.http.message import ResponseHead
    from bascule.proxy.exchange import Exchange
    from bascule.proxy.inspection import Inspection
    from bascule.waf.engine import Transaction, Verdict

ARGUMENT = b"websocket"
"""The name under which rules find a message."""


def begin(exchange: Exchange, head: ResponseHead) -> bool:
    """Put the tunnel that a server agreed to under inspection, where it is a WebSocket and the route asks for it.

    Return False if it cannot be inspected and therefore must not be: an extension that nobody here knows.
    """
    inspection = exchange.inspection
    if inspection is None or not exchange.route.plan.waf.websocket:
        return True
    if exchange.head.block.upgrade.lower() != b"websocket":
        return True
    try:
        exchange.messages = Messages(exchange, inspection, head)
    except WebSocketError as error:
        inspection.transaction.note(f"WebSocket not inspected: {error}")
        return inspection.transaction.rule_engine != "On"
    return True


class Messages:
    """The firewall's part in a tunnel. Raises WebSocketError for extensions that make it unreadable."""

    __slots__ = (
        "_blocking", "_closing", "_exchange", "_frames", "_inspection", "_judging", "_read", "_server", "_waiting",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, inspection: Inspection, head: ResponseHead) -> None:
        self._exchange = exchange
        self._inspection = inspection
        self._blocking = inspection.transaction.rule_engine == "On"
        self._closing = b""
        """A Close frame that waits for the end of the server's frame in progress."""
        self._judging = False
        """A message is judged in turns; nothing behind it is passed on meanwhile."""
        self._waiting: list[bytes] = []
        self._read: Iterator[tuple[bytes, bytes | None]] | None = None
        """The frames of what waits first."""
        self._server = ServerFrames()
        inflater = compression(head.values(b"sec-websocket-extensions"))
        self._frames: ClientFrames | None = ClientFrames(inspection.waf.settings.request_body_limit, inflater)

    def from_client(self, data: bytes) -> None:
        """Pass on what a client sent, or end the tunnel."""
        if self._closing:
            return
        if not self._blocking:
            self._to_server(data)
        if self._frames is None:
            return
        self._waiting.append(data)
        if self._judging:
            self._exchange.peer.pause_reading()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Judge what waits, up to a message that takes long: `_judged` goes on after it."""
        while self._waiting and self._frames is not None:
            if self._read is None:
                self._read = self._frames.feed(self._waiting[0])
            try:
                for raw, text in self._read:
                    passes = True if text is None else self._judge(raw, text)
                    if not passes:
                        return
                    if self._blocking:
                        self._to_server(raw)
            except WebSocketError as error:
                self._inspection.transaction.note(f"WebSocket: {error}")
                self._frames = None
                if self._blocking:
                    self._end(error.code, str(error), causes.BAD_FRAME)
            self._read = None
            del self._waiting[0]

    def _judge(self, raw: bytes, text: bytes) -> bool:
        """Judge a message. False: it was refused, or is judged in turns."""
        inspection = self._inspection
        transaction = inspection.begin()

        def judge() -> Verdict | None:
            verdict = inspection.show_head(transaction)
            if verdict is None:
                transaction.request_message(ARGUMENT, text)
                verdict = transaction.request_end()
            return verdict

        if len(text) <= CHEAP:
            return self._passes(transaction, judge())
        self._judging = True
        Divided(self._exchange, transaction).begin(judge, partial(self._judged, raw, transaction))
        return False

    def _passes(self, transaction: Transaction, verdict: Verdict | None) -> bool:
        """Carry out the verdict on a message. Return whether it may be passed on."""
        passes = verdict is None or verdict.action == "allow"
        transaction.note("WebSocket message passed on" if passes else "WebSocket message refused, closed with 1008")
        if transaction.fired:
            self._inspection.write_event(transaction)
        if not passes:
            self._end(POLICY_VIOLATION, f"refused: {self._exchange.reference()}", causes.WAF)
        return passes

    def _judged(self, raw: bytes, transaction: Transaction, verdict: Verdict | None) -> None:
        """A long message was judged: go on behind it."""
        self._judging = False
        if not self._passes(transaction, verdict):
            return
        if self._blocking:
            self._to_server(raw)
        self._exchange.read_on()
        self._go_on()

    def from_server(self, data: bytes) -> bool:
        """Pass on what a server sent. Return False if that ended the tunnel."""
        if not self._closing:
            self._server.feed(data)
            self._exchange.peer.write(data)
            return True
        self._exchange.peer.write(data[: self._server.feed(data, stop=True)])
        return not self._close_if_between()

    def _to_server(self, data: bytes) -> None:
        if (origin := self._exchange.origin) is not None:
            origin.write(data)

    def _end(self, code: int, reason: str, cause: str) -> None:
        """Close both ends: the server's at once, the client's as soon as no frame is in progress."""
        self._exchange.cause = cause
        self._to_server(close_frame(code, reason, masked=True))
        self._closing = close_frame(code, reason)
        self._close_if_between()

    def _close_if_between(self) -> bool:
        if not self._server.between:
            return False
        self._exchange.peer.write(self._closing)
        self._exchange.finish(Outcome.OK, self._exchange.cause, 101)
        return True
